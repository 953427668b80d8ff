import { describe, expect, test } from '@jest/globals';
import { cmac } from '../../src/payment-crypto/cmac.ts';
import { hexOf } from '../../src/payment-crypto/hex.ts';
import {
  attributeDeviations,
  attributesWellFormed,
  KEY_BLOCK_USAGES,
} from '../../src/payment-crypto/key-block/attributes.ts';
import { exportKeyBlock } from '../../src/payment-crypto/key-block/export.ts';
import { formatKeyBlockHeader, parseKeyBlockHeader } from '../../src/payment-crypto/key-block/header.ts';
import { importKeyBlock, type KeyBlockDeviation } from '../../src/payment-crypto/key-block/import.ts';
import { formatOptionalBlock } from '../../src/payment-crypto/key-block/optional-block.ts';
import { readOptionalContent, writeOptionalContent } from '../../src/payment-crypto/key-block/optional-content.ts';
import { protectPayload } from '../../src/payment-crypto/key-block/protection.ts';
import { formatUtc, parseUtc } from '../../src/payment-crypto/key-block/utc.ts';
import { SecretBytes } from '../../src/payment-crypto/secret.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { accepted, bytes, hex, key, reasonOf, seededRandom } from './support.ts';

const KBPK = SecretKey.generate('AES', 256, seededRandom('kbpk'));
const STRICT = { tolerate: new Set<KeyBlockDeviation>() };

/** X9.143:2021 tables 2 to 5: usages, their algorithms and their modes of use. */
const TABLE: readonly (readonly [usages: string, algorithms: string, modes: string])[] = [
  ['B0 B1 E0 E1 E2 E3 E4', 'ADT', 'NX'],
  ['B2', 'ADT', 'NXY'],
  ['B3', 'AHT', 'NX'],
  ['D0 D2 D3 K0 K1 K4 P0', 'ADT', 'BDEN'],
  ['C0 M1 M2 M3 M4 M5 M6 M8 V0 V1 V2 V3 V4 V5', 'ADT', 'CGNV'],
  ['M0', 'T', 'CGNV'],
  ['M7', 'H', 'CGNV'],
  ['D1 E7', 'ER', 'BDEN'],
  ['E5 E6', 'ADT', 'BCDEGNVX'],
  ['I0', 'ADT', 'N'],
  ['K2', 'R', 'BDEN'],
  ['K3', 'ER', 'BDENX'],
  ['P1', 'AT', 'BCDEGNVX'],
  ['S0 S1', 'ERS', 'NSTV'],
  ['S2', 'ERS', 'BDENSTVX'],
];

describe('attributes', () => {
  test.each(TABLE)('of usage %s: algorithms %s, modes %s, and no other', (usages, algorithms, modes) => {
    for (const usage of usages.split(' ')) {
      const deviations = (algorithm: string, modeOfUse: string) =>
        attributeDeviations({ usage, algorithm, modeOfUse, keyVersion: '00', exportability: 'E' });
      const sound = [algorithms.charAt(0), modes.charAt(0)] as const;
      const allowedAlgorithms = [...'ADEHRST'].filter((letter) => deviations(letter, sound[1]).length === 0);
      const allowedModes = [...'BCDEGNSTVXY'].filter((letter) => deviations(sound[0], letter).length === 0);
      expect([usage, allowedAlgorithms.join(''), allowedModes.join('')]).toEqual([usage, algorithms, modes]);
    }
  });

  test('are of the usages of the table', () => {
    expect([...KEY_BLOCK_USAGES].sort()).toEqual(TABLE.flatMap(([usages]) => usages.split(' ')).sort());
  });

  const SOUND = { usage: 'B1', algorithm: 'A', modeOfUse: 'X', keyVersion: 'c1', exportability: 'E' };

  test.each([
    ['usage', ['B', 'B1X', ' B1', 'b1', 'B-', '']],
    ['algorithm', ['', 'AA', ' A', 'a', '-']],
    ['modeOfUse', ['', 'XX', 'X ', ' X', 'x']],
    ['keyVersion', ['', '0', '000', ' 00', '0-']],
    ['exportability', ['', 'EE', ' E', 'E ', 'e']],
  ] as const)('have a length and characters: %s', (name, wrong) => {
    expect(attributesWellFormed(SOUND)).toBe(true);
    for (const text of wrong) expect([text, attributesWellFormed({ ...SOUND, [name]: text })]).toEqual([text, false]);
  });
});

