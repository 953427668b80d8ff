import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { SlotKind } from '../../../src/keys/kind.ts';
import type { SlotState } from '../../../src/keys/state.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { ok } from '../../../src/reasons/result.ts';
import { renewAnchor } from '../../../src/vault/keystore/anchor-renewal.ts';
import { changeKeystore } from '../../../src/vault/keystore/change.ts';
import { Custodian } from '../../../src/vault/keystore/custodian.ts';
import { formatSlots, openKeystore } from '../../../src/vault/keystore/document.ts';
import { loadKeystore } from '../../../src/vault/keystore/load.ts';
import { renewKek } from '../../../src/vault/keystore/renewal.ts';
import { openSlot, wrapSlot } from '../../../src/vault/keystore/slot.ts';
import { dyingAt, survives } from '../support/dying-files.ts';
import {
  ACQUIRER,
  clock,
  NOW,
  random,
  unwrap,
  type VaultFixture,
  vaultFixture,
  zoneKeyOf,
} from '../support/keystore.ts';

let fixture: VaultFixture;
beforeEach(() => {
  fixture = vaultFixture();
});
afterEach(() => fixture.remove());

const BY = 'alice';
const statesOf = (kind: SlotKind): SlotState[] =>
  unwrap(fixture.custodian.list())
    .filter((slot) => slot.kind === kind)
    .map(({ state }) => state);
const slotIn = (kind: SlotKind, state: SlotState) => {
  const slot = unwrap(fixture.custodian.list()).find((one) => one.kind === kind && one.state === state);
  if (slot === undefined) throw new Error(`no ${state} ${kind}`);
  return slot;
};
const generate = (kind: SlotKind, acquirer?: string) =>
  unwrap(fixture.custodian.generate(acquirer === undefined ? { kind } : { kind, acquirer }, BY));
const change = (id: string, to: SlotState) => fixture.custodian.change(id, to, BY);
const rotate = (kind: SlotKind, acquirer?: string): void => {
  unwrap(change(generate(kind, acquirer).slot.id, 'active'));
};
const file = (): string => readFileSync(join(fixture.directory, 'keys.json'), 'utf8');

describe('a key that is generated', () => {
  test.each(['device-token', 'receipt', 'grant', 'audit', 'bdk-pin', 'bdk-account-data'] as const)(
    '%s is prepared, and survives a restart',
    (kind) => {
      const { slot, keyBlock } = generate(kind);
      expect(slot).toMatchObject({ kind, state: 'prepared', history: [{ state: 'prepared', at: NOW, by: BY }] });
      expect(slot.keyCheckValue).toMatch(/^[0-9A-F]{10}$/);
      expect([slot.keyId !== '', slot.bdkId !== '']).toEqual([!kind.startsWith('bdk'), kind.startsWith('bdk')]);
      expect(keyBlock).toBe('');
      const again = unwrap(Custodian.open(fixture.directory, { random, clock }));
      expect(unwrap(again.list())).toContainEqual(slot);
    },
  );

  test('changes nothing of what is used', () => {
    const { pinBdk, deviceToken, grant } = fixture.keys;
    const before = [pinBdk.id, deviceToken.keyId, grant.keyId];
    for (const kind of ['bdk-pin', 'device-token', 'grant'] as const) generate(kind);
    expect([fixture.keys.pinBdk.id, fixture.keys.deviceToken.keyId, fixture.keys.grant.keyId]).toEqual(before);
  });

  test('of a zone travels to its acquirer under the zone KEK', () => {
    const { slot, keyBlock } = generate('zone-pin', ACQUIRER);
    unwrap(change(slot.id, 'active'));
    expect(fixture.keys.zones.get(ACQUIRER)?.pin.key.equals(zoneKeyOf(keyBlock))).toBe(true);
    expect(fixture.keys.zones.get(ACQUIRER)?.data.key.equals(fixture.zone.data)).toBe(true);
    expect(fixture.custodian.generate({ kind: 'zone-pin', acquirer: 'nobody' }, BY)).toMatchObject({
      reason: 'ZONE_KEK_MISSING',
    });
  });

  test.each(['kek', 'anchor', 'card-reference', 'zone-kek'] as const)('is refused for kind %s', (kind) => {
    const before = file();
    expect(fixture.custodian.generate({ kind }, BY)).toMatchObject({ ok: false, reason: 'KEY_KIND_FIXED' });
    expect(file()).toBe(before);
  });
});

