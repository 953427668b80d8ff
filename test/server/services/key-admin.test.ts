import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { initCertificates } from '../../../src/certs/init.ts';
import { KeyAdminServiceClient, RotationStep, Tr34Role } from '../../../src/gen/tapgate/v1/key_admin_service.ts';
import { SlotState } from '../../../src/gen/tapgate/v1/key_slot.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { keyAdminService } from '../../../src/server/services/key-admin.ts';
import { callUnary, type UnaryCall } from '../../../src/wire/call.ts';
import { type ReceivedRefusal, refusalFromError } from '../../../src/wire/status.ts';
import { START, TestClock } from '../../support/clock.ts';
import { MemoryCustody, StatedKeyUse } from '../../support/custody.ts';
import { Certificates, channelTo, type Edge, startEdge } from '../transport/support/edge.ts';

const POLICY = { publishSeconds: 300, maximumAgeHours: 1 };
const ROLES = ['security', 'operator', 'auditor', 'support'] as const;
const LONGEST = 3_600 + 900;

const clock = new TestClock();
let custody: MemoryCustody;
let use: StatedKeyUse;
let looks = 0;
let certificates: Certificates;
let edge: Edge;
const clients = new Map<string, KeyAdminServiceClient>();

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tapgate-certs-'));
  const admins = ROLES.map((role) => ({ role, person: 'ann' }));
  await initCertificates({ directory, hosts: [], acquirers: ['acme'], admins, now: new Date(), days: 2 });
  certificates = new Certificates(directory);
  const service = keyAdminService({
    // A test has its own custodian: the service asks for it at each call.
    custody: new Proxy({} as MemoryCustody, {
      get: (_, name) => {
        const held: unknown = Reflect.get(custody, name);
        return typeof held === 'function' ? held.bind(custody) : held;
      },
    }),
    clock,
    policy: () => POLICY,
    look: async () => {
      looks += 1;
      return true;
    },
    use: {
      restingOn: (bdk) => use.restingOn(bdk),
      keySetsOnDraining: () => use.keySetsOnDraining(),
    },
  });
  edge = await startEdge(certificates, 'admin', [service]);
  for (const role of ROLES) {
    const client = new KeyAdminServiceClient(
      ...channelTo(edge, await certificates.client('admin', `admin/ann@${role}`)),
    );
    clients.set(role, client);
  }
}, 60_000);

afterAll(async () => {
  for (const client of clients.values()) client.close();
  await edge.listener.drain(1000);
  await certificates.remove();
});

beforeEach(() => {
  clock.set(START);
  custody = new MemoryCustody(clock);
  use = new StatedKeyUse();
  looks = 0;
});

const NONE: ReceivedRefusal = { reasons: [], metadata: {} };

/** What a call answers, or why it is refused. */
async function ask<Request, Response>(
  pick: (client: KeyAdminServiceClient) => UnaryCall<Request, Response>,
  request: Request,
  role: string = 'security',
): Promise<{ readonly answer: Response | null; readonly refusal: ReceivedRefusal }> {
  const client = clients.get(role);
  if (client === undefined) throw new Error(role);
  try {
    return { answer: await callUnary(pick(client).bind(client), request, 10_000), refusal: NONE };
  } catch (error) {
    const refusal = refusalFromError(error);
    if (refusal === null) throw error;
    return { answer: null, refusal };
  }
}

const block = (value = 'D0112P0AE00E0000') => ({ $case: 'keyBlock', value }) as const;
const NO_ROLE = { kind: 'zone-pin', acquirer: 'acme' };
const importOf = (changes: object = {}) => ({
  ...NO_ROLE,
  source: block(),
  tolerate: [],
  keyCheckValue: '',
  ...changes,
});
const exportOf = (changes: object = {}) => ({ slotId: 'z', tr34: undefined, tolerate: [], ...changes });
const empty = Buffer.alloc(0);

