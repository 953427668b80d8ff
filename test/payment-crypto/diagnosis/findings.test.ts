import { describe, expect, test } from '@jest/globals';
import { diagnose, type Hypothesis, MOST_TRIALS } from '../../../src/payment-crypto/diagnosis/diagnose.ts';
import { type DukptDerivation, derivedKey } from '../../../src/payment-crypto/diagnosis/dukpt-derivation.ts';
import { diagnoseKcv, kcvFits, otherMethod } from '../../../src/payment-crypto/diagnosis/kcv.ts';
import {
  changedHeader,
  diagnoseKeyBlock,
  otherKbpk,
  wrongBlockText,
  wrongStatedLength,
  wrongVersion,
} from '../../../src/payment-crypto/diagnosis/key-block.ts';
import { keyVariants } from '../../../src/payment-crypto/diagnosis/key-variant.ts';
import {
  diagnosePinBlock,
  pinBlockChance,
  wrongTextEncoding,
} from '../../../src/payment-crypto/diagnosis/pin-block.ts';
import { textReadings } from '../../../src/payment-crypto/diagnosis/text.ts';
import { hexOf } from '../../../src/payment-crypto/hex.ts';
import { keyCheckValue } from '../../../src/payment-crypto/kcv.ts';
import {
  KEY_BLOCK_ALGORITHMS,
  KEY_BLOCK_MODES,
  KEY_BLOCK_USAGES,
} from '../../../src/payment-crypto/key-block/attributes.ts';
import { exportKeyBlock } from '../../../src/payment-crypto/key-block/export.ts';
import { encipherPin } from '../../../src/payment-crypto/pin-block/encipherment.ts';
import { residue } from '../residue.ts';
import { accepted, bytes, hex, key, pan, pin, seededRandom } from '../support.ts';

const AES_TEXT = '88E1AB2A2E3DD38C1FA039A536500CC8';
const TDES_TEXT = '1D22BF32387C600AD97F9B97A51311AC';
const AES = key('AES', AES_TEXT);
const TDES = key('TDES', TDES_TEXT);

describe('a diagnosis', () => {
  const upTo =
    (count: number): Hypothesis<number> =>
    () =>
      Array.from({ length: count }, (_, at) => ({ fault: 'USAGE', says: `Number ${at + 1}.`, state: at + 1 }));
  const question = (fits: (state: number) => boolean, hypotheses: readonly Hypothesis<number>[]) =>
    diagnose({ state: 0, fits, hypotheses, chance: (state) => state / 1000 });

  test('tries as many states as it may, the given one among them, and no more', () => {
    expect(MOST_TRIALS).toBe(4096);
    let asked = 0;
    const at = (wanted: number) =>
      question(
        (state) => {
          asked += 1;
          return state === wanted;
        },
        [upTo(5000)],
      );
    expect(at(4095)).toMatchObject({ outcome: 'one', trials: 4096 });
    expect(asked).toBe(4096);
    expect(at(4096)).toEqual({ outcome: 'none', findings: [], trials: 4096 });
    expect(asked).toBe(8192);
  });

  test('orders what it finds by the chance of an accident among all trials', () => {
    const { outcome, findings, trials } = question(
      (state) => [7, 3, 5].includes(state),
      [() => [7, 3, 1, 5].map((state) => ({ fault: 'USAGE', says: `It is ${state}.`, state }))],
    );
    expect([outcome, trials]).toEqual(['several', 5]);
    expect(findings).toEqual([
      { faults: ['USAGE'], says: 'It is 3.', accidental: 0.015 },
      { faults: ['USAGE'], says: 'It is 5.', accidental: 0.025 },
      { faults: ['USAGE'], says: 'It is 7.', accidental: 0.035 },
    ]);
  });

  test('tries two faults where none fits alone, of different kinds, and says both', () => {
    const companion: Hypothesis<number> = (state) => [
      { fault: 'KCV_METHOD', says: 'And ten.', state: state + 10 },
      { fault: 'USAGE', says: 'And twenty.', state: state + 20 },
    ];
    const pairs = (wanted: number) =>
      diagnose({
        state: 0,
        fits: (state) => state === wanted,
        hypotheses: [upTo(2)],
        companions: [companion],
        chance: () => 0.5,
      });
    expect(pairs(12)).toEqual({
      outcome: 'one',
      findings: [{ faults: ['USAGE', 'KCV_METHOD'], says: 'Number 2. And ten.', accidental: 2.5 }],
      trials: 5,
    });
    expect(pairs(22)).toEqual({ outcome: 'none', findings: [], trials: 5 });
    expect(question((state) => state === 12, [upTo(2)])).toEqual({ outcome: 'none', findings: [], trials: 3 });
  });
});