describe('a change of state', () => {
  test('of a signing key puts the new one into use; the old one still verifies', () => {
    const before = fixture.keys.grant.keyId;
    rotate('grant');
    expect(fixture.keys.grant.keyId).not.toBe(before);
    expect(fixture.keys.publicKeys.find(({ keyId }) => keyId === before)).toMatchObject({ state: 'draining' });
    expect(statesOf('grant')).toEqual(['draining', 'active']);
  });

  test('of a key that the anchor endorses tells until when it signs', () => {
    const days = (slot: { readonly expiresAt?: Date | undefined }) =>
      slot.expiresAt && (slot.expiresAt.getTime() - NOW.getTime()) / 86_400_000;
    rotate('grant');
    expect(days(slotIn('grant', 'active'))).toBe(730);
    expect(days(slotIn('grant', 'draining'))).toBe(730);
    expect(days(slotIn('receipt', 'active'))).toBeUndefined();
  });

  test('of a zone KEK takes it out of use, and its bytes with it', () => {
    const { id } = slotIn('zone-kek', 'active');
    unwrap(change(id, 'compromised'));
    expect(unwrap(openKeystore(fixture.directory)).slots.find((slot) => slot.id === id)?.block).toBeUndefined();
    const refused = { reason: 'ZONE_KEK_MISSING' };
    expect(fixture.custodian.generate({ kind: 'zone-pin', acquirer: ACQUIRER }, BY)).toMatchObject(refused);
    expect(loadKeystore(fixture.directory).ok).toBe(true);
  });

  test('is written down with its person and instant, and counted', () => {
    const { generation } = fixture.keys;
    rotate('receipt');
    expect(slotIn('receipt', 'draining').history).toEqual([
      { state: 'active', at: NOW, by: 'initialisation' },
      { state: 'draining', at: NOW, by: BY },
    ]);
    expect(fixture.keys.generation).toBe(generation + 2);
  });

  test('that was made already changes nothing and is no refusal', () => {
    const before = file();
    expect(change(slotIn('receipt', 'active').id, 'active')).toEqual({ ok: true, value: [] });
    expect(file()).toBe(before);
  });

  test.each<[SlotKind, SlotState, SlotState, string]>([
    ['receipt', 'active', 'retired', 'KEY_STATE_NOT_ALLOWED'],
    ['receipt', 'active', 'draining', 'KEY_SUCCESSOR_MISSING'],
    ['anchor', 'active', 'compromised', 'KEY_KIND_FIXED'],
    ['kek', 'active', 'compromised', 'KEY_KIND_FIXED'],
  ])('of %s from %s to %s is refused: %s', (kind, from, to, reason) => {
    const before = file();
    expect(change(slotIn(kind, from).id, to)).toMatchObject({ ok: false, reason });
    expect(file()).toBe(before);
  });

  test('in the file alone is found: history and state are under the key block', () => {
    for (const [from, to] of [
      ['"by": "initialisation"', '"by": "somebody else"'],
      ['"state": "active"', '"state": "draining"'],
    ] as const) {
      const whole = file();
      writeFileSync(join(fixture.directory, 'keys.json'), whole.replaceAll(from, to));
      expect(loadKeystore(fixture.directory).ok).toBe(false);
      writeFileSync(join(fixture.directory, 'keys.json'), whole);
    }
    expect(loadKeystore(fixture.directory).ok).toBe(true);
  });
});