describe('who may', () => {
  const reads = [
    ['list', (role: string) => ask((client) => client.listKeys, { kind: '', acquirer: '', after: '' }, role)],
    ['show', (role: string) => ask((client) => client.getKey, { slotId: 'z' }, role)],
  ] as const;
  const changes = [
    ['generate', (role: string) => ask((c) => c.generateKey, { kind: 'receipt', acquirer: '' }, role)],
    ['activate', (role: string) => ask((c) => c.activateKey, { slotId: 'z' }, role)],
    ['retire', (role: string) => ask((c) => c.retireKey, { slotId: 'z' }, role)],
    ['destroy', (role: string) => ask((c) => c.destroyKey, { slotId: 'z' }, role)],
    ['mark', (role: string) => ask((c) => c.markCompromised, { slotId: 'z', cause: 'stolen' }, role)],
    ['rotate', (role: string) => ask((c) => c.rotateKey, { ...NO_ROLE, begin: true, again: false }, role)],
    ['import', (role: string) => ask((c) => c.importKey, importOf(), role)],
    ['export', (role: string) => ask((c) => c.exportKey, exportOf(), role)],
    [
      'see a credential',
      (role: string) =>
        ask((c) => c.getTr34Credential, { acquirer: 'acme', role: Tr34Role.DEVICE, revocationList: empty }, role),
    ],
    ['expect a key', (role: string) => ask((c) => c.requestTr34Key, { acquirer: 'acme' }, role)],
  ] as const;

  beforeEach(() => custody.put('z', 'zone-pin', 'active', START, { acquirer: 'acme' }));

  test.each(reads)('%s: security, operators and auditors', async (_, call) => {
    for (const role of ['security', 'operator', 'auditor']) expect((await call(role)).refusal).toEqual(NONE);
    expect((await call('support')).refusal.reasons).toEqual(['ROLE_NOT_ALLOWED']);
  });

  test.each(changes)('%s: security alone, and the custodian hears of nobody else', async (_, call) => {
    for (const role of ['operator', 'auditor', 'support'])
      expect((await call(role)).refusal.reasons).toEqual(['ROLE_NOT_ALLOWED']);
    expect(custody.asked).toEqual([]);
    expect((await call('security')).refusal.reasons).not.toContain('ROLE_NOT_ALLOWED');
    expect(custody.asked.length).toBeGreaterThan(0);
  });
});

