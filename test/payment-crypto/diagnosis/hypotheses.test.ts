import { describe, expect, test } from '@jest/globals';
import { KEY_TYPES } from '../../../src/payment-crypto/aes-dukpt/key-type.ts';
import type { Hypothesis } from '../../../src/payment-crypto/diagnosis/diagnose.ts';
import {
  type DukptState,
  otherGivenKey,
  wrongCounter,
  wrongKsnOrder,
  wrongLevel,
  wrongMethod,
  wrongRole,
  wrongType,
  wrongUsage,
} from '../../../src/payment-crypto/diagnosis/dukpt.ts';
import type {
  AesDerivation,
  DukptDerivation,
  TdesDerivation,
} from '../../../src/payment-crypto/diagnosis/dukpt-derivation.ts';
import { diagnoseKcv, halfOfKey, kcvFits, wrongKcvMethod } from '../../../src/payment-crypto/diagnosis/kcv.ts';
import {
  notEnciphered,
  type SeenPinBlock,
  wrongFormat,
  wrongPanDigits,
  wrongTextEncoding,
} from '../../../src/payment-crypto/diagnosis/pin-block.ts';
import { hexOf } from '../../../src/payment-crypto/hex.ts';
import { keyCheckValue } from '../../../src/payment-crypto/kcv.ts';
import { TDES_WORKING_KEY_USAGES } from '../../../src/payment-crypto/tdes-dukpt/working-key.ts';
import { bytes, key, pan } from '../support.ts';

const AES: AesDerivation = {
  scheme: 'AES',
  given: 'bdk',
  key: key('AES', 'FEDCBA9876543210F1F1F1F1F1F1F1F1'),
  ksn: bytes('123456789012345600000040'),
  level: 'working',
  usage: 'pinEncryption',
  type: 'AES128',
};
const TDES: TdesDerivation = {
  scheme: 'TDES',
  given: 'bdk',
  key: key('TDES', '0123456789ABCDEFFEDCBA9876543210'),
  ksn: bytes('FFFF9876543210E00040'),
  level: 'working',
  usage: 'pinEncryption',
};
const SENTENCE = /^[A-Z].+\.$/;

const proposed = (hypothesis: Hypothesis<DukptState>, derivation: DukptDerivation, seen: DukptState['seen'] = {}) =>
  hypothesis({ derivation, seen });

const counters = (derivation: DukptDerivation): number[] =>
  proposed(wrongCounter, derivation).map(({ state }) => {
    const { ksn, scheme } = state.derivation;
    return scheme === 'AES' ? Buffer.from(ksn).readUInt32BE(8) : Buffer.from(ksn).readUInt32BE(6) & 0x1fffff;
  });

const around = (counter: number): number[] =>
  Array.from({ length: 16 }, (_, at) => [counter + at + 1, counter - at - 1]).flat();

describe('what another key of the tree may be', () => {
  test.each<[DukptDerivation['level'], DukptDerivation['given'], readonly string[]]>([
    ['working', 'bdk', ['transaction', 'initial', 'given']],
    ['transaction', 'bdk', ['working', 'initial', 'given']],
    ['initial', 'bdk', ['working', 'transaction', 'given']],
    ['given', 'bdk', ['working', 'transaction', 'initial']],
    // An initial key that is given is the initial key of the tree.
    ['working', 'initialKey', ['transaction', 'initial']],
    ['initial', 'initialKey', ['working', 'transaction']],
  ])('%s from %s', (level, given, levels) => {
    const variants = proposed(wrongLevel, { ...AES, level, given });
    expect(variants.map(({ state }) => state.derivation.level)).toEqual(levels);
    for (const { says } of variants) expect(says).toMatch(SENTENCE);
    expect(new Set(variants.map(({ says }) => says)).size).toBe(levels.length);
  });

  test('the other role', () => {
    expect(proposed(wrongRole, AES)).toMatchObject([
      { fault: 'INITIAL_KEY_AS_BDK', state: { derivation: { given: 'initialKey' } } },
    ]);
    const initial = { ...AES, given: 'initialKey' } as const;
    expect(proposed(wrongRole, initial)).toMatchObject([
      { fault: 'BDK_AS_INITIAL_KEY', state: { derivation: { given: 'bdk' } } },
    ]);
    for (const { says } of [...proposed(wrongRole, AES), ...proposed(wrongRole, initial)])
      expect(says).toMatch(SENTENCE);
  });
});

