import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { exportKeyBlock } from '../../../src/payment-crypto/key-block/export.ts';
import type { OptionalContent } from '../../../src/payment-crypto/key-block/optional-content.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { type BdkCeremonyFault, enterBdk, type IncomingBdk } from '../../../src/vault/keystore/bdk-ceremony.ts';
import type { KeyComponent } from '../../../src/vault/keystore/components.ts';
import { Custodian } from '../../../src/vault/keystore/custodian.ts';
import { initialise } from '../../../src/vault/keystore/initialise.ts';
import { MasterKeyOfToken } from '../../../src/vault/keystore/master-key.ts';
import type { KeystorePlace } from '../../../src/vault/keystore/place.ts';
import { clock, component, random, temporaryFolder, turn, unwrap } from '../support/keystore.ts';
import { MemoryToken } from '../support/memory-token.ts';

const PERSON = 'ann';
const BDK_ID = 'A1B2C3D4';

/** Components of a key: two of its length, the second of which makes it. */
function componentsOf(key: SecretKey): KeyComponent[] {
  const first = random.bytes(key.length);
  const second = key.use((bytes) => Buffer.from(bytes.map((byte, at) => byte ^ (first[at] ?? 0))));
  return [component(first), component(second)];
}

const newKey = (bits = 128): SecretKey => SecretKey.generate('AES', bits, random);
const kcvOf = (key: SecretKey): string => component(key.use((bytes) => Buffer.from(bytes))).kcv.toUpperCase();