describe('a header', () => {
  const ATTRIBUTES = { usage: 'P0', algorithm: 'A', modeOfUse: 'E', keyVersion: '00', exportability: 'E' };

  test('is read from up to 9 999 characters', () => {
    const text = 'D9999P0AE00E0000'.padEnd(9999, '0');
    expect(reasonOf(parseKeyBlockHeader(text))).toBe('accepted');
    expect(reasonOf(parseKeyBlockHeader(`${text}0`))).toBe('KEY_BLOCK_LENGTH');
  });

  test.each(['LB A123456', 'LBA 123456', 'LB0004 00F12345', 'LB000400F 12345', 'LB00 400F12345', 'LB0'])(
    'with the optional block %j is refused',
    (block) => {
      expect(reasonOf(parseKeyBlockHeader(`D0144P0AE00E0100${block}`))).toBe('OPTIONAL_BLOCK_LENGTH');
    },
  );

  test.each([
    ['B', 4, 'LB08'],
    ['D', 12, 'LB10'],
    ['E', 12, 'LB10'],
  ] as const)('of version %s takes no padding block where it needs none', (version, length, start) => {
    const padding = (count: number) => 'x'.repeat(count);
    const written = (size: number) =>
      accepted(formatKeyBlockHeader(version, ATTRIBUTES, [{ id: 'LB', content: 'y'.repeat(size) }], 48, padding));
    expect(written(length).slice(12)).toBe(`0100${start}${'y'.repeat(length)}`);
    expect(written(length - 1).slice(12, 16)).toBe('0200');
    expect(written(length - 4).slice(-4)).toBe('PB04');
  });

  test('counts 99 blocks at most, the padding block among them', () => {
    const blocks = (count: number, content: string) =>
      Array.from({ length: count }, (_, at) => ({ id: String(at).padStart(2, '0'), content }));
    const written = (count: number, content: string) =>
      reasonOf(formatKeyBlockHeader('B', ATTRIBUTES, blocks(count, content), 48, (n) => 'x'.repeat(n)));
    expect(written(99, 'abcd')).toBe('accepted');
    expect(written(99, 'abc')).toBe('OPTIONAL_BLOCK_COUNT');
    expect(written(98, 'abc')).toBe('accepted');
    expect(written(100, 'abcd')).toBe('OPTIONAL_BLOCK_COUNT');
  });

  test.each([
    [251, 'FF'],
    [252, '00040106'],
    [260, '0004010E'],
  ])('states the length of a block of %d characters as %s', (length, stated) => {
    const content = 'x'.repeat(length);
    expect(formatOptionalBlock({ id: 'LB', content })).toBe(`LB${stated}${content}`);
  });
});