describe('another usage or type', () => {
  test('of AES: every working key but the one believed in', () => {
    const usages = proposed(wrongUsage, AES).map(({ state }) => state.derivation.usage);
    expect(usages).toEqual([
      'keyEncryption',
      'macGeneration',
      'macVerification',
      'macBoth',
      'dataEncryptionEncrypt',
      'dataEncryptionDecrypt',
      'dataEncryptionBoth',
    ]);
    const types = proposed(wrongType, AES).map(
      ({ state: { derivation } }) => derivation.scheme === 'AES' && derivation.type,
    );
    expect(types).toEqual(Object.keys(KEY_TYPES).filter((type) => type !== 'AES128'));
    for (const { says } of [...proposed(wrongUsage, AES), ...proposed(wrongType, AES)]) {
      expect(says).toMatch(SENTENCE);
      expect(says).toMatch(/pinEncryption|AES128/);
    }
  });

  test('of TDEA: its own usages, and one type only', () => {
    const usages = proposed(wrongUsage, TDES).map(({ state }) => state.derivation.usage);
    expect(usages).toEqual(TDES_WORKING_KEY_USAGES.filter((usage) => usage !== 'pinEncryption'));
    expect(proposed(wrongType, TDES)).toEqual([]);
  });

  test.each(['transaction', 'initial', 'given'] as const)('of the %s key: none', (level) => {
    expect(proposed(wrongUsage, { ...AES, level })).toEqual([]);
    expect(proposed(wrongType, { ...AES, level })).toEqual([]);
  });
});

describe('another counter', () => {
  test.each<[string, DukptDerivation]>([
    ['AES', AES],
    ['TDEA', TDES],
  ])('of %s is up to 16 off, to both sides', (_name, derivation) => {
    expect(counters(derivation)).toEqual(around(0x40));
    const [above, below] = proposed(wrongCounter, derivation);
    expect(above?.says).toContain(' above ');
    expect(below?.says).toContain(' below ');
  });

  test.each([
    ['AES', { ...AES, ksn: bytes('123456789012345600000003') }, [0, 1, 2]],
    ['TDEA', { ...TDES, ksn: bytes('FFFF9876543210E00003') }, [0, 1, 2]],
    ['AES', { ...AES, ksn: bytes('1234567890123456FFFFFFFD') }, [0xffff_fffe, 0xffff_ffff]],
    ['TDEA', { ...TDES, ksn: bytes('FFFF9876543210FFFFFD') }, [0x1f_fffe, 0x1f_ffff]],
  ] as const)('of %s is none that its bits cannot state', (_name, derivation, atTheEdge) => {
    const found = counters(derivation);
    const counter = derivation.scheme === 'AES' ? 0xffff_ffff : 0x1f_ffff;
    expect(found.every((value) => value >= 0 && value <= counter)).toBe(true);
    expect(found).toEqual(expect.arrayContaining([...atTheEdge]));
    expect(found).toHaveLength(16 + atTheEdge.length);
  });

  test('of TDEA leaves the serial number as it is', () => {
    for (const { state } of proposed(wrongCounter, TDES)) {
      expect(hexOf(state.derivation.ksn.subarray(0, 6))).toBe('FFFF98765432');
      expect((state.derivation.ksn[7] ?? 0) & 0xe0).toBe(0xe0);
    }
  });

  test.each<[string, DukptDerivation]>([
    ['the initial key', { ...AES, level: 'initial' }],
    ['the given key', { ...AES, level: 'given' }],
    ['a KSN that is too short', { ...AES, ksn: bytes('12345678901234560000') }],
    ['a KSN that is too long', { ...TDES, ksn: bytes('FFFF9876543210E0000300') }],
  ])('of %s: none', (_name, derivation) => {
    expect(proposed(wrongCounter, derivation)).toEqual([]);
  });

  test('in the other byte order, for AES beside the whole KSN', () => {
    const orders = proposed(wrongKsnOrder, AES).map(({ state }) => hexOf(state.derivation.ksn));
    expect(orders).toEqual(['400000005634129078563412', '123456789012345640000000']);
    const tdes = proposed(wrongKsnOrder, TDES).map(({ state }) => hexOf(state.derivation.ksn));
    expect(tdes).toEqual(['4000E01032547698FFFF']);
    for (const { says } of proposed(wrongKsnOrder, AES)) expect(says).toMatch(SENTENCE);
  });
});

describe('another key, another method', () => {
  test('names the key that was given by its role', () => {
    for (const { says } of proposed(otherGivenKey, AES)) expect(says).toContain('BDK');
    for (const { says } of proposed(otherGivenKey, { ...AES, given: 'initialKey' }))
      expect(says).toContain('initial key');
    expect(proposed(otherGivenKey, AES).length).toBeGreaterThan(2);
  });

  test('there is one where a check value was seen, of a key that has one', () => {
    const kcv = { value: bytes('0102030405') };
    expect(proposed(wrongMethod, AES, { kcv })).toMatchObject([
      { fault: 'KCV_METHOD', state: { seen: { kcv: { method: 'legacy' } } } },
    ]);
    expect(proposed(wrongMethod, TDES, { kcv })).toMatchObject([{ state: { seen: { kcv: { method: 'cmac' } } } }]);
    expect(proposed(wrongMethod, AES)).toEqual([]);
    expect(proposed(wrongMethod, { ...AES, type: 'HMAC128' }, { kcv })).toEqual([]);
    for (const derivation of [AES, TDES]) {
      expect(proposed(wrongMethod, derivation, { kcv })[0]?.says).toMatch(SENTENCE);
    }
  });
});