describe('slots', () => {
  beforeEach(() => {
    custody.put('r1', 'receipt', 'active', START, { keyId: 'k'.repeat(43) });
    custody.put('z1', 'zone-pin', 'active', START, { acquirer: 'acme' });
    custody.put('z2', 'zone-pin', 'prepared', START, { acquirer: 'umbra', enteredBy: 'tr-34' });
  });

  test.each([
    [{ kind: '', acquirer: '', after: '' }, ['r1', 'z1', 'z2']],
    [{ kind: 'zone-pin', acquirer: '' }, ['z1', 'z2']],
    [{ kind: '', acquirer: 'umbra' }, ['z2']],
    [{ kind: 'receipt', acquirer: 'acme' }, []],
  ])('are listed by %j', async (request, ids) => {
    const { answer } = await ask((client) => client.listKeys, { ...request, after: '' });
    expect(answer?.slots.map(({ slotId }) => slotId)).toEqual(ids);
  });

  test('are told a message at a time, where they are many', async () => {
    const ids = Array.from({ length: 2_000 }, (_, number) => `zone-pin-${number}`);
    for (const id of ids) custody.put(id, 'zone-pin', 'destroyed', START, { acquirer: 'many' });
    const told: string[] = [];
    let messages = 0;
    for (let more = true; more; messages += 1) {
      const request = { kind: '', acquirer: 'many', after: told.at(-1) ?? '' };
      const { answer } = await ask((client) => client.listKeys, request);
      told.push(...(answer?.slots ?? []).map(({ slotId }) => slotId));
      more = answer?.more ?? false;
    }
    expect(told).toEqual(ids);
    expect(messages).toBeGreaterThan(1);
    const unknown = await ask((client) => client.listKeys, { kind: '', acquirer: '', after: 'nobody' });
    expect(unknown.refusal.reasons).toEqual(['KEY_SLOT_UNKNOWN']);
  });

  test('say how they came in, and who did what when', async () => {
    const { answer } = await ask((client) => client.getKey, { slotId: 'z2' });
    expect(answer?.slot).toMatchObject({ enteredBy: 'tr-34', state: SlotState.PREPARED, nextStepAt: START });
    expect(answer?.slot?.history).toEqual([{ state: SlotState.PREPARED, at: START, by: 'somebody' }]);
    expect(answer?.slot?.resting).toBeUndefined();
    const unknown = await ask((client) => client.getKey, { slotId: 'x'.repeat(200) });
    expect(unknown.refusal.reasons).toEqual(['KEY_SLOT_UNKNOWN']);
  });

  test('of another kind, or of an acquirer too few or too many, are malformed', async () => {
    for (const series of [
      { kind: 'nothing', acquirer: '' },
      { kind: 'receipt', acquirer: 'acme' },
      { kind: 'zone-pin', acquirer: '' },
    ]) {
      const generated = await ask((client) => client.generateKey, series);
      expect(generated.refusal.reasons).toEqual(['MALFORMED_MESSAGE']);
      const rotated = await ask((client) => client.rotateKey, { ...series, begin: true, again: false });
      expect(rotated.refusal.reasons).toEqual(['MALFORMED_MESSAGE']);
    }
    expect(custody.asked).toEqual([]);
  });

  test('are not told of while the vault is away', async () => {
    custody.refusal = ['VAULT_UNAVAILABLE'];
    for (const call of [
      ask((client) => client.listKeys, { kind: '', acquirer: '', after: '' }),
      ask((client) => client.rotateKey, { kind: 'receipt', acquirer: '', begin: true, again: false }),
      ask((client) => client.importKey, importOf()),
      ask((client) => client.exportKey, exportOf()),
    ])
      expect((await call).refusal.reasons).toEqual(['VAULT_UNAVAILABLE']);
    expect(looks).toBe(0);
  });
});

