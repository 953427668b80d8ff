import { describe, expect, test } from '@jest/globals';
import { explainDukpt } from '../../../src/payment-crypto/explanation/dukpt.ts';
import { explainKeyBlock } from '../../../src/payment-crypto/explanation/key-block.ts';
import {
  KEY_BLOCK_ALGORITHMS,
  KEY_BLOCK_MODES,
  KEY_BLOCK_USAGES,
} from '../../../src/payment-crypto/key-block/attributes.ts';
import { exportKeyBlock } from '../../../src/payment-crypto/key-block/export.ts';
import type { OptionalContent } from '../../../src/payment-crypto/key-block/optional-content.ts';
import { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import { accepted, bytes, key, seededRandom } from '../support.ts';

const NOT_DEFINED = 'not defined by X9.143';

/** The meaning of one field of a header that has this character or these at a place. */
function meaningOf(field: string, at: number, value: string, header = 'D0016P0AE00E0000'): string {
  const text = `${header.slice(0, at)}${value}${header.slice(at + value.length)}`;
  const explained = accepted(explainKeyBlock(text, undefined, false));
  const found = explained.header.find((entry) => entry.field === field);
  expect(found?.value).toBe(value);
  return found?.meaning ?? '';
}

describe('every value that X9.143 defines has a meaning of its own', () => {
  test.each([
    ['key usage', 5, KEY_BLOCK_USAGES],
    ['algorithm', 7, [...KEY_BLOCK_ALGORITHMS]],
    ['mode of use', 8, [...KEY_BLOCK_MODES]],
    ['exportability', 11, [...'ENS']],
  ] as const)('%s', (field, at, values) => {
    const meanings = values.map((value) => meaningOf(field, at, value));
    for (const meaning of meanings) expect(meaning).toMatch(/\w/);
    expect(meanings).not.toContain(NOT_DEFINED);
    expect(new Set(meanings).size).toBe(values.length);
  });

  test('version', () => {
    const [a, b, c, d, e] = [...'ABCDE'].map((version) => meaningOf('version', 0, version));
    expect(a).toBe(c);
    expect(new Set([a, b, d, e]).size).toBe(4);
    for (const meaning of [a, b, d, e]) expect(meaning).toMatch(/AES|TDEA/);
  });

  test.each([
    ['key usage', 5, 'ZZ'],
    ['algorithm', 7, 'Q'],
    ['mode of use', 8, 'Q'],
    ['exportability', 11, 'Q'],
  ])('%s: another value is said to have none', (field, at, value) => {
    expect(meaningOf(field, at, value)).toBe(NOT_DEFINED);
  });

  test('key version: none, component, version', () => {
    const [none, component, version] = ['00', 'c7', '12'].map((value) => meaningOf('key version', 9, value));
    expect(component).toContain('7');
    expect(new Set([none, component, version]).size).toBe(3);
    for (const meaning of [none, component, version]) expect(meaning).toMatch(/\w/);
  });

  test('the reserved field, which has one right value', () => {
    const [right, wrong] = ['00', '01'].map((value) => meaningOf('reserved', 14, value));
    expect(right).not.toBe(wrong);
    for (const meaning of [right, wrong]) expect(meaning).toMatch(/\w/);
  });
});

describe('a header', () => {
  test('is nine fields, in the order of the standard, each with a meaning', () => {
    const { header, payloadCharacters } = accepted(explainKeyBlock('D0016P0AE00E0000ABCD', undefined, false));
    expect(header.map(({ field, value }) => [field, value])).toEqual([
      ['version', 'D'],
      ['length', '16'],
      ['key usage', 'P0'],
      ['algorithm', 'A'],
      ['mode of use', 'E'],
      ['key version', '00'],
      ['exportability', 'E'],
      ['optional blocks', '0'],
      ['reserved', '00'],
    ]);
    for (const { meaning } of header) expect(meaning).toMatch(/\w/);
    expect(payloadCharacters).toBe(4);
  });
});

describe('optional blocks', () => {
  const kbpk = key('AES', '88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6');
  const kbpkCheckValue = '0ECB';
  const meanings = (optional: readonly OptionalContent[]): Map<string, string> => {
    const attributes = { usage: 'P0', algorithm: 'A', modeOfUse: 'E', keyVersion: '00', exportability: 'E' } as const;
    const secret = key('AES', '3F419E1CB7079442AA37474C2EFBF8B8');
    const block = accepted(
      exportKeyBlock({ version: 'D', attributes, key: secret, optional }, kbpk, seededRandom('m')),
    );
    const explained = accepted(explainKeyBlock(block, undefined, false));
    return new Map(explained.optional.map(({ field, meaning }) => [field, meaning]));
  };

  test('of check values and times say whose they are', () => {
    const found = meanings([
      { id: 'KC', method: 'cmac', value: kbpkCheckValue },
      { id: 'KP', method: 'cmac', value: kbpkCheckValue },
      { id: 'PK', method: 'cmac', value: kbpkCheckValue },
      { id: 'TC', at: Date.UTC(2026, 0, 2) },
      { id: 'TS', at: Date.UTC(2026, 0, 2) },
      { id: 'KV', text: '0101' },
      { id: 'FL', text: '00' },
      { id: 'LB', text: 'a label' },
    ]);
    for (const [id, meaning] of found) expect(`${id} ${meaning}`).toMatch(/^\w\w \w+/);
    expect(new Set(found.values()).size).toBe(found.size);
    for (const id of ['KC', 'KP', 'PK']) expect(found.get(id)).toContain(kbpkCheckValue);
    for (const id of ['TC', 'TS']) expect(found.get(id)).toContain('2026-01-02T00:00:00.000Z');
  });

  test('of two digits alone are proprietary', () => {
    const of = (id: string) =>
      accepted(explainKeyBlock(`D0020P0AE00E0100${id}04`, undefined, false)).optional[0]?.meaning;
    expect(of('10')).toBe('proprietary');
    for (const id of ['1A', 'A1', 'ZZ']) expect(of(id)).toBe('cannot be read');
  });

  test('an asymmetric key within is told by its length alone', () => {
    const attributes = { usage: 'S0', algorithm: 'R', modeOfUse: 'S', keyVersion: '00', exportability: 'N' } as const;
    const content = { version: 'D', attributes, key: new SecretBytes(Buffer.alloc(100, 1)) } as const;
    const block = accepted(exportKeyBlock(content, kbpk, seededRandom('m')));
    expect(accepted(explainKeyBlock(block, kbpk, true)).opened).toEqual({ tolerated: [], keyBytes: 100 });
  });
});

describe('the keys of a KSN', () => {
  const aes = {
    scheme: 'AES',
    given: 'bdk',
    key: key('AES', 'FEDCBA9876543210F1F1F1F1F1F1F1F1'),
    ksn: bytes('123456789012345600000001'),
    level: 'working',
    usage: 'pinEncryption',
    type: 'AES128',
  } as const;
  const tdes = {
    scheme: 'TDES',
    given: 'bdk',
    key: key('TDES', '0123456789ABCDEFFEDCBA9876543210'),
    ksn: bytes('FFFF9876543210E00005'),
    level: 'working',
    usage: 'pinEncryption',
  } as const;

  test.each([
    ['a KSN of no length', { ...aes, ksn: bytes('1234567890123456') }],
    ['a KSN of the other scheme', { ...aes, ksn: tdes.ksn }],
    ['an AES key for TDEA DUKPT', { ...tdes, key: aes.key }],
    ['a TDEA key for AES DUKPT', { ...aes, key: tdes.key }],
    ['a TDEA key of three', { ...tdes, key: key('TDES', `0123456789ABCDEFFEDCBA9876543210${'11'.repeat(8)}`) }],
  ])('are none of %s', (_name, derivation) => {
    expect(explainDukpt(derivation, 'AES128', false)).toBeUndefined();
  });

  test('are walked down one bit at a time, from the BDK as from the initial key', () => {
    const explained = explainDukpt(tdes, 'AES128', true);
    expect(explained?.walk.map(({ counter }) => counter)).toEqual(['00000004', '00000005']);
    for (const { key: shown } of explained?.walk ?? []) expect(shown.key).toMatch(/^[0-9A-F]{32}$/);
    const initialKey = key('TDES', explained?.initialKey.key ?? '');
    const again = explainDukpt({ ...tdes, given: 'initialKey', key: initialKey }, 'AES128', true);
    expect(again?.walk).toEqual(explained?.walk);
    expect(again?.workingKeys).toEqual(explained?.workingKeys);
  });

  test('leave the key that was given as it was', () => {
    for (const derivation of [aes, tdes, { ...aes, given: 'initialKey' as const }]) {
      const before = derivation.key.use((clear) => Buffer.from(clear).toString('hex'));
      explainDukpt(derivation, 'AES128', false);
      expect(derivation.key.use((clear) => Buffer.from(clear).toString('hex'))).toBe(before);
    }
  });

  test('of a type that is stronger than its parent are left out', () => {
    const usages = explainDukpt(aes, 'AES256', false)?.workingKeys.map(({ usage }) => usage);
    expect(usages).toEqual(['update key (counter FFFFFFFF)']);
  });

  test('name counters in upper case', () => {
    const explained = explainDukpt({ ...aes, ksn: bytes('12345678901234560000000A') }, 'AES128', false);
    expect(explained?.walk.map(({ counter }) => counter)).toEqual(['00000008', '0000000A']);
  });
});