describe('optional blocks', () => {
  test.each([
    ['DA', 'x01P0TEN'],
    ['DA', '01P0TENx'],
    ['BI', '99001234567890'],
    ['BI', '000123456789F'],
    ['BI', 'F000123456789'],
    ['BI', '0112345678F'],
    ['BI', 'F0112345678'],
    ['IK', '12345678901234567'],
    ['IK', 'x1234567890123456'],
    ['KC', '0108'],
    ['KC', '01087'],
    ['KS', '00604B120F92928000001'],
    ['KS', 'x00604B120F9292800000'],
    ['WP', '00'],
    ['WP', '0001'],
    ['AL', ''],
  ])('%s with %j cannot be read', (id, content) => {
    expect(reasonOf(readOptionalContent({ id, content }))).toBe('OPTIONAL_BLOCK_CONTENT');
  });

  test('state every pedigree, both ways', () => {
    for (const pedigree of [0, 1, 2, 3] as const) {
      const content = `00${pedigree}`;
      expect(accepted(readOptionalContent({ id: 'WP', content }))).toEqual({ id: 'WP', pedigree });
      expect(accepted(writeOptionalContent({ id: 'WP', pedigree })).content).toBe(content);
    }
  });

  test('allow 49 derivations', () => {
    const read = (count: number) => reasonOf(readOptionalContent({ id: 'DA', content: `01${'P0TEN'.repeat(count)}` }));
    expect([read(1), read(49), read(50)]).toEqual(['accepted', 'accepted', 'OPTIONAL_BLOCK_CONTENT']);
  });

  test.each([
    '20200818221218Zx',
    'x20200818221218Z',
    '2020-08-18T22:12:18Zx',
    'x2020-08-18T22:12:18Z',
    '20200018221218Z',
    '20201318221218Z',
    '20200800221218Z',
    '20200832221218Z',
    '20200818246018Z',
    '20200818226018Z',
    '20200818221260Z',
    '20210229000000Z',
    '00500818221218Z',
  ])('the time %s is none', (text) => {
    expect(parseUtc(text)).toBeUndefined();
  });

  test('no time beyond those of a clock is written', () => {
    expect([formatUtc(8.64e15 + 1), formatUtc(-8.64e15 - 1), formatUtc(0)]).toEqual(['', '', '19700101000000Z']);
  });
});

/** A block that is genuine whatever it says: header without its length, and clear payload. */
function genuine(head: string, clear: string, kbpk = KBPK, tail = ''): string {
  const version = head.charAt(0) as 'B' | 'D' | 'E';
  const mac = version === 'B' ? 8 : 16;
  const total = head.length + 4 + tail.length + clear.length + 2 * mac;
  const header = `${version}${String(total).padStart(4, '0')}${head.slice(1)}${tail}`;
  const sealed = protectPayload(version, kbpk, header, new SecretBytes(bytes(clear)));
  return header + hexOf(sealed.ciphertext) + hexOf(sealed.mac);
}

