import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from 'redis';
import { parseDocument } from 'yaml';
import type { Verifier } from '../../src/verifier/index.ts';
import { outcomeOf, saleOf } from '../../src/virtual/attacks/attack.ts';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import type { PhoneMoment } from '../../src/virtual/phone/stream.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { RedisServer } from '../store/volatile/redis-server.ts';
import { payThrough, persistently, startWorld } from './support.ts';

const PARTY = { acquirer: 'acquirer', merchant: 'courier-7' };
const SEEN_WITHIN = 15_000;

let redis: RedisServer;
let world: World;
let end: () => Promise<void> = async () => {};

beforeAll(async () => {
  redis = await RedisServer.start();
  ({ world, end } = await startWorld());
  const file = join(world.folder.data, 'config.yaml');
  const config = parseDocument(await readFile(file, 'utf8'));
  config.setIn(['redis', 'url'], String(redis.url));
  await writeFile(file, config.toString());
  await world.killService();
  await world.startService();
}, 300_000);

afterAll(async () => {
  await end();
  await redis.dispose();
}, 60_000);

const idOf = (phone: VirtualPhone): string => phone.memory.deviceId ?? '';
const tokenOf = (phone: VirtualPhone): string => phone.memory.session?.token ?? '';

/** Forgets all that Redis holds, and leaves it running. */
async function flush(): Promise<void> {
  const client = createClient({ socket: { path: join(redis.folder, 'redis.sock'), tls: false } });
  await client.connect();
  await client.flushAll();
  client.destroy();
}

/** Redis dies with all that it holds, and comes back empty. */
async function loseRedis(): Promise<void> {
  await redis.kill();
  await redis.restart();
}

/** The service dies as in a power cut, and is started again. */
async function loseService(): Promise<void> {
  await world.killService();
  await world.startService();
}

/** Phones of every standing and invites of every state. */
async function everything() {
  const [active, suspended, revoked] = [
    await world.readyPhone(),
    await world.readyPhone(),
    await world.readyPhone(),
  ] as const;
  const used = await world.invite();
  await (await world.phone()).attest(used);
  const { open, withdrawn } = await world.security(async (team) => {
    await team.suspend(idOf(suspended), 'looked at');
    await team.revoke(idOf(revoked), 'lost');
    const gone = await team.invite(PARTY);
    await team.withdraw(gone.inviteId);
    return { open: (await team.invite(PARTY)).code, withdrawn: gone.code };
  });
  return { active, suspended, revoked, used, open, withdrawn };
}

type Everything = Awaited<ReturnType<typeof everything>>;