describe('text may be', () => {
  const read = (text: string) => textReadings(text).map((reading) => [reading.encoding, hexOf(reading.bytes)]);

  test.each<[string, string, readonly (readonly [string, string])[]]>([
    [
      'hexadecimal',
      ' 0a \n\t fF',
      [
        ['hexadecimal', '0AFF'],
        ['base64', 'D1A7C5'],
      ],
    ],
    [
      'hexadecimal of hexadecimal',
      '30313046',
      [
        ['hexadecimal', '30313046'],
        ['hexadecimal of hexadecimal', '010F'],
        ['base64', 'DF4DF5DF4E3A'],
      ],
    ],
    ['base64 of any padding', 'Zm8=', [['base64', '666F']]],
    ['base64 of two', 'Zg==', [['base64', '66']]],
    ['neither: nothing', '', []],
    ['neither: white space', ' \n', []],
    ['neither: no whole group', 'Zm9vZ', []],
    ['neither: something in front', '*Zm9', []],
    ['neither: something behind', 'Zm9*', []],
  ])('%s', (_, text, readings) => {
    expect(read(text)).toEqual(readings);
  });

  test('looked at in its first 65 536 characters', () => {
    expect(read(`${' '.repeat(65_534)}00`)).toEqual([['hexadecimal', '00']]);
    expect(read(`${' '.repeat(65_534)}0011`)).toEqual([['hexadecimal', '00']]);
    expect(read(`${' '.repeat(65_536)}00`)).toEqual([]);
  });
});