describe('an importer', () => {
  test.each([
    ['D', 0, 'KEY_BLOCK_LENGTH'],
    ['D', 30, 'KEY_BLOCK_LENGTH'],
    ['D', 32, 'KEY_BLOCK_MAC'],
    ['D', 34, 'KEY_BLOCK_LENGTH'],
    ['E', 0, 'KEY_BLOCK_LENGTH'],
    ['E', 4, 'KEY_BLOCK_LENGTH'],
    ['E', 5, 'KEY_BLOCK_LENGTH'],
    ['E', 6, 'KEY_BLOCK_MAC'],
    ['E', 7, 'KEY_BLOCK_LENGTH'],
    ['E', 8, 'KEY_BLOCK_MAC'],
    ['E', 34, 'KEY_BLOCK_MAC'],
  ] as const)('version %s with %d characters of payload: %s', (version, characters, reason) => {
    const total = 16 + characters + 32;
    const text = `${version}${String(total).padStart(4, '0')}P0AE00E0000`.padEnd(total, '0');
    expect(reasonOf(importKeyBlock(text, KBPK))).toBe(reason);
  });

  test('refuses a block that ends within its MAC', () => {
    for (const behind of [0, 2, 30, 31]) {
      const text = `D${String(16 + behind).padStart(4, '0')}P0AE00E0000`.padEnd(16 + behind, '0');
      expect(reasonOf(importKeyBlock(text, KBPK))).toBe('KEY_BLOCK_LENGTH');
    }
  });

  const imported = (block: string, kbpk = KBPK) => accepted(importKeyBlock(block, kbpk));
  const K = '0123456789ABCDEFFEDCBA9876543210';

  test.each([
    [
      'an AES key in a payload for itself alone',
      'DB1AX00E0000',
      `0080${K}${'00'.repeat(14)}`,
      ['NO_LENGTH_OBFUSCATION'],
    ],
    ['an AES key in one that hides its length', 'DB1AX00E0000', `0080${K}${'00'.repeat(30)}`, []],
    [
      'an AES key in one that lacks a byte of it',
      'EB1AX00E0000',
      `0080${K}${'00'.repeat(15)}`,
      ['NO_LENGTH_OBFUSCATION'],
    ],
    ['an AES key in one that just hides its length', 'EB1AX00E0000', `0080${K}${'00'.repeat(16)}`, []],
    ['a TDEA key in one that hides its length', 'EP0TE00E0000', `0080${K}${'00'.repeat(8)}`, []],
    [
      'a TDEA key in one that lacks a byte of it',
      'EP0TE00E0000',
      `0080${K}${'00'.repeat(7)}`,
      ['NO_LENGTH_OBFUSCATION'],
    ],
    ['a single DEA key', 'EP0TE00E0000', `0040${K.slice(0, 16)}${'00'.repeat(16)}`, ['SINGLE_LENGTH_DEA']],
    ['eight bytes of another kind', 'ES0RS00E0000', `0040${K.slice(0, 16)}`, []],
  ])('says what it tolerates: %s', (_, head, clear, deviations) => {
    const block = genuine(head, clear);
    const { key: wrapped, tolerated } = imported(block);
    expect(tolerated).toEqual(deviations);
    expect(hex(wrapped)).toBe(clear.slice(4, 4 + Number.parseInt(clear.slice(0, 4), 16) / 4));
    expect(wrapped instanceof SecretKey).toBe(!clear.startsWith('0040'));
    expect(reasonOf(importKeyBlock(block, KBPK, STRICT))).toBe(
      deviations.length === 0 ? 'accepted' : 'DEVIATION_NOT_ACCEPTED',
    );
  });

  test('takes no AES key of 8 bytes', () => {
    expect(reasonOf(importKeyBlock(genuine('EB1AX00E0000', `0040${'11'.repeat(40)}`), KBPK))).toBe('KEY_LENGTH');
  });

  test('gives an HMAC key for what it is', () => {
    const { key: wrapped } = imported(genuine('EM7HC00E0000', `0100${K}${K}`));
    expect(wrapped).toMatchObject({ algorithm: 'HMAC', bits: 256 });
  });

  test('tells of a KBPK that is weaker than the key, at equal strength not', () => {
    const weak = key('AES', K);
    const block = genuine('DB1AX00E0000', `0100${K}${K}${'00'.repeat(14)}`, weak);
    expect(imported(block, weak).tolerated).toEqual(['KBPK_WEAKER_THAN_KEY']);
    expect(importKeyBlock(block, weak, STRICT)).toMatchObject({ detail: 'KBPK_WEAKER_THAN_KEY' });
    const equal = genuine('DB1AX00E0000', `0080${K}${'00'.repeat(30)}`, weak);
    expect(imported(equal, weak).tolerated).toEqual([]);
  });

  test('tells unknown optional blocks from unreadable ones', () => {
    const clear = `0080${K}${'00'.repeat(30)}`;
    expect(imported(genuine('DB1AX00E0100', clear, KBPK, '24100123456789AB')).tolerated).toEqual([
      'UNKNOWN_OPTIONAL_BLOCK',
    ]);
    expect(imported(genuine('DB1AX00E0100', clear, KBPK, 'KS100123456789AB')).tolerated).toEqual([
      'UNREADABLE_OPTIONAL_BLOCK',
    ]);
  });

  test('refuses what it does not tolerate before the MAC is looked at', () => {
    const block = genuine('D99AX00E0000', `0080${K}${'00'.repeat(30)}`);
    const changed = `${block.slice(0, -2)}${block.endsWith('00') ? '11' : '00'}`;
    expect(importKeyBlock(changed, KBPK, STRICT)).toMatchObject({ detail: 'UNKNOWN_KEY_USAGE' });
    expect(reasonOf(importKeyBlock(changed, KBPK))).toBe('KEY_BLOCK_MAC');
  });

  test.each([
    ['an HMAC key', 'EM7HC00E0100', `0100${K}${K}`],
    ['an RSA key', 'ES0RS00E0100', `0100${K}${K}`],
  ])('compares no check value of %s', (_, head, clear) => {
    const block = genuine(head, clear, KBPK, 'KC100108793E25AB');
    expect(importKeyBlock(block, KBPK, { tolerate: new Set(['HEADER_NOT_ALIGNED'] as const) })).toMatchObject({
      ok: true,
      value: { tolerated: [] },
    });
    const wrong = genuine(head, clear, KBPK, 'KP100108793E25AB');
    expect(reasonOf(importKeyBlock(wrong, KBPK))).toBe('KEY_CHECK_VALUE');
  });

  test('calls version A obsolete', () => {
    const block = 'A0072P0TE00E0000'.padEnd(72, '0');
    expect(importKeyBlock(block, key('TDES', K), STRICT)).toMatchObject({ detail: 'OBSOLETE_VERSION' });
  });
});

