import { describe, expect, test } from '@jest/globals';
import { diagnoseKcv } from '../../../src/payment-crypto/diagnosis/kcv.ts';
import { diagnoseKeyBlock } from '../../../src/payment-crypto/diagnosis/key-block.ts';
import { keyCheckValue } from '../../../src/payment-crypto/kcv.ts';
import { exportKeyBlock } from '../../../src/payment-crypto/key-block/export.ts';
import { accepted, bytes, key, seededRandom } from '../support.ts';

const ATTRIBUTES = { usage: 'P0', algorithm: 'T', modeOfUse: 'E', keyVersion: '00', exportability: 'E' } as const;
const PIN_KEY = key('TDES', '3F419E1CB7079442AA37474C2EFBF8B8');
const AES_TEXT = '88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6';
const TDES_TEXT = '1D22BF32387C600AD97F9B97A51311AC';
const AES = key('AES', AES_TEXT);
const TDES = key('TDES', TDES_TEXT);

function block(version: 'B' | 'D' | 'E', kbpk = version === 'B' ? TDES : AES): string {
  return accepted(exportKeyBlock({ version, attributes: ATTRIBUTES, key: PIN_KEY }, kbpk, seededRandom('k')));
}
const one = (...faults: string[]) => ({ outcome: 'one', findings: [{ faults }] });

describe('a key block that does not open', () => {
  test.each(['B', 'D', 'E'] as const)('version %s that does', (version) => {
    const sound = block(version);
    expect(diagnoseKeyBlock(sound, version === 'B' ? TDES : AES)).toMatchObject({ outcome: 'fits' });
  });

  test.each([
    ['D', 'E'],
    ['D', 'B'],
    ['E', 'D'],
    ['B', 'D'],
  ] as const)('made as version %s, with the letter %s', (planted, letter) => {
    const changed = letter + block(planted).slice(1);
    expect(diagnoseKeyBlock(changed, planted === 'B' ? TDES : AES)).toMatchObject(one('KEY_BLOCK_VERSION'));
  });

  test.each([
    ['key usage', 5, 'D0'],
    ['key usage', 5, 'ZZ'],
    ['algorithm', 7, 'A'],
    ['mode of use', 8, 'B'],
    ['key version', 9, '01'],
    ['exportability', 11, 'N'],
    ['reserved field', 14, '01'],
  ] as const)('whose %s was changed', (field, at, value) => {
    for (const version of ['B', 'D'] as const) {
      const sound = block(version);
      const changed = sound.slice(0, at) + value + sound.slice(at + value.length);
      const diagnosis = diagnoseKeyBlock(changed, version === 'B' ? TDES : AES);
      expect(diagnosis).toMatchObject(one('KEY_BLOCK_HEADER'));
      expect(diagnosis.findings[0]?.says).toContain(field);
    }
  });

  test('that states another length, alone and with a changed usage', () => {
    const sound = block('D');
    const wrong = `${sound.slice(0, 1)}0144${sound.slice(5)}`;
    expect(diagnoseKeyBlock(wrong, AES)).toMatchObject(one('KEY_BLOCK_LENGTH'));
    const both = `${wrong.slice(0, 5)}K0${wrong.slice(7)}`;
    expect(diagnoseKeyBlock(both, AES)).toMatchObject(one('KEY_BLOCK_HEADER', 'KEY_BLOCK_LENGTH'));
  });

  test.each([
    ['line breaks', (text: string) => `${text.slice(0, 60)}\n${text.slice(60)}\n`],
    ['lower case', (text: string) => text.toLowerCase()],
    ['hexadecimal', (text: string) => Buffer.from(text).toString('hex')],
    ['base64', (text: string) => Buffer.from(text).toString('base64')],
  ])('for %s', (_, wrap) => {
    expect(diagnoseKeyBlock(wrap(block('D')), AES)).toMatchObject(one('TEXT_ENCODING'));
  });

  const swap = (text: string): string => text.slice(text.length / 2) + text.slice(0, text.length / 2);

  test('under a KBPK with halves swapped, reversed, given DEA parity, or of another length', () => {
    expect(diagnoseKeyBlock(block('D'), key('AES', swap(AES_TEXT)))).toMatchObject(one('KEY_HALVES'));
    expect(diagnoseKeyBlock(block('B'), key('TDES', swap(TDES_TEXT)))).toMatchObject(one('KEY_HALVES'));
    const reversed = key('AES', bytes(AES_TEXT).reverse().toString('hex'));
    expect(diagnoseKeyBlock(block('D'), reversed)).toMatchObject(one('KEY_BYTE_ORDER'));
    const raw = key('AES', '00000000000000000000000000000000');
    const withParity = key('AES', '01010101010101010101010101010101');
    expect(diagnoseKeyBlock(block('D', withParity), raw)).toMatchObject(one('KEY_PARITY'));
    const three = key('TDES', TDES_TEXT + TDES_TEXT.slice(0, 16));
    expect(diagnoseKeyBlock(block('B'), three)).toMatchObject(one('KEY_LENGTH'));
    expect(diagnoseKeyBlock(block('B', three), TDES)).toMatchObject(one('KEY_LENGTH'));
    const short = key('TDES', AES_TEXT.slice(0, 48));
    expect(diagnoseKeyBlock(block('D', key('AES', AES_TEXT.slice(0, 48))), short)).toMatchObject(one('KEY_ALGORITHM'));
  });

  test('of no known fault, whatever its size', () => {
    expect(diagnoseKeyBlock(block('D'), key('AES', '00'.repeat(32)))).toMatchObject({ outcome: 'none' });
    for (const text of ['', 'D', 'x'.repeat(100_000)]) {
      const { outcome, trials } = diagnoseKeyBlock(text, AES);
      expect(outcome).toBe('none');
      expect(trials).toBeLessThanOrEqual(4096);
    }
  });
});

describe('a check value that does not agree', () => {
  const given = key('AES', '3F419E1CB7079442AA37474C2EFBF8B8');
  const kcv = (secret: typeof given, method?: 'legacy' | 'cmac') => ({ value: keyCheckValue(secret, method, 3) });

  test.each([
    ['KCV_METHOD', kcv(given, 'legacy')],
    ['KEY_ALGORITHM', kcv(PIN_KEY)],
    ['KEY_HALVES', kcv(key('AES', 'AA37474C2EFBF8B83F419E1CB7079442'))],
    ['KEY_BYTE_ORDER', kcv(key('AES', 'B8F8FB2E4C4737AA429407B71C9E413F'))],
    ['KEY_PARITY', kcv(key('AES', '3E409E1CB6079443AB37464C2FFBF8B9'))],
  ])('%s', (fault, seen) => {
    expect(diagnoseKcv(given, seen)).toMatchObject(one(fault));
  });

  test('of one half of a TDEA key, or of another algorithm and method', () => {
    const half = key('TDES', 'AA37474C2EFBF8B8AA37474C2EFBF8B8');
    expect(diagnoseKcv(PIN_KEY, kcv(half))).toMatchObject(one('KEY_LENGTH'));
    expect(diagnoseKcv(given, kcv(PIN_KEY, 'cmac'))).toMatchObject(one('KEY_ALGORITHM', 'KCV_METHOD'));
    expect(diagnoseKcv(given, kcv(given))).toMatchObject({ outcome: 'fits' });
    expect(diagnoseKcv(given, { value: bytes('010203') })).toMatchObject({ outcome: 'none' });
  });
});
