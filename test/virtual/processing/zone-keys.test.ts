import { chmodSync, writeFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { sha256 } from '../../../src/encoding/digest.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import {
  joinZoneKek,
  loadZoneKeys,
  openZoneData,
  openZoneKeys,
  type ZoneFault,
} from '../../../src/virtual/processing/zone-keys.ts';
import { approval, Folder, openZone, submit } from './support/shop.ts';
import {
  COMPONENTS,
  componentKcv,
  DATA_KEY,
  PIN_KEY,
  zoneDataKey,
  zoneDocument,
  zoneKek,
  zoneKeyBlock,
  zonePinKey,
} from './support/zone.ts';

const [first, second] = COMPONENTS;
describe('zone keys', () => {
  test('are opened under their names', () => {
    const zone = openZone();
    expect([zone.acquirer, zone.pin.keyId, zone.data.keyId]).toEqual(['acme', 'zone-pin-1', 'zone-data-1']);
    expect(zone.pin.key.use((bytes) => PIN_KEY.equals(bytes))).toBe(true);
    expect(zone.data.key.use((bytes) => DATA_KEY.equals(bytes))).toBe(true);
    expect(inspect(zone, { depth: 5 })).not.toContain(PIN_KEY.toString('hex'));
  });

  const document = zoneDocument();
  const tdes = SecretKey.ofOwned('TDES', Uint8Array.from(PIN_KEY));
  const long = SecretKey.ofOwned('AES', new Uint8Array(32).fill(5));
  const otherKek = SecretKey.ofOwned('AES', new Uint8Array(32).fill(9));
  test.each<[string, Partial<typeof document>]>([
    ['the two blocks swapped', { pinKeyBlock: document.dataKeyBlock, dataKeyBlock: document.pinKeyBlock }],
    ['a PIN key that is a data key', { pinKeyBlock: zoneKeyBlock(zonePinKey(), { usage: 'D0' }) }],
    ['a key that only enciphers', { pinKeyBlock: zoneKeyBlock(zonePinKey(), { modeOfUse: 'E' }) }],
    ['a key without a label', { pinKeyBlock: zoneKeyBlock(zonePinKey(), { label: null }) }],
    ['another KEK', { pinKeyBlock: zoneKeyBlock(zonePinKey(), { kek: otherKek }) }],
    ['an AES-256 key', { dataKeyBlock: zoneKeyBlock(long, { usage: 'D0' }) }],
    ['no block', { dataKeyBlock: '' }],
    ['a changed block', { dataKeyBlock: document.dataKeyBlock.replace(/.$/, (last) => (last === '0' ? '1' : '0')) }],
  ])('are refused with %s', (_, over) => {
    expect(openZoneKeys({ ...document, ...over }, COMPONENTS)).toMatchObject({ ok: false, reason: 'ZONE_KEY_BLOCK' });
  });

  test('of TDEA are refused', () => {
    const block = zoneKeyBlock(zonePinKey());
    expect(tdes.algorithm).toBe('TDES');
    expect(openZoneKeys({ ...document, pinKeyBlock: `${block.slice(0, 7)}T${block.slice(8)}` }, COMPONENTS).ok).toBe(
      false,
    );
  });
});

describe('components', () => {
  test('join by XOR, with or without their check values', () => {
    for (const components of [
      COMPONENTS,
      [`${first} ${componentKcv(first)}`, `${second}\n${componentKcv(second).slice(0, 6)}`],
    ]) {
      const joined = joinZoneKek(components);
      expect(joined.ok && joined.value.equals(zoneKek())).toBe(true);
    }
  });

  test.each<[string, readonly string[], ZoneFault]>([
    ['one', [first], 'COMPONENTS_COUNT'],
    ['ten', Array.from({ length: 10 }, (_, at) => `${at}0`.repeat(32)), 'COMPONENTS_COUNT'],
    ['one that is no hexadecimal', [first, 'z'.repeat(64)], 'COMPONENT_MALFORMED'],
    ['one that is empty', [first, ''], 'COMPONENT_MALFORMED'],
    ['two lengths', [first, second.slice(32)], 'COMPONENT_MALFORMED'],
    ['a third word', [first, `${second} ${componentKcv(second)} x`], 'COMPONENT_MALFORMED'],
    ['another check value', [first, `${second} ${componentKcv(first)}`], 'COMPONENT_KCV'],
    ['a check value of 2 bytes', [first, `${second} ${componentKcv(second).slice(0, 4)}`], 'COMPONENT_KCV'],
    ['the same twice', [first, first], 'COMPONENT_REPEATED'],
  ])('%s', (_, components, reason) => {
    expect(joinZoneKek(components)).toMatchObject({ ok: false, reason });
  });
});

describe('files', () => {
  function write(folder: Folder) {
    const files = { zone: folder.at('zone.json'), components: [folder.at('one.hex'), folder.at('two.hex')] };
    writeFileSync(files.zone, JSON.stringify(zoneDocument()));
    for (const [at, path] of files.components.entries()) writeFileSync(path, `${COMPONENTS[at]}\n`, { mode: 0o600 });
    return files;
  }

  test('are read and opened', () => {
    using folder = new Folder();
    const zone = loadZoneKeys(write(folder));
    expect(zone.ok && zone.value.acquirer).toBe('acme');
  });

  test('a component that others may read is refused', () => {
    using folder = new Folder();
    const files = write(folder);
    chmodSync(files.components[1]!, 0o640);
    expect(loadZoneKeys(files)).toEqual({ ok: false, reason: 'FILE_OPEN_TO_OTHERS', detail: files.components[1] });
  });

  test('that are missing, too large or not what they should be are refused', () => {
    using folder = new Folder();
    const files = write(folder);
    const missing = folder.at('missing');
    expect(loadZoneKeys({ ...files, zone: missing })).toMatchObject({ reason: 'FILE_UNREADABLE', detail: missing });
    writeFileSync(files.components[0]!, '0'.repeat(70_000));
    expect(loadZoneKeys(files)).toMatchObject({ reason: 'FILE_TOO_LARGE' });
    for (const text of ['not JSON', '{}', JSON.stringify({ ...zoneDocument(), more: 1 })]) {
      writeFileSync(files.zone, text);
      expect(loadZoneKeys(files)).toMatchObject({ reason: 'ZONE_FILE_MALFORMED' });
    }
  });
});

describe('account data', () => {
  const submission = submit({ order: 'o-1' });
  const { accountData } = approval(submission);
  const intentHash = sha256(submission.intent.payload);
  const key = { keyId: 'zone-data-1', key: zoneDataKey() };

  test('opens for its intent', () => {
    const opened = openZoneData(key, accountData, intentHash);
    expect(opened?.use((bytes) => submission.tap.accountData.equals(bytes))).toBe(true);
  });

  test.each([
    ['another intent', accountData, Buffer.alloc(32)],
    ['a shorter IV', { ...accountData, initializationVector: Buffer.alloc(11) }, intentHash],
    ['only a tag', { ...accountData, ciphertext: accountData.ciphertext.subarray(-16) }, intentHash],
    ['half a tag', { ...accountData, ciphertext: accountData.ciphertext.subarray(0, -8) }, intentHash],
    ['nothing', { ...accountData, ciphertext: Buffer.alloc(0) }, intentHash],
  ])('does not open with %s', (_, sealed, hash) => {
    expect(openZoneData(key, sealed, hash)).toBeNull();
  });
});