describe('an exporter', () => {
  const attributes = { usage: 'K0', algorithm: 'A', modeOfUse: 'B', keyVersion: '00', exportability: 'N' };
  const made = (version: 'D' | 'E', seed: string, bits = 128) =>
    accepted(
      exportKeyBlock(
        { version, attributes, key: SecretKey.generate('AES', bits, seededRandom('key')) },
        KBPK,
        seededRandom(seed),
      ),
    );

  test.each([
    ['D', 16 + 2 * (48 + 16)],
    ['E', 16 + 2 * (34 + 16)],
  ] as const)('fills whole blocks in version D alone: %s', (version, characters) => {
    for (const bits of [128, 192, 256]) expect(made(version, 'a', bits)).toHaveLength(characters);
  });

  test('fills with what is random', () => {
    expect(made('E', 'a').slice(0, 16)).toBe(made('E', 'b').slice(0, 16));
    expect(made('E', 'a')).not.toBe(made('E', 'b'));
    expect(made('E', 'a')).toBe(made('E', 'a'));
  });
});

/** Key derivation of TR-31:2018 5.3.2.1 and ISO 20038:2017 6.3, written out: CMAC of counter, usage, algorithm and size. */
function derived(kbpk: SecretKey, usage: '0000' | '0001' | '0002', algorithm: string): SecretKey {
  const bits = kbpk.bits.toString(16).padStart(4, '0');
  const blocks = [1, 2, 3, 4].map((counter) => cmac(kbpk, bytes(`0${counter}${usage}00${algorithm}${bits}`)));
  return accepted(SecretKey.parse(kbpk.algorithm, Buffer.concat(blocks).subarray(0, kbpk.length)));
}

test.each([
  ['B', 'TDES', 128, '0000'],
  ['B', 'TDES', 192, '0001'],
  ['D', 'AES', 128, '0002'],
  ['D', 'AES', 192, '0003'],
  ['D', 'AES', 256, '0004'],
  ['E', 'AES', 128, '0002'],
  ['E', 'AES', 192, '0003'],
  ['E', 'AES', 256, '0004'],
] as const)('version %s is protected by keys of a KBPK of %s, %d bits', (version, kind, bits, algorithm) => {
  const kbpk = SecretKey.generate(kind, bits, seededRandom('derived'));
  const header = `${version}0112P0TE00E0000`;
  const payload = bytes(`0080${'3F419E1CB7079442AA37474C2EFBF8B8'}${'5A'.repeat(30)}`);
  const sealed = protectPayload(version, kbpk, header, new SecretBytes(payload));
  expect(hexOf(sealed.mac)).toBe(hexOf(cmac(derived(kbpk, '0001', algorithm), Buffer.from(header), payload)));
  const encryption = derived(kbpk, version === 'E' ? '0002' : '0000', algorithm);
  const clear = encryption.decipherIn(version === 'E' ? 'ctr' : 'cbc', sealed.mac).update(sealed.ciphertext);
  expect(hexOf(clear)).toBe(hexOf(payload));
});
