import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { outcomeOf, saleOf } from '../../src/virtual/attacks/attack.ts';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import type { PhoneSessionStream } from '../../src/virtual/phone/session.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { persistently, startWorld } from './support.ts';

const WITH_PIN = 9900n;
const WITHIN = 10_000;
const ATTEMPTS = 100;

interface Document {
  pin: { allowed: boolean };
  sessions: { currencies: { currency: number; noPinAmountMinor: number; maximumAmountMinor: number }[] };
  attestation: { applications: { minimumVersion: number }[] };
}

let world: World;
let end: () => Promise<void> = async () => {};
let phone: VirtualPhone;
let first: string;

beforeAll(async () => {
  ({ world, end } = await startWorld());
  first = (await world.security((team) => team.policy())).document;
  phone = await world.readyPhone();
}, 120_000);

afterAll(() => end(), 60_000);

/** The first document with a change. */
function changed(change: (document: Document) => void): string {
  const document = JSON.parse(first) as Document;
  change(document);
  return JSON.stringify(document);
}

const activate = (document: string, scope?: string, mode?: 'active' | 'shadow'): Promise<string> =>
  world.security((team) => team.activatePolicy(document, scope, mode));

/** The directives that a session hears until one is of this kind. */
async function heard(session: PhoneSessionStream, kind: string): Promise<readonly string[]> {
  const kinds: string[] = [];
  while (!kinds.includes(kind)) {
    const directive = await session.stay(WITHIN);
    if (directive === null) throw new Error(`no ${kind}, only ${kinds.join(', ')}`);
    kinds.push(directive.kind);
  }
  return kinds;
}

const WITHOUT_PIN = 'merchant:acquirer/courier-7';

test('a version that forbids PINs reaches an open session and a pad that shows, at once', async () => {
  const card = await world.card();
  const tap = phone.tap(await phone.begin(saleOf(world, WITH_PIN)), card);
  const session = await phone.openSession();
  const pad = { pin: card.account.pin, pan: card.account.pan };
  let activated = 0;
  const entered = await outcomeOf(world, () =>
    phone.enterPin(tap, pad, {
      whilePadShows: async (showing) => {
        await showing.report();
        await activate(
          changed(({ pin }) => {
            pin.allowed = false;
          }),
          WITHOUT_PIN,
        );
        activated = performance.now();
        await showing.report();
      },
    }),
  );
  expect(entered).toBe('PIN_OFF');
  expect(await heard(session, 'pin-off')).toContain('policy-changed');
  expect(performance.now() - activated).toBeLessThan(5000);
  expect(await outcomeOf(world, () => session.begin(saleOf(world, WITH_PIN)))).toBe('PIN_OFF');
  session.close();
  expect(await outcomeOf(world, () => phone.begin(saleOf(world, 100n)))).toBe('ALLOWED');
}, 60_000);

test('it holds after a restart', async () => {
  await world.killService();
  await world.startService();
  expect(await outcomeOf(world, () => persistently(() => phone.begin(saleOf(world, WITH_PIN))))).toBe('PIN_OFF');
}, 60_000);

test('it is of its merchant only, and over once it is withdrawn', async () => {
  const session = await phone.openSession();
  await world.security((team) => team.withdrawPolicy(WITHOUT_PIN));
  expect(await heard(session, 'policy-changed')).toEqual(['policy-changed']);
  session.close();
  expect(await outcomeOf(world, () => phone.begin(saleOf(world, WITH_PIN)))).toBe('ALLOWED');
}, 60_000);

test('a group goes before its merchant, and a grant names the version that held', async () => {
  const { deviceId } = phone.memory;
  if (deviceId === null) throw new Error('the phone is enrolled');
  await world.security((team) => team.addToGroup('pilots', deviceId));
  const strict = changed(({ sessions }) => {
    for (const limit of sessions.currencies) limit.maximumAmountMinor = limit.noPinAmountMinor;
  });
  const version = await activate(strict, 'group:pilots');
  expect(await outcomeOf(world, () => phone.begin(saleOf(world, WITH_PIN)))).toBe('AMOUNT_OVER_LIMIT');
  expect((await phone.begin(saleOf(world, 100n))).grant.policyVersion).toBe(version);
  const other = await world.readyPhone();
  expect(await outcomeOf(world, () => other.begin(saleOf(world, WITH_PIN)))).toBe('ALLOWED');
  await world.security((team) => team.withdrawPolicy('group:pilots'));
}, 60_000);

test('a candidate changes nothing, and says which phones it would', async () => {
  const candidate = await activate(
    changed(({ pin, attestation }) => {
      pin.allowed = false;
      for (const application of attestation.applications) application.minimumVersion = 1_000_000;
    }),
    'default',
    'shadow',
  );
  expect(await outcomeOf(world, () => phone.begin(saleOf(world, WITH_PIN)))).toBe('ALLOWED');
  const newcomer = await world.readyPhone();
  expect(await outcomeOf(world, () => newcomer.begin(saleOf(world, 100n)))).toBe('ALLOWED');
  const grant = { version: candidate, point: 'grant', outcome: 'would-refuse', rule: 'PIN_OFF', times: 1n, phones: 1 };
  for (let attempt = 1; ; attempt += 1) {
    const differences = await world.security((team) => team.shadowResult());
    if (differences.some(({ point }) => point === 'grant')) {
      expect(differences).toContainEqual(expect.objectContaining(grant));
      expect(differences).toContainEqual(
        expect.objectContaining({ point: 'attestation', outcome: 'would-refuse', rule: 'APP_VERSION_TOO_OLD' }),
      );
      return;
    }
    if (attempt === ATTEMPTS) throw new Error('nothing was counted');
    await sleep(200);
  }
}, 60_000);

test('a stricter attestation ends the session of a phone that does not meet it', async () => {
  const session = await phone.openSession();
  await activate(
    changed(({ attestation }) => {
      for (const application of attestation.applications) application.minimumVersion = 1_000_000;
    }),
  );
  expect(await session.untilEnded(WITHIN)).toContain('SESSION_ENDED');
}, 60_000);