describe('a compromised key', () => {
  test('is gone from the keystore, and its successor is in use with the same step', () => {
    const { id, keyId } = slotIn('device-token', 'active');
    expect(unwrap(change(id, 'compromised')).map(({ state }) => state)).toEqual(['compromised', 'active']);
    expect(fixture.keys.deviceToken.keyId).not.toBe(keyId);
    expect(fixture.keys.publicKeys.map((key) => key.keyId)).not.toContain(keyId);
    expect(fixture.keys.compromised.has(keyId)).toBe(true);
    const stored = unwrap(openKeystore(fixture.directory)).slots.find((slot) => slot.id === id);
    expect(stored).toMatchObject({ state: 'compromised', keyId });
    expect(stored).not.toHaveProperty('block');
  });

  test('takes the prepared key for its successor where there is one', () => {
    const { slot } = generate('bdk-pin');
    unwrap(change(slotIn('bdk-pin', 'active').id, 'compromised'));
    expect(statesOf('bdk-pin')).toEqual(['compromised', 'active']);
    expect(fixture.keys.pinBdk.id.toString('hex').toUpperCase()).toBe(slot.bdkId);
  });

  test('of a zone leaves its acquirer without service until there is another', () => {
    unwrap(change(slotIn('zone-pin', 'active').id, 'compromised'));
    expect([...fixture.keys.zones.keys()]).toEqual([]);
    rotate('zone-pin', ACQUIRER);
    expect([...fixture.keys.zones.keys()]).toEqual([ACQUIRER]);
  });
});

test('a key goes through its whole life, and its bytes are gone at the end', () => {
  const { id } = slotIn('receipt', 'active');
  rotate('receipt');
  unwrap(change(id, 'retired'));
  expect(fixture.keys.publicKeys.filter(({ kind }) => kind === 'receipt').map(({ state }) => state)).toEqual([
    'retired',
    'active',
  ]);
  unwrap(change(id, 'destroyed'));
  expect(fixture.keys.publicKeys.filter(({ kind }) => kind === 'receipt')).toHaveLength(1);
  unwrap(change(id, 'compromised'));
  expect(statesOf('receipt')).toEqual(['compromised', 'active']);
  expect(loadKeystore(fixture.directory).ok).toBe(true);
});

test('a slot without a history, older than histories are, loads and is changed', () => {
  const { slots, kek, generation } = unwrap(openKeystore(fixture.directory));
  const plain = slots.map((slot) => {
    const { history: _, kcv: __, block: ___, ...description } = slot;
    return slot.kind === 'kek' ? slot : wrapSlot(description, unwrap(openSlot(slot, kek)), kek, random);
  });
  writeFileSync(join(fixture.directory, 'keys.json'), unwrap(formatSlots({ generation, slots: plain }, kek)));
  unwrap(fixture.custodian.reload());
  expect(slotIn('grant', 'active').history).toEqual([]);
  rotate('grant');
  expect(slotIn('grant', 'draining').history).toEqual([{ state: 'draining', at: NOW, by: BY }]);
  expect(JSON.parse(file())).toMatchObject({ version: 3, generation: generation + 2 });
});

describe('what could not be read again is never written:', () => {
  const onDisk = () => readFileSync(join(fixture.directory, 'keys.json'));

  test.each([
    ['nobody', ''],
    ['a name without end', 'x'.repeat(129)],
  ])('a change by %s', (_, by) => {
    const kept = onDisk();
    const turn = { random, clock, by };
    const refused = { ok: false, reason: 'KEYSTORE_FORM', detail: expect.stringContaining('history.0.by') };
    expect(renewKek(fixture.directory, turn)).toMatchObject(refused);
    expect(renewAnchor(fixture.directory, turn)).toMatchObject({ ok: false, reason: 'KEYSTORE_FORM' });
    expect(fixture.custodian.generate({ kind: 'receipt' }, by)).toMatchObject({ ok: false, reason: 'KEYSTORE_FORM' });
    expect(onDisk().equals(kept)).toBe(true);
    expect(loadKeystore(fixture.directory).ok).toBe(true);
  });

  test('a certificate beyond its bound, and the detail does not quote it', () => {
    const kept = onDisk();
    const long = 'A'.repeat(8193);
    const changed = changeKeystore(fixture.directory, ({ slots }) => {
      const tr34 = { certificate: long, bound: long, authority: long };
      return ok(
        slots.map((slot) => (slot.kind === 'zone-kek' ? { ...slot, kind: 'tr34-device' as const, tr34 } : slot)),
      );
    });
    expect(changed).toMatchObject({ ok: false, reason: 'KEYSTORE_FORM' });
    expect(JSON.stringify(changed)).not.toContain('AAAA');
    expect(onDisk().equals(kept)).toBe(true);
  });

  test('one slot twice', () => {
    const changed = changeKeystore(fixture.directory, ({ slots }) => ok([...slots, slots[0]!]));
    expect(changed).toMatchObject({ ok: false, reason: 'KEYSTORE_FORM' });
    expect(loadKeystore(fixture.directory).ok).toBe(true);
  });
});

