import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hexOf } from '../../src/payment-crypto/hex.ts';
import { keyCheckValue } from '../../src/payment-crypto/kcv.ts';
import type { KeyBlockAttributes } from '../../src/payment-crypto/key-block/attributes.ts';
import { exportKeyBlock, type KeyBlockContent } from '../../src/payment-crypto/key-block/export.ts';
import { importKeyBlock, type KeyBlockDeviation } from '../../src/payment-crypto/key-block/import.ts';
import { openPayload, protectPayload } from '../../src/payment-crypto/key-block/protection.ts';
import { SecretBytes } from '../../src/payment-crypto/secret.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { accepted, bytes, hex, ikid, key, reasonOf, seededRandom } from './support.ts';

const INITIAL_KEY: KeyBlockAttributes = {
  usage: 'B1',
  algorithm: 'A',
  modeOfUse: 'X',
  keyVersion: '00',
  exportability: 'E',
};
const PIN_KEY_TDES: KeyBlockAttributes = {
  usage: 'P0',
  algorithm: 'T',
  modeOfUse: 'E',
  keyVersion: '00',
  exportability: 'N',
};
const KBPK = SecretKey.generate('AES', 256, seededRandom('kbpk'));
const KBPK_TDES = SecretKey.generate('TDES', 192, seededRandom('kbpk'));
const STRICT = { tolerate: new Set<KeyBlockDeviation>() };

function exported(content: Partial<KeyBlockContent> = {}, kbpk = KBPK): string {
  return accepted(
    exportKeyBlock(
      { version: 'D', attributes: INITIAL_KEY, key: SecretKey.generate('AES', 128, seededRandom('key')), ...content },
      kbpk,
      seededRandom('padding'),
    ),
  );
}

// Examples printed in X9.143:2021, TR-31:2018 and ISO 20038:2017.
const PRINTED = [
  {
    name: 'X9.143:2021 8.1, version D',
    kbpk: '88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6',
    block:
      'D0144P0AE00E00002C77FA3F4A553BED6E88AE5C172A4166E3D4ACA8E2AC71C158A476FAC12C13C3829DE55D3AB54C48F4C4FEF7AC75E90FC47F1B77E7B19A73ED46E64410082557',
    key: '3F419E1CB7079442AA37474C2EFBF8B8',
    tolerated: [],
  },
  {
    name: 'TR-31:2018 A.7.2.2, version B',
    kbpk: 'DD7515F2BFC17F85CE48F3CA25CB21F6',
    block: 'B0080P0TE00E000094B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E',
    key: '3F419E1CB7079442AA37474C2EFBF8B8',
    tolerated: ['NO_LENGTH_OBFUSCATION'],
  },
  {
    name: 'X9.143:2021 8.4.1, version C',
    kbpk: 'B8ED59E0A279A295E9F5ED7944FD06B9',
    block:
      'C0112B0TX12S0100KS1800604B120F929280000042B758A2400AB598AE37782823DAF0BA4BDB0DAFF34915345CA169AE1F976A429EB139E5',
    key: 'EDB380DD340BC2620247D445F5B8D678',
    tolerated: ['OBSOLETE_VERSION'],
  },
  {
    name: 'ISO 20038:2017 B.2, version E',
    kbpk: '3235362D62697420414553207772617070696E67202849534F20323030333829',
    block: 'E0084B0TV16N0000B2AE5E26BBA7F246E84D5EA24167E208A6B66EF2E27E55A52DB52F0AEACB94C57547',
    key: '777261707065642033444553206B6579',
    tolerated: ['MODE_NOT_OF_USAGE', 'NO_LENGTH_OBFUSCATION'],
  },
] as const;