describe('what a key block may have been', () => {
  const proposed = (hypothesis: typeof wrongVersion, text: string) =>
    hypothesis({ text, kbpk: AES }).map(({ says, state }) => [says, state.text]);

  test('before its text was changed', () => {
    const white = 'White space stands around or within the block.';
    const lower = 'The block is in lower case, and its MAC covers the characters.';
    expect(proposed(wrongBlockText, ' d0016\n \tab ')).toEqual([
      [white, 'd0016ab'],
      [lower, 'D0016AB'],
    ]);
    expect(proposed(wrongBlockText, 'D0016AB')).toEqual([]);
    const wrapped = Buffer.from('D0016K0').toString('hex');
    expect(proposed(wrongBlockText, wrapped)).toEqual([
      [lower, wrapped.toUpperCase()],
      ['The block is wrapped in hexadecimal.', 'D0016K0'],
    ]);
    for (const other of ['xD0016', 'D001x', 'F0016'])
      expect(proposed(wrongBlockText, Buffer.from(other).toString('hex').toUpperCase())).toEqual([]);
  });

  test('as long as a block may be, and no longer', () => {
    const longest = `D${'0'.repeat(9998)}`;
    expect(proposed(wrongBlockText, ` ${longest}`).map(([, text]) => text)).toEqual([longest]);
    expect(proposed(wrongBlockText, ` ${longest}0`)).toEqual([]);
    expect(proposed(wrongStatedLength, longest).map(([, text]) => text?.slice(0, 6))).toEqual(['D99990']);
    expect(proposed(wrongStatedLength, `${longest}0`)).toEqual([]);
  });

  test('of another version', () => {
    expect(proposed(wrongVersion, 'D0016')).toEqual(
      ['A', 'B', 'C', 'E'].map((letter) => [
        `The block was made as version ${letter}; its letter is D.`,
        `${letter}0016`,
      ]),
    );
    expect(proposed(wrongVersion, 'dB016')[0]).toEqual([
      'The block was made as version A; its letter is none.',
      'AB016',
    ]);
  });

  test('of another length', () => {
    expect(proposed(wrongStatedLength, 'D0018P0AE00E0000')).toEqual([
      ['The block has 16 characters and states another number; the MAC holds with the right one.', 'D0016P0AE00E0000'],
    ]);
    expect(proposed(wrongStatedLength, 'D0016P0AE00E0000')).toEqual([]);
  });

  test('with another value in one field of its header', () => {
    const text = 'D0016P0AE00E0000';
    const changes = proposed(changedHeader, text);
    const others = KEY_BLOCK_USAGES.length + [...KEY_BLOCK_ALGORITHMS].length + [...KEY_BLOCK_MODES].length - 3;
    expect(changes).toHaveLength(others + 99 + 2);
    expect(new Set(changes.map(([, changed]) => changed)).size).toBe(changes.length);
    expect(changes.every(([, changed]) => changed !== text && changed?.length === text.length)).toBe(true);
    expect(proposed(changedHeader, 'D0016P0AE00E0077')).toContainEqual([
      'The header was changed after the MAC was made: its reserved field was 00.',
      text,
    ]);
  });

  test('under another form of the KBPK', () => {
    for (const { says } of otherKbpk({ text: '', kbpk: AES })) expect(says).toContain(' KBPK');
  });

  const attributes = { usage: 'P0', algorithm: 'T', modeOfUse: 'E', keyVersion: '00', exportability: 'E' } as const;
  const block = (version: 'B' | 'D' | 'E') =>
    accepted(exportKeyBlock({ version, attributes, key: TDES }, version === 'B' ? TDES : AES, seededRandom('block')));
  // X9.143:2021 8.4.1
  const VERSION_C =
    'C0112B0TX12S0100KS1800604B120F929280000042B758A2400AB598AE37782823DAF0BA4BDB0DAFF34915345CA169AE1F976A429EB139E5';

  test.each([
    ['B', block('B'), TDES, 64],
    ['C', VERSION_C, key('TDES', 'B8ED59E0A279A295E9F5ED7944FD06B9'), 32],
    ['D', block('D'), AES, 128],
    ['E', block('E'), AES, 128],
  ] as const)('by an accident of the size of the MAC, version %s', (_, sound, kbpk, bits) => {
    const changed = `${sound.slice(0, 9)}77${sound.slice(11)}`;
    const { findings, trials } = diagnoseKeyBlock(changed, kbpk);
    expect(findings.map(({ faults, accidental }) => [faults, accidental])).toEqual([
      [['KEY_BLOCK_HEADER'], trials * 2 ** -bits],
    ]);
  });

  test('within the first 19 998 characters', () => {
    const sound = block('D');
    const behind = (spaces: number) => diagnoseKeyBlock(' '.repeat(spaces) + sound, AES).outcome;
    expect(behind(19_998 - sound.length)).toBe('one');
    expect(behind(19_998)).toBe('none');
  });

  test('and its key is wiped', () => {
    const kbpk = key('AES', AES_TEXT);
    const sound = block('D');
    expect(
      residue([kbpk], () => {
        expect(diagnoseKeyBlock(sound, kbpk).outcome).toBe('fits');
        return [];
      }),
    ).toEqual([]);
  });
});