describe('a check value', () => {
  const secret = key('TDES', '0123456789ABCDEFFEDCBA9876543210');

  test.each([
    [1, false],
    [2, true],
    [8, true],
    [9, false],
  ])('of %d bytes is compared: %s', (length, compared) => {
    const whole = Buffer.concat([secret.encipher(new Uint8Array(8)), Buffer.alloc(1)]);
    expect(kcvFits(secret, { value: whole.subarray(0, length) })).toBe(compared);
  });

  test('of an HMAC key fits nothing, and has no other method', () => {
    const hmac = key('HMAC', '00112233445566778899AABBCCDDEEFF');
    const seen = { value: bytes('010203') };
    expect(kcvFits(hmac, seen)).toBe(false);
    expect(wrongKcvMethod({ key: hmac, seen })).toEqual([]);
    expect(diagnoseKcv(hmac, seen)).toMatchObject({ outcome: 'none', findings: [] });
  });

  test('may be of either half of a TDEA key, and of no half of an AES key', () => {
    const seen = { value: keyCheckValue(secret) };
    const halves = halfOfKey({ key: secret, seen });
    expect(halves.map(({ state }) => state.key.use(hexOf))).toEqual([
      '0123456789ABCDEF'.repeat(2),
      'FEDCBA9876543210'.repeat(2),
    ]);
    expect(halves[0]?.says).toContain('left');
    expect(halves[1]?.says).toContain('right');
    expect(halfOfKey({ key: AES.key, seen })).toEqual([]);
  });
});

describe('a PIN block', () => {
  const PAN = pan('5432109876543219');
  const seen = (changes: Partial<SeenPinBlock>): SeenPinBlock => ({
    block: '00'.repeat(16),
    format: 4,
    pan: PAN,
    ...changes,
  });
  const pans = (state: SeenPinBlock): string[] =>
    wrongPanDigits(state).map((variant) => (variant.state.pan ?? PAN).use((digits) => [...digits].join('')));

  test.each<[SeenPinBlock['format'], readonly string[]]>([
    [4, ['543210987654321', '210987654321', '109876543219', '0000000000000000']],
    [0, ['54321098765432190', '5432109876540', '0000000000000']],
    [3, ['54321098765432190', '5432109876540', '0000000000000']],
    [1, []],
    [2, []],
  ])('of format %d may have been made with other digits', (format, digits) => {
    expect(pans(seen({ format }))).toEqual(digits);
    for (const { says } of wrongPanDigits(seen({ format }))) expect(says).toMatch(SENTENCE);
  });

  test('is never held against the same PAN once more, nor against one where none is known', () => {
    expect(pans(seen({ pan: pan('0000000000000000') }))).not.toContain('0000000000000000');
    const { pan: _known, ...unknown } = seen({});
    expect(wrongPanDigits(unknown)).toEqual([]);
  });

  test.each([0, 1, 2, 3, 4] as const)('of format %d may be of any other', (format) => {
    const others = [0, 1, 2, 3, 4].filter((other) => other !== format);
    const variants = wrongFormat(seen({ format }));
    expect(variants.map(({ state }) => state.format)).toEqual(others);
    for (const [at, { says }] of variants.entries()) expect(says).toContain(String(others[at]));
  });

  test('may be clear where it is held to be enciphered, and the reverse', () => {
    const [clear] = notEnciphered(seen({}));
    const [enciphered] = notEnciphered(seen({ clear: true }));
    expect([clear?.state.clear, enciphered?.state.clear]).toEqual([true, false]);
    expect(clear?.says).toMatch(SENTENCE);
    expect(enciphered?.says).toMatch(SENTENCE);
    expect(clear?.says).not.toBe(enciphered?.says);
  });

  test('may be text of another encoding than the one believed in', () => {
    const block = Buffer.alloc(16, 7);
    const text = block.toString('base64');
    const variants = wrongTextEncoding(seen({ block: text }));
    expect(variants.map(({ state }) => state.encoding)).toContain('base64');
    expect(variants.map(({ state }) => state.encoding)).not.toContain('hexadecimal');
    const believed = wrongTextEncoding(seen({ block: text, encoding: 'base64' }));
    expect(believed.map(({ state }) => state.encoding)).not.toContain('base64');
    for (const { says } of variants) expect(says).toMatch(SENTENCE);
  });
});