describe('a crash', () => {
  /** Has the record of derivation ids note the generation, so that an opening writes nothing. */
  const settled = (): unknown => unwrap(Custodian.open(fixture.directory, { random, clock }));

  const idsOf = (directory: string): string[] =>
    unwrap(openKeystore(directory)).slots.map(({ id, state }) => `${id} ${state}`);

  test('at any call of the file system leaves the old keystore or the new one, whole, and the next change goes on', () => {
    const counting = dyingAt(Number.POSITIVE_INFINITY, true);
    settled();
    const probe = unwrap(Custodian.open(fixture.directory, { random, clock }, counting));
    unwrap(probe.generate({ kind: 'audit' }, BY));
    const total = counting.calls();
    expect(total).toBeGreaterThanOrEqual(12);
    const outcomes = new Set<string>();
    for (let call = 1; call <= total; call += 1) {
      for (const done of [false, true]) {
        settled();
        const before = idsOf(fixture.directory);
        const dying = unwrap(Custodian.open(fixture.directory, { random, clock }, dyingAt(call, done)));
        const { id } = slotIn('audit', 'prepared');
        survives(() => dying.change(id, 'compromised', BY));
        const after = idsOf(fixture.directory);
        const isOld = JSON.stringify(after) === JSON.stringify(before);
        outcomes.add(isOld ? 'old' : 'new');
        if (!isOld)
          expect(after).toEqual(before.map((line) => (line === `${id} prepared` ? `${id} compromised` : line)));
        expect(loadKeystore(fixture.directory).ok).toBe(true);
        if (isOld) unwrap(change(id, 'compromised'));
        generate('audit');
        expect(readdirSync(fixture.directory).sort()).toEqual([
          'audit-checkpoint.json',
          'derivation-ids.json',
          'keys.json',
          'master.key',
        ]);
      }
    }
    expect([...outcomes].sort()).toEqual(['new', 'old']);
  });

  test('of another process is told from one that still works', () => {
    const lock = join(fixture.directory, 'keys.json.lock');
    writeFileSync(lock, String(process.ppid), { mode: 0o600 });
    expect(fixture.custodian.generate({ kind: 'audit' }, BY)).toMatchObject({ ok: false, reason: 'KEYSTORE_BUSY' });
    writeFileSync(lock, 'nobody', { mode: 0o600 });
    expect(fixture.custodian.generate({ kind: 'audit' }, BY)).toMatchObject({ ok: false, reason: 'KEYSTORE_BUSY' });
    // Linux gives no such number to a process.
    writeFileSync(lock, String(2 ** 30), { mode: 0o600 });
    expect(fixture.custodian.generate({ kind: 'audit' }, BY).ok).toBe(true);
  });
});

test('no key is shown in what the custodian tells', () => {
  generate('bdk-pin');
  const told = JSON.stringify(unwrap(fixture.custodian.list()));
  const { slots, kek } = unwrap(openKeystore(fixture.directory));
  for (const slot of slots.filter(({ kind }) => kind !== 'kek')) {
    const key = unwrap(openSlot(slot, kek));
    if (!(key instanceof SecretKey)) continue;
    key.use((bytes) => {
      const hex = Buffer.from(bytes).toString('hex');
      expect(told.toLowerCase()).not.toContain(hex);
    });
  }
});