describe('what a key is confused with', () => {
  const variants = (of: typeof AES) =>
    keyVariants(of, 'BDK').map(({ fault, says, key: variant }) => [fault, says, variant.algorithm, hex(variant)]);
  const K1 = '1D22BF32387C600A';
  const K2 = 'D97F9B97A51311AC';

  test('an AES key', () => {
    expect(variants(key('AES', '00010203040506070809FEFDFCFBFAF9'))).toEqual([
      ['KEY_HALVES', 'The halves of the BDK are swapped.', 'AES', '0809FEFDFCFBFAF90001020304050607'],
      ['KEY_BYTE_ORDER', 'The bytes of the BDK are in reverse order.', 'AES', 'F9FAFBFCFDFE09080706050403020100'],
      [
        'KEY_PARITY',
        'The other side has set DEA parity on the BDK, an AES key, and so changed it.',
        'AES',
        '01010202040407070808FEFDFDFBFBF8',
      ],
      ['KEY_ALGORITHM', 'The other side takes the BDK for a TDEA key.', 'TDES', '00010203040506070809FEFDFCFBFAF9'],
    ]);
  });

  test('a TDEA key of two and of three parts', () => {
    const [two, three] = [variants(TDES), variants(key('TDES', TDES_TEXT + K2))];
    expect(two.slice(2)).toEqual([
      ['KEY_LENGTH', 'The other side holds the BDK as a three-key TDEA key, K1 | K2 | K1.', 'TDES', K1 + K2 + K1],
      ['KEY_ALGORITHM', 'The other side takes the BDK for an AES key.', 'AES', K1 + K2],
    ]);
    expect(three.slice(2)).toEqual([
      ['KEY_LENGTH', 'The other side holds the BDK as a two-key TDEA key, K1 | K2.', 'TDES', K1 + K2],
      ['KEY_ALGORITHM', 'The other side takes the BDK for an AES key.', 'AES', K1 + K2 + K2],
    ]);
  });

  test('an HMAC key: with nothing of a cipher', () => {
    expect(variants(key('HMAC', AES_TEXT)).map(([fault]) => fault)).toEqual(['KEY_HALVES', 'KEY_BYTE_ORDER']);
  });
});

describe('a check value', () => {
  test('of more than eight bytes is compared with nothing', () => {
    const whole = AES.encipher(new Uint8Array(16));
    expect(kcvFits(AES, { value: whole.subarray(0, 8), method: 'legacy' })).toBe(true);
    expect(kcvFits(AES, { value: whole.subarray(0, 9), method: 'legacy' })).toBe(false);
    expect(kcvFits(AES, { value: whole.subarray(0, 1), method: 'legacy' })).toBe(false);
  });

  test('has one other method', () => {
    const legacy = 'The check value is the encryption of zeros, not CMAC.';
    const byCmac = 'The check value is CMAC over a block of zeros, not their encryption.';
    const value = bytes('0102');
    expect(otherMethod(AES, { value })).toEqual({
      fault: 'KCV_METHOD',
      says: legacy,
      seen: { value, method: 'legacy' },
    });
    expect(otherMethod(TDES, { value })).toMatchObject({ says: byCmac, seen: { method: 'cmac' } });
    expect(otherMethod(TDES, { value, method: 'cmac' })).toMatchObject({ says: legacy, seen: { method: 'legacy' } });
  });

  test('is explained with the name of the key and the chance of an accident', () => {
    const swapped = key('AES', AES_TEXT.slice(16) + AES_TEXT.slice(0, 16));
    const { findings, trials } = diagnoseKcv(AES, { value: keyCheckValue(swapped) });
    expect(findings).toEqual([
      { faults: ['KEY_HALVES'], says: 'The halves of the key are swapped.', accidental: trials * 2 ** -40 },
    ]);
  });

  test('leaves nothing of its whole block', () => {
    const left = residue(
      [AES],
      () => {
        kcvFits(AES, { value: bytes('0102'), method: 'legacy' });
        return [];
      },
      'keys',
    );
    expect(left).toEqual([]);
  });
});