/** What a verifier comes to say of a token, once it has heard of everything. */
async function wordOf(verifier: Verifier, phone: VirtualPhone, expected: string): Promise<string> {
  const until = performance.now() + SEEN_WITHIN;
  for (;;) {
    const verified = await verifier.verify(tokenOf(phone));
    const word = verified.ok ? 'genuine' : verified.reason;
    if (word === expected || performance.now() > until) return word;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function expectVerifier(verifier: Verifier, { active, suspended, revoked }: Everything): Promise<void> {
  expect(await wordOf(verifier, active, 'genuine')).toBe('genuine');
  expect(await wordOf(verifier, suspended, 'TOKEN_REVOKED')).toBe('TOKEN_REVOKED');
  expect(await wordOf(verifier, revoked, 'TOKEN_REVOKED')).toBe('TOKEN_REVOKED');
}

const refusalOf = (phone: VirtualPhone, code: string | null): Promise<string> =>
  persistently(() => outcomeOf(world, () => phone.attest(code))).then((outcome) => outcome.split(' ')[0] ?? '');

/** Devices, invites and revocations stand as they stood. */
async function expectNothingLost(before: Everything, watching: Verifier): Promise<void> {
  const { active, suspended, revoked, used, open, withdrawn } = before;
  // What watched all the time, and what knows nothing yet.
  await expectVerifier(watching, before);
  await expectVerifier(await world.verifier(), before);
  expect(await refusalOf(suspended, null)).toBe('DEVICE_SUSPENDED');
  expect(await refusalOf(revoked, null)).toBe('DEVICE_REVOKED');
  for (const code of [used, withdrawn]) expect(await refusalOf(await world.phone(), code)).toBe('INVITE_INVALID');
  const thumbprint = active.memory.session?.thumbprint;
  active.endProcess();
  await persistently(() => active.resume());
  expect(active.memory.session?.thumbprint).toBe(thumbprint);
  await expect(payThrough(world, active, saleOf(world, 100n))).resolves.toMatchObject({ outcome: 'paid' });
  const enrolled = await world.phone();
  await persistently(() => enrolled.attest(open));
  expect(await refusalOf(await world.phone(), open)).toBe('INVITE_INVALID');
  await world.security((team) => team.resume(idOf(suspended), 'found'));
  await persistently(() => suspended.attest(null));
  await expect(payThrough(world, suspended, saleOf(world, 100n))).resolves.toMatchObject({ outcome: 'paid' });
}

/** Has something happen, once, when the phone has its challenge. */
function atChallenge(phone: VirtualPhone, exchange: PhoneMoment['exchange'], happen: () => Promise<void>): void {
  let happened = false;
  phone.memory.probe = async (moment) => {
    if (happened || moment.exchange !== exchange || moment.direction !== 'received' || moment.number !== 1) return;
    happened = true;
    await happen();
  };
}

describe.each([
  ['the service, killed with SIGKILL', loseService],
  ['all that Redis holds', flush],
  ['Redis itself, which comes back empty', loseRedis],
] as const)('after the loss of %s', (_what, lose) => {
  test('no device, invite or revocation is lost', async () => {
    const watching = await world.verifier();
    const before = await everything();
    await lose();
    await expectNothingLost(before, watching);
  }, 120_000);
});

describe('a challenge that is lost with Redis', () => {
  test('costs a new attestation', async () => {
    const phone = await world.readyPhone();
    atChallenge(phone, 'attest', flush);
    expect(await refusalOf(phone, null)).toBe('CHALLENGE_UNKNOWN');
    await phone.attest(null);
    await expect(payThrough(world, phone, saleOf(world, 100n))).resolves.toMatchObject({ outcome: 'paid' });
  }, 60_000);

  test('costs a phone that enrols no invite', async () => {
    const [phone, code] = [await world.phone(), await world.invite()];
    atChallenge(phone, 'attest', flush);
    expect(await refusalOf(phone, code)).toBe('CHALLENGE_UNKNOWN');
    await phone.attest(code);
    expect(idOf(phone)).not.toBe('');
  }, 60_000);

  test('costs a phone that comes back another try', async () => {
    const phone = await world.readyPhone();
    phone.endProcess();
    atChallenge(phone, 'resume', flush);
    expect(await outcomeOf(world, () => phone.resume())).toBe('CHALLENGE_UNKNOWN');
    await phone.resume();
    expect(tokenOf(phone)).not.toBe('');
  }, 60_000);
});

describe('while Redis is away', () => {
  test('nobody is denied anything, a suspension is in force at once, and phones get on when it is back', async () => {
    const [phone, bad] = [await world.readyPhone(), await world.readyPhone()];
    const verifier = await world.verifier();
    await redis.kill();
    await expect(phone.attest(null)).rejects.toMatchObject({ reasons: ['SERVICE_UNAVAILABLE'] });
    await world.security((team) => team.suspend(idOf(bad), 'now of all times'));
    expect(await wordOf(verifier, bad, 'TOKEN_REVOKED')).toBe('TOKEN_REVOKED');
    await redis.restart();
    const again = async () => {
      const outcome = await outcomeOf(world, () => phone.attest(null));
      if (outcome === 'SERVICE_UNAVAILABLE') throw new Error('not yet');
      return outcome;
    };
    expect(await persistently(again)).toBe('ALLOWED');
    expect(await refusalOf(bad, null)).toBe('DEVICE_SUSPENDED');
  }, 60_000);
});