describe('a step', () => {
  test('generates for who asked, and this replica looks before it answers', async () => {
    const { answer } = await ask((client) => client.generateKey, { kind: 'zone-pin', acquirer: 'acme' });
    expect(answer).toMatchObject({ keyBlock: 'D0000', slot: { state: SlotState.PREPARED, acquirer: 'acme' } });
    expect(custody.asked).toEqual([['generateKey', { kind: 'zone-pin', acquirer: 'acme' }, 'ann']]);
    expect(looks).toBe(1);
    const again = await ask((client) => client.generateKey, { kind: 'zone-pin', acquirer: 'acme' });
    expect(again.refusal.reasons).toEqual(['KEY_SLOTS_FULL']);
  });

  test.each([
    [304, 1_000],
    [0, 305_000],
  ])('that is too early after %i seconds says when to come back', async (seconds, milliseconds) => {
    custody.put('p', 'receipt', 'prepared', START);
    clock.set(secondsAfter(START, seconds));
    const { refusal } = await ask((client) => client.activateKey, { slotId: 'p' });
    expect(refusal).toMatchObject({ reasons: ['KEY_NOT_YET_PUBLISHED'], retryAfterMilliseconds: milliseconds });
    expect(custody.asked.map(([call]) => call)).toEqual(['listKeys']);
  });

  test('activates, and the one before drains', async () => {
    custody.put('a', 'receipt', 'active', START);
    custody.put('p', 'receipt', 'prepared', START);
    clock.set(secondsAfter(START, 305));
    const { answer } = await ask((client) => client.activateKey, { slotId: 'p' });
    expect(answer?.changed.map(({ slotId, state }) => [slotId, state])).toEqual([
      ['a', SlotState.DRAINING],
      ['p', SlotState.ACTIVE],
    ]);
    expect((await ask((client) => client.retireKey, { slotId: 'a' })).refusal.reasons).toEqual(['KEY_STILL_IN_USE']);
    clock.set(secondsAfter(START, 305 + 86_400));
    const retired = await ask((client) => client.retireKey, { slotId: 'a' });
    expect(retired.answer?.changed).toMatchObject([{ slotId: 'a', state: SlotState.RETIRED }]);
    const destroyed = await ask((client) => client.destroyKey, { slotId: 'a' });
    expect(destroyed.answer?.changed).toMatchObject([{ slotId: 'a', state: SlotState.DESTROYED }]);
  });

  test('that the state machine does not have is none', async () => {
    custody.put('a', 'receipt', 'active', START);
    const retired = await ask((client) => client.retireKey, { slotId: 'a' });
    expect(retired.refusal.reasons).toEqual(['KEY_STATE_NOT_ALLOWED']);
    const destroyed = await ask((client) => client.destroyKey, { slotId: 'a' });
    expect(destroyed.refusal.reasons).toEqual(['KEY_STATE_NOT_ALLOWED']);
  });

  test.each([
    [500, []],
    [501, ['MALFORMED_MESSAGE']],
  ])('marks a key with a cause of %i characters', async (length, reasons) => {
    custody.put('p', 'receipt', 'prepared', START);
    const cause = 'c'.repeat(length);
    const { refusal } = await ask((client) => client.markCompromised, { slotId: 'p', cause });
    expect(refusal.reasons).toEqual(reasons);
    expect(custody.asked.length).toBe(reasons.length === 0 ? 1 : 0);
  });
});

describe('a base derivation key that drains', () => {
  beforeEach(() => {
    custody.put('b1', 'bdk-pin', 'draining', START, { bdkId: 'AABBCCDD' });
    custody.put('b2', 'bdk-pin', 'active', START, { bdkId: '11223344' });
  });

  test('says how many phones still rest on it', async () => {
    use.resting = { live: 12, unsettled: 3 };
    const { answer } = await ask((client) => client.listKeys, { kind: 'bdk-pin', acquirer: '', after: '' });
    expect(answer?.slots[0]).toMatchObject({
      resting: { live: 12n, unsettled: 3n },
      nextStepAt: secondsAfter(START, LONGEST),
    });
    expect(answer?.slots[1]?.resting).toBeUndefined();
    expect(use.asked).toEqual([{ domain: 'pin', bdkId: 'AABBCCDD' }]);
  });

  test('is retired early where none does, and not before the last grant of them has ended', async () => {
    clock.set(secondsAfter(START, 899));
    const early = await ask((client) => client.retireKey, { slotId: 'b1' });
    expect(early.refusal).toMatchObject({ reasons: ['KEY_STILL_IN_USE'], retryAfterMilliseconds: 1_000 });
    clock.set(secondsAfter(START, 900));
    use.resting = { live: 1, unsettled: 0 };
    const held = await ask((client) => client.retireKey, { slotId: 'b1' });
    expect(held.refusal).toMatchObject({
      reasons: ['KEY_STILL_IN_USE'],
      retryAfterMilliseconds: (LONGEST - 900) * 1_000,
    });
    use.resting = { live: 0, unsettled: 0 };
    const { answer } = await ask((client) => client.retireKey, { slotId: 'b1' });
    expect(answer?.changed).toMatchObject([{ slotId: 'b1', state: SlotState.RETIRED }]);
  });

  test('is what a rotation waits for, with what rests on it, and then retires', async () => {
    use.resting = { live: 2, unsettled: 0 };
    const request = { kind: 'bdk-pin', acquirer: '', begin: false, again: false };
    const waits = await ask((client) => client.rotateKey, request);
    expect(waits.answer).toMatchObject({
      step: RotationStep.WAIT,
      next: RotationStep.RETIRE,
      waitUntil: secondsAfter(START, LONGEST),
      waiting: [{ slotId: 'b1', resting: { live: 2n } }],
    });
    use.resting = { live: 0, unsettled: 0 };
    clock.set(secondsAfter(START, 900));
    const retires = await ask((client) => client.rotateKey, request);
    expect(retires.answer).toMatchObject({ step: RotationStep.RETIRE, changed: [{ slotId: 'b1' }], waiting: [] });
    const complete = await ask((client) => client.rotateKey, request);
    expect(complete.answer).toMatchObject({ step: RotationStep.COMPLETE, changed: [] });
  });
});