describe.each(['software', 'token'])('a base derivation key from another HSM, in a vault of kind %s', (kind) => {
  let folder: ReturnType<typeof temporaryFolder>;
  let token: MemoryToken;
  let place: KeystorePlace;
  let directory: string;
  beforeEach(() => {
    folder = temporaryFolder();
    directory = join(folder.path, 'keys');
    token = new MemoryToken();
    place = kind === 'software' ? directory : { directory, master: new MasterKeyOfToken(token), token };
    unwrap(initialise(place, { random, clock }));
  });
  afterEach(() => folder.remove());

  const enter = (changes: Partial<IncomingBdk> & { readonly key?: SecretKey } = {}) => {
    const { key = newKey(), ...more } = changes;
    return enterBdk(place, { kind: 'bdk-pin', bdkId: BDK_ID, components: componentsOf(key), ...more }, turn);
  };

  interface BlockForm {
    readonly usage?: string;
    readonly mode?: string;
    readonly optional?: readonly OptionalContent[];
    readonly version?: 'D' | 'E';
  }

  /** The key in a block, and the components of what the block is under. */
  function blockOf(key: SecretKey, form: BlockForm = {}): Pick<IncomingBdk, 'keyBlock' | 'components'> {
    const { usage = 'B0', mode = 'X', optional = [], version = 'D' } = form;
    const kbpk = newKey(256);
    const attributes = { usage, algorithm: 'A', modeOfUse: mode, keyVersion: '00', exportability: 'N' };
    const keyBlock = unwrap(exportKeyBlock({ version, attributes, key, optional }, kbpk, random));
    return { keyBlock, components: componentsOf(kbpk) };
  }

  const slotsText = (): string => readFileSync(join(directory, 'keys.json'), 'utf8');

  test('is entered by components, and gives initial keys once it is activated', () => {
    const key = newKey();
    const entered = unwrap(enter({ key }));
    expect(entered).toMatchObject({ kcv: kcvOf(key), kekKcv: null, tolerated: [] });
    const custodian = unwrap(Custodian.open(place, { random, clock }));
    const slot = unwrap(custodian.list()).find(({ id }) => id === entered.slotId);
    expect(slot).toMatchObject({
      state: 'prepared',
      bdkId: BDK_ID,
      enteredBy: 'components',
      keyCheckValue: kcvOf(key),
    });
    unwrap(custodian.change(entered.slotId, 'active', PERSON));
    const probe = random.bytes(16);
    expect(custodian.keys.pinBdk.id.toString('hex').toUpperCase()).toBe(BDK_ID);
    expect(Buffer.from(custodian.keys.pinBdk.key.encipher(probe))).toEqual(Buffer.from(key.encipher(probe)));
    expect(token.entered.has(entered.slotId)).toBe(kind === 'token');
    expect(slotsText().includes(`"${entered.slotId}"`)).toBe(true);
    if (kind === 'token') expect(custodian.keys.pinBdk.key).not.toBeInstanceOf(SecretKey);
    unwrap(custodian.change(entered.slotId, 'compromised', PERSON));
    expect(token.ids).not.toContain(entered.slotId);
  });

  test('is entered as a key block, and both check values are told', () => {
    const key = newKey();
    const bdkId: OptionalContent = { id: 'BI', dukpt: 'AES', bdkId: BDK_ID };
    const entered = unwrap(enter(blockOf(key, { optional: [bdkId] })));
    expect(entered.kcv).toBe(kcvOf(key));
    expect(entered.kekKcv).toMatch(/^[0-9A-F]{10}$/);
    const custodian = unwrap(Custodian.open(place, { random, clock }));
    expect(unwrap(custodian.list()).find(({ id }) => id === entered.slotId)?.enteredBy).toBe('key-block');
  });

  test.each<[string, BdkCeremonyFault, () => Partial<IncomingBdk>]>([
    ['an id that is none', 'BDK_ID', () => ({ bdkId: 'a1b2c3d4' })],
    ['an id of nine digits', 'BDK_ID', () => ({ bdkId: 'A1B2C3D4E' })],
    ['one component', 'COMPONENTS_COUNT', () => ({ components: componentsOf(newKey()).slice(1) })],
    ['a key of 256 bits', 'KEY_ATTRIBUTES_MISMATCH', () => ({ components: componentsOf(newKey(256)) })],
    ['a block of another usage', 'KEY_ATTRIBUTES_MISMATCH', () => blockOf(newKey(), { usage: 'P0', mode: 'E' })],
    ['a block of version E', 'KEY_DEVIATION', () => blockOf(newKey(), { version: 'E' })],
    [
      'a block under another key',
      'KEY_BLOCK_NOT_GENUINE',
      () => ({ ...blockOf(newKey()), components: componentsOf(newKey(256)) }),
    ],
    [
      'a block that names another id',
      'BDK_ID',
      () => blockOf(newKey(), { optional: [{ id: 'BI', dukpt: 'AES', bdkId: '00000001' }] }),
    ],
    [
      'a block that names an id of TDEA',
      'BDK_ID',
      () => blockOf(newKey(), { optional: [{ id: 'BI', dukpt: 'TDES', bdkId: 'A1B2C3D4E5' }] }),
    ],
  ])('is refused with %s, and nothing is changed', (_, reason, changes) => {
    const before = slotsText();
    expect(enter(changes())).toMatchObject({ ok: false, reason });
    expect(slotsText()).toBe(before);
    expect(token.entered.size).toBe(0);
  });

  test('is refused where the id or the key is one of a slot, or another key is prepared', () => {
    const key = newKey();
    unwrap(enter({ key }));
    expect(enter()).toMatchObject({ ok: false, reason: 'KEY_SLOTS_FULL' });
    const other = { kind: 'bdk-account-data', bdkId: '00000002' } as const;
    expect(enter({ ...other, key })).toMatchObject({ ok: false, reason: 'KEY_ALREADY_HELD' });
    expect(enter({ ...other, bdkId: BDK_ID })).toMatchObject({ ok: false, reason: 'BDK_ID' });
    expect(enter(other)).toMatchObject({ ok: true });
  });

  test('does not pass for one that was made here, nor the other way round', () => {
    const entered = unwrap(enter());
    const text = slotsText();
    expect(text).toContain('"entered"');
    const custodian = unwrap(Custodian.open(place, { random, clock }));
    expect(unwrap(custodian.list()).find(({ id }) => id === entered.slotId)?.enteredBy).toBe('components');
    if (kind !== 'token') return;
    token.entered.delete(entered.slotId);
    expect(Custodian.open(place, { random, clock })).toMatchObject({ ok: false, reason: 'KEYSTORE_CORRUPT' });
  });
});
