import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { saleOf } from '../../src/virtual/attacks/attack.ts';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { changePolicy, payThrough, persistently, startWorld, vaultPid } from './support.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
const run = promisify(execFile);

let world: World;
let end: () => Promise<void> = async () => {};

beforeAll(async () => {
  ({ world, end } = await startWorld());
  await changePolicy(world, [
    // Others may keep published keys for a second only, so that a rotation takes seconds.
    [['keys', 'publishSeconds'], 1],
    // A phone that pays without end here gets keys after every few payments.
    [['keys', 'offersPerHour'], 3600],
  ]);
}, 300_000);

afterAll(() => end(), 60_000);

interface ShownSlot {
  readonly slot: string;
  readonly state: string;
  readonly keyId: string;
}

/** Runs `tapgate key` and reads its JSON lines. */
async function key<T = ShownSlot>(...words: string[]): Promise<T[]> {
  const { stdout } = await run(process.execPath, [TAPGATE, 'key', ...words, '--data', world.folder.data, '--json']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

const statesOf = async (kind: string): Promise<string[]> =>
  (await key('list', '--kind', kind)).map(({ state }) => state);

async function slotIn(kind: string, state: string): Promise<ShownSlot> {
  const slot = (await key('list', '--kind', kind)).find((candidate) => candidate.state === state);
  if (slot === undefined) throw new Error(`no ${state} ${kind}`);
  return slot;
}

function keyIdOf(token: string): unknown {
  const header: unknown = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
  return typeof header === 'object' && header !== null && 'kid' in header ? header.kid : undefined;
}

/** Pays again and again until told to stop; answers how often. A refusal of an honest call is thrown. */
function keepPaying(phone: VirtualPhone): { stop(): Promise<number> } {
  let going = true;
  const work = (async () => {
    let paid = 0;
    for (; going; paid += 1) {
      const card = await world.card();
      const payment = await phone.pay(
        saleOf(world, paid % 3 === 0 ? 9900n : 100n),
        card,
        paid % 3 === 0 ? card.account.pin : null,
      );
      const { outcome, reasons } = await (await world.processing()).submit(payment);
      if (outcome !== 'paid') throw new Error(`${outcome}: ${reasons.join(', ')}`);
      if (paid % 4 === 1) await phone.attest(null);
      if (paid % 4 === 3) await phone.injectKeys();
    }
    return paid;
  })();
  // Told at the end; a rejection before that is not unhandled.
  work.catch(() => undefined);
  return {
    stop: () => {
      going = false;
      return work;
    },
  };
}

const KINDS = ['device-token', 'grant', 'receipt', 'bdk-pin', 'bdk-account-data'];

describe('a rotation of every key of the service under load', () => {
  test('fails no honest call, and the phone that slept through it pays too', async () => {
    const [busy, asleep] = [await world.readyPhone(), await world.readyPhone()];
    const before = keyIdOf(asleep.memory.session?.token ?? '');
    const paying = keepPaying(busy);
    await Promise.all(KINDS.map((kind) => key('rotate', '--kind', kind)));
    for (const kind of KINDS) expect(await statesOf(kind)).toEqual(['draining', 'active']);
    const paid = await paying.stop();
    expect(paid).toBeGreaterThan(3);
    await expect(payThrough(world, asleep, saleOf(world, 9900n))).resolves.toMatchObject({ outcome: 'paid' });
    await asleep.attest(null);
    const after = keyIdOf(asleep.memory.session?.token ?? '');
    expect(after).not.toBe(before);
    expect(after).toBe((await slotIn('device-token', 'active')).keyId);
  }, 300_000);

  test('is followed by no retirement before what drains has lived', async () => {
    const { slot } = await slotIn('device-token', 'draining');
    await expect(key('retire', slot)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('KEY_STILL_IN_USE'),
    });
  }, 120_000);
});

test('a key that is not published for long enough is not activated', async () => {
  const [made] = await key('generate', '--kind', 'device-token');
  await expect(key('activate', made?.slot ?? '')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('KEY_NOT_YET_PUBLISHED'),
  });
}, 60_000);

describe('a compromised key', () => {
  test('of tokens: they are refused at once, and a new attestation mends it', async () => {
    const phone = await world.readyPhone();
    const { slot } = await slotIn('device-token', 'active');
    await key('compromise', slot, '--cause', 'seen elsewhere');
    await expect(phone.openSession()).rejects.toMatchObject({ reasons: expect.arrayContaining(['TOKEN_INVALID']) });
    await phone.attest(null);
    await expect(payThrough(world, phone, saleOf(world, 100n))).resolves.toMatchObject({ outcome: 'paid' });
  }, 120_000);

  test('of base derivation: payments are refused until the phone has new keys', async () => {
    const phone = await world.readyPhone();
    const { slot } = await slotIn('bdk-pin', 'active');
    await key('compromise', slot, '--cause', 'seen elsewhere');
    await expect(phone.begin(saleOf(world, 100n))).rejects.toMatchObject({ reasons: ['BASE_KEY_COMPROMISED'] });
    await phone.injectKeys();
    await expect(payThrough(world, phone, saleOf(world, 9900n))).resolves.toMatchObject({ outcome: 'paid' });
  }, 120_000);
});

test('the vault killed with SIGKILL in the middle of a rotation: it goes on, and phones pay', async () => {
  const phone = await world.readyPhone();
  const before = await statesOf('grant');
  process.kill(vaultPid(world), 'SIGKILL');
  await persistently(() => key('rotate', '--kind', 'grant', '--again', '--no-wait'));
  process.kill(vaultPid(world), 'SIGKILL');
  await persistently(() => key('rotate', '--kind', 'grant'));
  process.kill(vaultPid(world), 'SIGKILL');
  await persistently(async () => expect(await statesOf('grant')).toEqual(['draining', ...before]));
  await expect(payThrough(world, phone, saleOf(world, 9900n))).resolves.toMatchObject({ outcome: 'paid' });
}, 300_000);