describe('a rotation', () => {
  test('goes on from what is there: generate, wait, activate, wait', async () => {
    custody.put('a', 'receipt', 'active', START);
    const rotate = (begin: boolean, again = false) =>
      ask((client) => client.rotateKey, { kind: 'receipt', acquirer: '', begin, again });
    expect((await rotate(false)).answer?.step).toBe(RotationStep.COMPLETE);
    expect((await rotate(true)).answer).toMatchObject({
      step: RotationStep.GENERATE,
      changed: [{ slotId: 'receipt-new' }],
    });
    expect((await rotate(true)).answer).toMatchObject({ step: RotationStep.WAIT, next: RotationStep.ACTIVATE });
    clock.set(secondsAfter(START, 305));
    expect((await rotate(false)).answer?.step).toBe(RotationStep.ACTIVATE);
    expect((await rotate(true)).answer).toMatchObject({ step: RotationStep.WAIT, next: RotationStep.RETIRE });
    // Another one while keys of this one drain has to be asked for.
    expect((await rotate(true, true)).refusal.reasons).toEqual([]);
  });
});

describe('a key that comes in', () => {
  test('is passed to the vault as it came, by who brought it', async () => {
    const request = importOf({ tolerate: ['MODE_OF_USE_N'], keyCheckValue: '010203' });
    const { answer } = await ask((client) => client.importKey, request);
    expect(answer).toMatchObject({
      slot: { state: SlotState.PREPARED, enteredBy: 'key-block' },
      tolerated: ['MODE_OF_USE_N'],
    });
    const incoming = {
      series: { kind: 'zone-pin', acquirer: 'acme' },
      source: { keyBlock: 'D0112P0AE00E0000' },
      tolerate: ['MODE_OF_USE_N'],
      keyCheckValue: '010203',
    };
    expect(custody.asked).toEqual([['importKey', incoming, 'ann']]);
    expect(looks).toBe(1);
    const token = { $case: 'tr34KeyToken', value: Buffer.from('KT') } as const;
    await ask((client) => client.importKey, importOf({ source: token }));
    expect(custody.asked[1]?.[1]).toMatchObject({ source: { tr34KeyToken: Buffer.from('KT') } });
  });

  test.each<[string, object, string[]]>([
    ['no source', { source: undefined }, ['MALFORMED_MESSAGE']],
    ['an endless block', { source: block('D'.repeat(10_000)) }, ['MALFORMED_MESSAGE']],
    ['the longest block', { source: block('D'.repeat(9_999)) }, []],
    ['an endless token', { source: { $case: 'tr34KeyToken', value: Buffer.alloc(49_153) } }, ['MALFORMED_MESSAGE']],
    ['the longest token', { source: { $case: 'tr34KeyToken', value: Buffer.alloc(49_152) } }, []],
    ['no acquirer', { acquirer: '' }, ['MALFORMED_MESSAGE']],
    ['no kind', { kind: 'key' }, ['MALFORMED_MESSAGE']],
  ])('with %s', async (_, changes, reasons) => {
    const { refusal } = await ask((client) => client.importKey, importOf(changes));
    expect(refusal.reasons).toEqual(reasons);
    expect(custody.asked.length).toBe(reasons.length === 0 ? 1 : 0);
  });

  test('and departs from the standard is told by how', async () => {
    custody.refusal = ['KEY_DEVIATION', 'NO_LENGTH_OBFUSCATION'];
    const { refusal } = await ask((client) => client.importKey, importOf());
    expect(refusal).toMatchObject({ reasons: ['KEY_DEVIATION'], metadata: { detail: 'NO_LENGTH_OBFUSCATION' } });
  });
});