describe('import', () => {
  test.each(PRINTED)('opens $name', ({ kbpk, block, key: expected, tolerated }) => {
    const imported = accepted(importKeyBlock(block, key(/^[DE]/.test(block) ? 'AES' : 'TDES', kbpk)));
    expect(hex(imported.key)).toBe(expected);
    expect(imported.tolerated).toEqual(tolerated);
    expect(imported.key).toBeInstanceOf(SecretKey);
  });

  test('refuses the example of X9.143:2021 8.3.2.1, whose stated length is not its own', () => {
    const block = 'A0072P0TE00E0000A8974C06DBFD58D197101A28DEC1A6C7C23F00A3B18EC6D538DE4A5B5F49A542D61A8A8B';
    expect(reasonOf(importKeyBlock(block, key('TDES', '89E88CF7931444F334BD7547FC3F380C')))).toBe('KEY_BLOCK_LENGTH');
  });

  test.each(['B', 'D', 'E'] as const)('refuses a version %s block of which one bit was changed', (version) => {
    const kbpk = version === 'B' ? KBPK_TDES : KBPK;
    const attributes = version === 'B' ? PIN_KEY_TDES : INITIAL_KEY;
    const content: Partial<KeyBlockContent> = { version, attributes };
    const block = exported(
      version === 'B' ? { ...content, key: SecretKey.generate('TDES', 128, seededRandom('key')) } : content,
      kbpk,
    );
    expect(reasonOf(importKeyBlock(block, kbpk))).toBe('accepted');
    for (let at = 0; at < block.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const changed = String.fromCharCode(block.charCodeAt(at) ^ (1 << bit));
        const result = importKeyBlock(block.slice(0, at) + changed + block.slice(at + 1), kbpk);
        if (result.ok) throw new Error(`accepted with bit ${bit} of character ${at} changed`);
      }
    }
  });

  test('refuses another KBPK, and a KBPK of the wrong algorithm', () => {
    const block = exported();
    expect(reasonOf(importKeyBlock(block, SecretKey.generate('AES', 256, seededRandom('other'))))).toBe(
      'KEY_BLOCK_MAC',
    );
    expect(reasonOf(importKeyBlock(block, KBPK_TDES))).toBe('KBPK_ALGORITHM');
  });

  test('a policy decides which deviations are tolerated', () => {
    const printed = PRINTED[1];
    const kbpk = key('TDES', printed.kbpk);
    const refused = importKeyBlock(printed.block, kbpk, STRICT);
    expect(refused).toMatchObject({ ok: false, reason: 'DEVIATION_NOT_ACCEPTED', detail: 'NO_LENGTH_OBFUSCATION' });
    const tolerate = new Set<KeyBlockDeviation>(['NO_LENGTH_OBFUSCATION']);
    expect(importKeyBlock(printed.block, kbpk, { tolerate }).ok).toBe(true);
  });

  test('reports unknown, unreadable and misplaced things of a genuine header', () => {
    const payload = new SecretBytes(Buffer.concat([Buffer.from([0, 128]), Buffer.alloc(16, 7), Buffer.alloc(14)]));
    const optional = '2409hello' + 'KS04' + 'IK141234567890ABCDE0';
    const total = 16 + optional.length + 2 * (32 + 16);
    const text = `D0${total}99Z900E0301${optional}`;
    const { ciphertext, mac } = protectPayload('D', KBPK, text, payload);
    const imported = accepted(importKeyBlock(text + hexOf(ciphertext) + hexOf(mac), KBPK));
    expect(new Set(imported.tolerated)).toEqual(
      new Set([
        'UNKNOWN_KEY_USAGE',
        'UNKNOWN_ALGORITHM',
        'UNKNOWN_MODE_OF_USE',
        'RESERVED_FIELD_SET',
        'HEADER_NOT_ALIGNED',
        'UNKNOWN_OPTIONAL_BLOCK',
        'UNREADABLE_OPTIONAL_BLOCK',
      ]),
    );
    expect(imported.optional.map(({ id }) => id)).toEqual(['IK']);
    expect(imported.key).not.toBeInstanceOf(SecretKey);
  });

  test.each([
    ['a length of no whole bytes', Buffer.from([0, 127])],
    ['a length of zero', Buffer.from([0, 0])],
    ['a length beyond the payload', Buffer.from([0xff, 0xf8])],
  ])('refuses a genuine payload with %s', (_name, length) => {
    const header = 'D0112B1AX00E0000';
    const payload = new SecretBytes(Buffer.concat([length, Buffer.alloc(30, 1)]));
    const { ciphertext, mac } = protectPayload('D', KBPK, header, payload);
    const block = header + hexOf(ciphertext) + hexOf(mac);
    expect(reasonOf(importKeyBlock(block, KBPK))).toBe('KEY_BLOCK_PAYLOAD');
  });

  test('refuses a genuine payload whose key the algorithm has no length for', () => {
    const header = 'D0112B1AX00E0000';
    const payload = new SecretBytes(Buffer.concat([Buffer.from([0, 160]), Buffer.alloc(30, 1)]));
    const { ciphertext, mac } = protectPayload('D', KBPK, header, payload);
    expect(reasonOf(importKeyBlock(header + hexOf(ciphertext) + hexOf(mac), KBPK))).toBe('KEY_LENGTH');
  });

  test('compares the check values that a block carries', () => {
    const wrapped = SecretKey.generate('AES', 128, seededRandom('wrapped'));
    const kcvOf = (secret: SecretKey) => hexOf(keyCheckValue(secret));
    const right = exported({
      key: wrapped,
      optional: [
        { id: 'KC', method: 'cmac', value: kcvOf(wrapped) },
        { id: 'KP', method: 'cmac', value: kcvOf(KBPK) },
      ],
    });
    expect(importKeyBlock(right, KBPK, STRICT).ok).toBe(true);
    for (const id of ['KC', 'KP'] as const) {
      const wrong = exported({ key: wrapped, optional: [{ id, method: 'cmac', value: '0011223344' }] });
      expect(reasonOf(importKeyBlock(wrong, KBPK))).toBe('KEY_CHECK_VALUE');
    }
  });

  test('lower-case hexadecimal is another text and is refused', () => {
    const block = exported();
    const lower = block.slice(0, 16) + block.slice(16).toLowerCase();
    expect(reasonOf(importKeyBlock(lower, KBPK))).toBe('KEY_BLOCK_CHARACTER');
  });

  test('never throws, whatever the text', () => {
    const genuine = exported({ optional: [{ id: 'LB', text: 'a label' }] });
    const texts = fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.string({ unit: 'binary', maxLength: 100 }),
      fc.tuple(fc.constantFrom('A', 'B', 'C', 'D', 'E'), fc.string({ maxLength: 200 })).map(([v, rest]) => v + rest),
      fc.tuple(fc.nat(genuine.length), fc.string({ maxLength: 4 })).map(([at, put]) => {
        return genuine.slice(0, at) + put + genuine.slice(at + put.length);
      }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const result = importKeyBlock(text, KBPK);
        return !result.ok || text === genuine;
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  test('refuses a text over the longest block before it reads it', () => {
    expect(reasonOf(importKeyBlock(`D${'9'.repeat(10_000)}`, KBPK))).toBe('KEY_BLOCK_LENGTH');
  });
});

describe('export', () => {
  test('an initial key carries its IKID, hides its length and comes back', () => {
    for (const bits of [128, 192, 256]) {
      const wrapped = SecretKey.generate('AES', bits, seededRandom('wrapped'));
      const id = ikid('1234567890123456');
      const block = exported({ key: wrapped, optional: [{ id: 'IK', initialKeyId: id }] });
      expect(block.length).toBe(16 + 32 + 96 + 32);
      const imported = accepted(importKeyBlock(block, KBPK, STRICT));
      expect(imported.key.equals(wrapped)).toBe(true);
      const [content] = imported.optional;
      expect(content?.id === 'IK' && content.initialKeyId.equals(id)).toBe(true);
    }
  });

  test('any key of any algorithm comes back, with any label', () => {
    const keys = fc.constantFrom(
      ['B0', 'A', 'X', 'AES', 128],
      ['K1', 'A', 'B', 'AES', 256],
      ['M7', 'H', 'C', 'HMAC', 256],
      ['P0', 'T', 'B', 'TDES', 128],
      ['D0', 'T', 'E', 'TDES', 192],
    ) as fc.Arbitrary<readonly [string, string, string, 'AES' | 'TDES' | 'HMAC', number]>;
    const label = fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((c) => String.fromCharCode(c)),
      maxLength: 400,
    });
    fc.assert(
      fc.property(keys, label, fc.constantFrom('D', 'E'), fc.nat(), (form, text, version, seed) => {
        const [usage, algorithm, modeOfUse, kind, bits] = form;
        const wrapped = SecretKey.generate(kind, bits, seededRandom(`key${seed}`));
        const attributes = { usage, algorithm, modeOfUse, keyVersion: '12', exportability: 'S' };
        const block = exported({ version, attributes, key: wrapped, optional: [{ id: 'LB', text }] });
        const imported = importKeyBlock(block, KBPK, STRICT);
        return (
          imported.ok &&
          imported.value.key.equals(wrapped) &&
          imported.value.header.characters % 16 === 0 &&
          imported.value.header.optionalBlocks[0]?.content === text
        );
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test('an RSA private key travels as its DER', () => {
    const der = new SecretBytes(seededRandom('rsa').bytes(1192));
    const attributes = { usage: 'S0', algorithm: 'R', modeOfUse: 'S', keyVersion: '00', exportability: 'N' };
    const imported = accepted(importKeyBlock(exported({ attributes, key: der }), KBPK, STRICT));
    expect(imported.key.equals(der)).toBe(true);
  });

  test('version B wraps TDEA under TDEA', () => {
    const wrapped = SecretKey.generate('TDES', 128, seededRandom('wrapped'));
    const block = exported({ version: 'B', attributes: PIN_KEY_TDES, key: wrapped }, KBPK_TDES);
    expect(accepted(importKeyBlock(block, KBPK_TDES, STRICT)).key.equals(wrapped)).toBe(true);
  });

  test.each<[string, Partial<KeyBlockContent>, SecretKey | undefined, string]>([
    ['an unknown usage', { attributes: { ...INITIAL_KEY, usage: '99' } }, undefined, 'KEY_BLOCK_ATTRIBUTE'],
    ['a usage that is none', { attributes: { ...INITIAL_KEY, usage: 'B1 ' } }, undefined, 'KEY_BLOCK_ATTRIBUTE'],
    ['a mode of another usage', { attributes: { ...INITIAL_KEY, modeOfUse: 'E' } }, undefined, 'KEY_BLOCK_ATTRIBUTE'],
    [
      'an unknown exportability',
      { attributes: { ...INITIAL_KEY, exportability: 'X' } },
      undefined,
      'KEY_BLOCK_ATTRIBUTE',
    ],
    [
      'an algorithm that is not the key’s',
      { attributes: { ...INITIAL_KEY, algorithm: 'T' } },
      undefined,
      'KEY_BLOCK_ATTRIBUTE',
    ],
    [
      'a prototype’s member as usage',
      { attributes: { ...INITIAL_KEY, usage: 'to' } },
      undefined,
      'KEY_BLOCK_ATTRIBUTE',
    ],
    ['a KBPK of the other cipher', {}, KBPK_TDES, 'KBPK_ALGORITHM'],
    [
      'a KBPK that is weaker',
      { key: SecretKey.generate('AES', 256, seededRandom('key')) },
      SecretKey.generate('AES', 128, seededRandom('weak')),
      'KBPK_WEAKER_THAN_KEY',
    ],
    [
      'two blocks of one ID',
      {
        optional: [
          { id: 'LB', text: 'a' },
          { id: 'LB', text: 'b' },
        ],
      },
      undefined,
      'OPTIONAL_BLOCK_DUPLICATE',
    ],
    ['a label that is not printable', { optional: [{ id: 'LB', text: 'a\n' }] }, undefined, 'OPTIONAL_BLOCK_CONTENT'],
    [
      'a block longer than its length field',
      { optional: [{ id: 'LB', text: 'a'.repeat(9900) }] },
      undefined,
      'KEY_BLOCK_LENGTH',
    ],
    [
      'a key longer than a block',
      {
        attributes: { ...INITIAL_KEY, usage: 'S0', algorithm: 'R', modeOfUse: 'S' },
        key: new SecretBytes(new Uint8Array(6000)),
      },
      undefined,
      'KEY_BLOCK_LENGTH',
    ],
    [
      'an empty key',
      {
        attributes: { ...INITIAL_KEY, usage: 'S0', algorithm: 'R', modeOfUse: 'S' },
        key: new SecretBytes(new Uint8Array(0)),
      },
      undefined,
      'KEY_BLOCK_LENGTH',
    ],
  ])('refuses %s', (_name, content, kbpk, reason) => {
    const full: KeyBlockContent = {
      version: 'D',
      attributes: INITIAL_KEY,
      key: SecretKey.generate('AES', 128, seededRandom('key')),
      ...content,
    };
    expect(reasonOf(exportKeyBlock(full, kbpk ?? KBPK, seededRandom('padding')))).toBe(reason);
  });

  test('no refusal carries anything of a key', () => {
    const secret = SecretKey.generate('AES', 128, seededRandom('secret'));
    const block = exported({ key: secret });
    const results = [
      importKeyBlock(block, SecretKey.generate('AES', 256, seededRandom('other'))),
      importKeyBlock(block.slice(1), KBPK),
    ];
    for (const result of results) expect(JSON.stringify(result)).not.toMatch(/[0-9A-F]{8}/);
  });
});

test('a protected payload is opened again only under the same header', () => {
  const payload = new SecretBytes(bytes('00800102030405060708090A0B0C0D0E'.padEnd(64, '0')));
  const sealed = protectPayload('D', KBPK, 'D0112B1AX00E0000', payload);
  expect(openPayload('D', KBPK, 'D0112B1AX00E0000', sealed).ok).toBe(true);
  expect(reasonOf(openPayload('D', KBPK, 'D0112B1AX00S0000', sealed))).toBe('KEY_BLOCK_MAC');
  expect(reasonOf(openPayload('D', KBPK, 'D0112B1AX00E0000', { ...sealed, mac: sealed.mac.subarray(1) }))).toBe(
    'KEY_BLOCK_MAC',
  );
});