describe('a derivation', () => {
  const aes: DukptDerivation = {
    scheme: 'AES',
    given: 'bdk',
    key: AES,
    ksn: bytes('1234567890123456A0020301'),
    level: 'working',
    usage: 'pinEncryption',
    type: 'AES128',
  };
  const tdes: DukptDerivation = {
    scheme: 'TDES',
    given: 'bdk',
    key: TDES,
    ksn: bytes('FFFF9876543210E55555'),
    level: 'working',
    usage: 'dataRequest',
  };
  const each = [aes, tdes].flatMap((derivation) =>
    (['bdk', 'initialKey'] as const).flatMap((given) =>
      (['given', 'initial', 'transaction', 'working'] as const).map(
        (level): DukptDerivation => ({
          ...derivation,
          given,
          level,
        }),
      ),
    ),
  );

  test.each(each)('of $scheme to the $level key leaves nothing but that, the $given being given', (derivation) => {
    expect(residue([derivation.key], () => [derivedKey(derivation) ?? AES], 'keys')).toEqual([]);
    const levels = (['given', 'initial', 'transaction', 'working'] as const).map((level) =>
      hex(derivedKey({ ...derivation, level }) ?? AES),
    );
    expect(new Set(levels).size).toBe(derivation.given === 'bdk' ? 4 : 3);
  });
});

describe('a PIN block', () => {
  const PAN = pan('5432109876543219');

  test.each([
    [0, '1234', 2 ** -64],
    [1, '1234', 2 ** -24],
    [1, '123456789012', 2 ** -56],
    [3, '1234', 2 ** -24 * (6 / 16) ** 10],
    [4, '1234', 2 ** -64],
  ] as const)('of format %d with the PIN %s is met by chance: %p', (format, digits, chance) => {
    expect(pinBlockChance({ block: '', format, pin: pin(digits) })).toBeCloseTo(chance, 30);
    expect(pinBlockChance({ block: '', format, pin: pin(digits) }) / chance).toBeCloseTo(1, 9);
  });

  test('with any PIN is met by the sum over its lengths', () => {
    const sum = [4, 5, 6, 7, 8, 9, 10, 11, 12].reduce((all, length) => all + (10 / 16) ** length, 0) / 256;
    expect(pinBlockChance({ block: '', format: 1 })).toBeCloseTo(sum, 12);
    const filled = [4, 5, 6, 7, 8, 9, 10, 11, 12].reduce(
      (all, length) => all + (10 / 16) ** length * (6 / 16) ** (14 - length),
      0,
    );
    expect(pinBlockChance({ block: '', format: 3 }) / (filled / 256)).toBeCloseTo(1, 9);
  });

  test('is text of every other encoding than the one believed in', () => {
    const others = (encoding?: 'base64' | 'hexadecimal') =>
      wrongTextEncoding({ block: '30313046', format: 0, ...(encoding && { encoding }) }).map(({ says }) => says);
    const twice = 'The text of the block is hexadecimal of hexadecimal.';
    expect(others()).toEqual([twice, 'The text of the block is base64.']);
    expect(others('hexadecimal')).toEqual(others());
    expect(others('base64')).toEqual(['The text of the block is hexadecimal.', twice]);
  });

  test('of another format under a key with its halves swapped is explained by both', () => {
    const block = hexOf(accepted(encipherPin({ format: 3, key: TDES, pan: PAN }, pin('92389'), seededRandom('b'))));
    const swapped = key('TDES', TDES_TEXT.slice(16) + TDES_TEXT.slice(0, 16));
    const { outcome, findings } = diagnosePinBlock(swapped, { block, format: 0, pan: PAN, pin: pin('92389') });
    expect(outcome).toBe('one');
    expect(findings[0]).toMatchObject({
      faults: ['KEY_HALVES', 'PIN_BLOCK_FORMAT'],
      says: 'The halves of the PIN key are swapped. The block is of format 3.',
    });
  });
});
