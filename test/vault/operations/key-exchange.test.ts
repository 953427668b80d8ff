import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import type {
  ExportKeyAnswer,
  ImportKeyAnswer,
  ImportKeyCall,
} from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import { exportKeyBlock } from '../../../src/payment-crypto/key-block/export.ts';
import { importKeyBlock } from '../../../src/payment-crypto/key-block/import.ts';
import { protectPayload } from '../../../src/payment-crypto/key-block/protection.ts';
import { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import type { Result } from '../../../src/reasons/result.ts';
import { enterZoneKek } from '../../../src/vault/keystore/zone-ceremony.ts';
import { exportKey } from '../../../src/vault/operations/export-key.ts';
import { importKey } from '../../../src/vault/operations/import-key.ts';
import {
  ACQUIRER,
  clock,
  component,
  random,
  turn,
  unwrap,
  type VaultFixture,
  vaultFixture,
  ZONE_KEK,
} from '../support/keystore.ts';

const ports = { random, clock };
const PERSON = 'ann';
const kek = unwrap(SecretKey.parse('AES', ZONE_KEK));

let vault: VaultFixture;
beforeEach(() => {
  vault = vaultFixture();
});

const left: VaultFixture[] = [];
beforeEach(() => void left.push(vault));
afterAll(() => {
  for (const { remove } of left) remove();
});

const newKey = (bits = 128): SecretKey => SecretKey.generate('AES', bits, random);
const kcvOf = (key: SecretKey): string => component(key.use((bytes) => Buffer.from(bytes))).kcv.toUpperCase();

interface BlockForm {
  readonly version?: 'B' | 'D' | 'E';
  readonly usage?: string;
  readonly mode?: string;
  readonly exportability?: string;
  readonly keyVersion?: string;
  readonly pedigree?: 0 | 1 | 2 | 3;
  readonly key?: SecretKey;
  readonly under?: SecretKey;
}

function blockOf(form: BlockForm = {}): string {
  const { version = 'D', usage = 'P0', mode = 'E', exportability = 'E', key = newKey(), under = kek } = form;
  const attributes = { usage, algorithm: 'A', modeOfUse: mode, keyVersion: form.keyVersion ?? '00', exportability };
  const optional = form.pedigree === undefined ? [] : [{ id: 'WP', pedigree: form.pedigree } as const];
  return unwrap(exportKeyBlock({ version, attributes, key, optional }, under, random));
}

/** An AES key in a block of version B, which no strict exporter makes: TDEA is weaker. */
function weakBlockOf(key: SecretKey, under: SecretKey): string {
  const payload = Buffer.alloc(40, 0x5a);
  payload.writeUInt16BE(key.bits);
  key.use((bytes) => payload.set(bytes, 2));
  const header = 'B0112P0AE00E0000';
  const { ciphertext, mac } = protectPayload('B', under, header, new SecretBytes(payload));
  return `${header}${Buffer.concat([ciphertext, mac]).toString('hex').toUpperCase()}`;
}

function imported(block: string, changes: Partial<ImportKeyCall> = {}): Result<ImportKeyAnswer> {
  const call: ImportKeyCall = {
    kind: 'zone-pin',
    acquirer: ACQUIRER,
    source: { $case: 'keyBlock', value: block },
    tolerate: [],
    keyCheckValue: '',
    by: PERSON,
  };
  return importKey({ ...call, ...changes }, vault.custodian, ports);
}

function exported(slotId: string, tolerate: string[] = []): Result<ExportKeyAnswer> {
  return exportKey({ slotId, tr34: undefined, tolerate, by: PERSON }, vault.custodian, ports);
}

const slotOf = (kind: string, state = 'active'): string =>
  unwrap(vault.custodian.list()).find((slot) => slot.kind === kind && slot.state === state)?.id ?? '';

describe('a zone key in a key block', () => {
  test('is prepared under its check value, and serves once it is activated', () => {
    const key = newKey();
    const { slot, tolerated } = unwrap(imported(blockOf({ key }), { keyCheckValue: kcvOf(key) }));
    expect(slot).toMatchObject({
      kind: 'zone-pin',
      acquirer: ACQUIRER,
      keyCheckValue: kcvOf(key),
      enteredBy: 'key-block',
    });
    expect(slot?.history.map(({ by }) => by)).toEqual([PERSON]);
    expect(tolerated).toEqual([]);
    unwrap(vault.custodian.change(slot?.slotId ?? '', 'active', PERSON));
    const zone = vault.custodian.keys.zones.get(ACQUIRER);
    expect(zone?.pin.keyId).toBe(slot?.slotId);
    expect(zone?.pin.key.equals(key)).toBe(true);
  });

  test.each([6, 8, 10])('may state %i digits of its check value, and is refused with another', (digits) => {
    const key = newKey();
    const stated = kcvOf(key).slice(0, digits);
    const other = stated.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    expect(imported(blockOf({ key }), { keyCheckValue: other })).toMatchObject({ reason: 'KEY_CHECK_VALUE_MISMATCH' });
    expect(imported(blockOf({ key }), { keyCheckValue: stated.toLowerCase() })).toMatchObject({ ok: true });
  });

  test.each(['00', 'zz', '0000', '000000000000'])(
    'is refused with the check value %s, which says nothing',
    (stated) => {
      expect(imported(blockOf(), { keyCheckValue: stated })).toMatchObject({ reason: 'KEY_CHECK_VALUE_MISMATCH' });
    },
  );

  test.each<[string, string, BlockForm]>([
    ['of the data key', 'KEY_ATTRIBUTES_MISMATCH', { usage: 'D0' }],
    ['of a base derivation key', 'KEY_ATTRIBUTES_MISMATCH', { usage: 'B0', mode: 'X' }],
    ['of 256 bits', 'KEY_ATTRIBUTES_MISMATCH', { key: newKey(256) }],
    ['that deciphers, as this side sends it', 'KEY_ATTRIBUTES_MISMATCH', { mode: 'D' }],
    ['under another key', 'KEY_BLOCK_NOT_GENUINE', { under: newKey(256) }],
  ])('%s is refused', (_, reason, form) => {
    expect(imported(blockOf(form))).toMatchObject({ ok: false, reason });
    expect(unwrap(vault.custodian.list()).some(({ state }) => state === 'prepared')).toBe(false);
  });

  test.each([
    ['nothing', ''],
    ['no block', 'D'],
    ['version A', `A${blockOf().slice(1)}`],
    ['cut short', blockOf().slice(0, -2)],
    ['lower case', blockOf().toLowerCase()],
    ['too long', blockOf().padEnd(12_000, '0')],
  ])('that is %s is malformed', (_, block) => {
    expect(imported(block)).toMatchObject({ ok: false, reason: 'KEY_BLOCK_MALFORMED' });
  });

  test('of which any character was changed is not taken', () => {
    const block = blockOf();
    for (let at = 0; at < block.length; at += 7) {
      const other = block[at] === '0' ? '1' : '0';
      const answer = imported(block.slice(0, at) + other + block.slice(at + 1));
      expect(answer.ok ? answer.value.slot : undefined).toBeUndefined();
    }
    expect(unwrap(vault.custodian.list()).some(({ state }) => state === 'prepared')).toBe(false);
  });

  test('that this side wrapped itself does not come back as one of the acquirer', () => {
    const { keyBlock } = unwrap(exported(slotOf('zone-pin')));
    expect(imported(keyBlock)).toMatchObject({ ok: false, reason: 'KEY_ATTRIBUTES_MISMATCH' });
  });

  test('is taken once: not for another kind, not again, not after it was compromised', () => {
    const key = newKey();
    const { slot } = unwrap(imported(blockOf({ key })));
    const asData = { kind: 'zone-data' };
    expect(imported(blockOf({ key, usage: 'D0' }), asData)).toMatchObject({ reason: 'KEY_ALREADY_HELD' });
    unwrap(vault.custodian.change(slot?.slotId ?? '', 'compromised', PERSON));
    expect(imported(blockOf({ key }))).toMatchObject({ reason: 'KEY_ALREADY_HELD' });
  });

  test('waits its turn: a series has one prepared slot', () => {
    unwrap(imported(blockOf()));
    expect(imported(blockOf())).toMatchObject({ ok: false, reason: 'KEY_SLOTS_FULL' });
  });
});

describe('a departure from X9.143', () => {
  const departed = (block: string, tolerate: string[] = []): ImportKeyAnswer => unwrap(imported(block, { tolerate }));

  test.each<[string, string, () => string]>([
    ['version E', 'VERSION_E', () => blockOf({ version: 'E' })],
    ['a mode of use that says nothing', 'MODE_OF_USE_N', () => blockOf({ mode: 'N' })],
    ['a key that was under a weaker one', 'KBPK_WEAKER_THAN_KEY', () => blockOf({ pedigree: 1 })],
    ['a key whose past is worse', 'KBPK_WEAKER_THAN_KEY', () => blockOf({ pedigree: 3 })],
  ])('%s is told by its name, and taken where it is tolerated', (_, name, block) => {
    const first = departed(block());
    expect(first).toMatchObject({ slot: undefined, tolerated: [], notTolerated: name });
    expect(departed(block(), [name])).toMatchObject({ tolerated: [name], notTolerated: '' });
  });

  test('of version B is taken under a TDEA key alone, and each of its weaknesses is named', () => {
    const parts = [
      '0123456789abcdeffedcba987654321013579bdf02468ace',
      '1032547698badcfe0f2e4d6c8ba9c8e710203040506070e0',
    ].map((hex) => Buffer.from(hex, 'hex'));
    const kcv = (bytes: Buffer): string =>
      unwrap(SecretKey.parse('TDES', bytes)).encipher(new Uint8Array(8)).subarray(0, 3).toString('hex');
    const components = parts.map((bytes) => ({ component: bytes.toString('hex'), kcv: kcv(bytes) }));
    const under = unwrap(SecretKey.parse('TDES', new Uint8Array(parts[0]!.map((byte, at) => byte ^ parts[1]![at]!))));
    const key = newKey();
    const block = weakBlockOf(key, under);
    expect(imported(block)).toMatchObject({ reason: 'ZONE_KEK_MISSING' });
    const entered = unwrap(enterZoneKek(vault.directory, { acquirer: ACQUIRER, components, algorithm: 'TDES' }, turn));
    expect(entered.kcv.toLowerCase()).toBe(kcv(under.use((bytes) => Buffer.from(bytes))));
    expect(departed(block)).toMatchObject({ notTolerated: 'VERSION_B' });
    expect(departed(block, ['VERSION_B'])).toMatchObject({ notTolerated: 'KBPK_WEAKER_THAN_KEY' });
    const both = ['VERSION_B', 'KBPK_WEAKER_THAN_KEY'];
    expect(departed(block, both)).toMatchObject({ tolerated: both, slot: { keyCheckValue: kcvOf(key) } });
  });

  test('is none where the pedigree or the version is as it should be', () => {
    const good = { tolerated: [], notTolerated: '' };
    expect(departed(blockOf({ pedigree: 0, keyVersion: '12' }))).toMatchObject(good);
    const asymmetric = blockOf({ pedigree: 2, usage: 'D0' });
    expect(unwrap(imported(asymmetric, { kind: 'zone-data' }))).toMatchObject(good);
  });

  test('is not what a component is: no key at all', () => {
    expect(imported(blockOf({ keyVersion: 'c1' }))).toMatchObject({ reason: 'KEY_ATTRIBUTES_MISMATCH' });
  });

  test('that nobody knows cannot be tolerated', () => {
    expect(imported(blockOf(), { tolerate: ['KEY_BLOCK_MAC'] })).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
    const many = Array.from({ length: 33 }, () => 'VERSION_E');
    expect(imported(blockOf(), { tolerate: many })).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
  });
});

describe('taking a key in', () => {
  test.each(['bdk-pin', 'bdk-account-data', 'zone-kek', 'device-token', 'kek', 'anchor', 'nothing'])(
    'of kind %s is none of the network',
    (kind) => {
      expect(imported(blockOf(), { kind })).toMatchObject({ ok: false, reason: 'KEY_NOT_IMPORTABLE' });
    },
  );

  test.each<[string, Partial<ImportKeyCall>]>([
    ['no source', { source: undefined }],
    ['no person', { by: '' }],
    ['an endless person', { by: 'a'.repeat(129) }],
    ['no acquirer', { acquirer: '' }],
    ['a path for an acquirer', { acquirer: '../x' }],
  ])('with %s is malformed', (_, changes) => {
    expect(imported(blockOf(), changes)).toMatchObject({ ok: false, reason: 'MALFORMED_MESSAGE' });
  });

  test('for an acquirer without a key-encryption key is refused', () => {
    expect(imported(blockOf(), { acquirer: 'acquirer-z' })).toMatchObject({ reason: 'ZONE_KEK_MISSING' });
  });
});

describe('a zone key given out', () => {
  test('is a strict key block that the acquirer opens, with its name and check value', () => {
    const slotId = slotOf('zone-pin');
    const { keyBlock, slot } = unwrap(exported(slotId));
    const opened = unwrap(importKeyBlock(keyBlock, kek, { tolerate: new Set() }));
    expect(opened.header).toMatchObject({ version: 'D', usage: 'P0', modeOfUse: 'D', exportability: 'E' });
    expect(opened.optional).toContainEqual({ id: 'LB', text: slotId });
    expect(opened.key.equals(vault.zone.pin)).toBe(true);
    expect(slot).toMatchObject({ slotId });
    expect(unwrap(exported(slotId)).keyBlock).not.toBe(keyBlock);
  });

  test('may be a prepared one, and is none that drains', () => {
    const before = slotOf('zone-data');
    const { slot } = unwrap(vault.custodian.generate({ kind: 'zone-data', acquirer: ACQUIRER }, PERSON));
    expect(exported(slot.id)).toMatchObject({ ok: true });
    unwrap(vault.custodian.change(slot.id, 'active', PERSON));
    expect(exported(before)).toMatchObject({ ok: false, reason: 'KEY_STATE_NOT_ALLOWED' });
  });

  test.each(['E', 'S', 'N'])('that came in with exportability %s leaves accordingly', (exportability) => {
    const { slot } = unwrap(imported(blockOf({ exportability })));
    const answer = exported(slot?.slotId ?? '');
    if (exportability === 'N') expect(answer).toMatchObject({ ok: false, reason: 'KEY_NOT_EXPORTABLE' });
    else expect(answer).toMatchObject({ ok: true });
  });

  test.each([
    'kek',
    'bdk-pin',
    'bdk-account-data',
    'zone-kek',
    'anchor',
    'device-token',
    'receipt',
    'grant',
    'card-reference',
  ])('is never a %s', (kind) => {
    expect(exported(slotOf(kind))).toMatchObject({ ok: false, reason: 'KEY_NOT_EXPORTABLE' });
  });

  test('has to be there, and somebody has to ask for it', () => {
    expect(exported('zone-pin-0000')).toMatchObject({ ok: false, reason: 'KEY_SLOT_UNKNOWN' });
    const call = { slotId: slotOf('zone-pin'), tr34: undefined, tolerate: [], by: '' };
    expect(exportKey(call, vault.custodian, ports)).toMatchObject({ ok: false, reason: 'MALFORMED_MESSAGE' });
    expect(exported(slotOf('zone-pin'), ['ANYTHING'])).toMatchObject({ ok: false, reason: 'MALFORMED_MESSAGE' });
  });
});