describe('a key that goes out', () => {
  const tr34 = { randomNumberToken: Buffer.from('RT'), revocationList: Buffer.from('L'), deviceRevocationList: empty };

  beforeEach(() => custody.put('z', 'zone-pin', 'active', START, { acquirer: 'acme' }));

  test('is a key block, or by TR-34 a token', async () => {
    const first = await ask((client) => client.exportKey, exportOf());
    expect(first.answer).toMatchObject({ keyBlock: 'D0144', slot: { slotId: 'z' }, tolerated: [] });
    const second = await ask(
      (client) => client.exportKey,
      exportOf({ tr34, tolerate: ['TRANSPORT_KEY_WEAKER_THAN_KEY'] }),
    );
    expect(second.answer).toMatchObject({ keyBlock: '', tolerated: ['TRANSPORT_KEY_WEAKER_THAN_KEY'] });
    expect(second.answer?.tr34KeyToken).toEqual(Buffer.from('KT'));
    expect(custody.asked).toEqual([
      ['exportKey', 'z', null, [], 'ann'],
      ['exportKey', 'z', tr34, ['TRANSPORT_KEY_WEAKER_THAN_KEY'], 'ann'],
    ]);
  });

  test.each(['randomNumberToken', 'revocationList', 'deviceRevocationList'])('has a bounded %s', async (field) => {
    const at = (length: number) => exportOf({ tr34: { ...tr34, [field]: Buffer.alloc(length) } });
    expect((await ask((client) => client.exportKey, at(49_152))).refusal).toEqual(NONE);
    expect((await ask((client) => client.exportKey, at(49_153))).refusal.reasons).toEqual(['MALFORMED_MESSAGE']);
  });

  test('is refused as the vault says', async () => {
    custody.refusal = ['KEY_NOT_EXPORTABLE'];
    expect((await ask((client) => client.exportKey, exportOf())).refusal.reasons).toEqual(['KEY_NOT_EXPORTABLE']);
  });
});

describe('TR-34', () => {
  test('has a credential for each role', async () => {
    const request = { acquirer: 'acme', role: Tr34Role.HOST, revocationList: Buffer.from('L') };
    const { answer } = await ask((client) => client.getTr34Credential, request);
    expect(answer?.credentialToken).toEqual(Buffer.from('CT'));
    expect(answer?.own).toEqual({ fingerprint: Buffer.alloc(32, 1), notAfter: START });
    await ask((client) => client.getTr34Credential, { ...request, role: Tr34Role.DEVICE });
    expect(custody.asked.map(([, , role]) => role)).toEqual(['host', 'device']);
    const none = await ask((client) => client.getTr34Credential, { ...request, role: Tr34Role.UNSPECIFIED });
    expect(none.refusal.reasons).toEqual(['MALFORMED_MESSAGE']);
    const long = await ask((client) => client.getTr34Credential, { ...request, revocationList: Buffer.alloc(49_153) });
    expect(long.refusal.reasons).toEqual(['MALFORMED_MESSAGE']);
  });

  test('expects a key token', async () => {
    const { answer } = await ask((client) => client.requestTr34Key, { acquirer: 'acme' });
    expect(answer).toEqual({ randomNumberToken: Buffer.from('RT'), expiresAt: START });
  });
});
