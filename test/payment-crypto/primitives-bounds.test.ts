import { createCipheriv, generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { cmac, shortCmacs, verifyCmac } from '../../src/payment-crypto/cmac.ts';
import { AES_COUNTER, isTransactionCounter, TDES_COUNTER } from '../../src/payment-crypto/dukpt-counter.ts';
import { bytesOfHex, hexOf } from '../../src/payment-crypto/hex.ts';
import { checkValueByEncipherment, keyCheckValue } from '../../src/payment-crypto/kcv.ts';
import { deriveKbpk } from '../../src/payment-crypto/key-agreement.ts';
import { AesKsn, InitialKeyId, initialSerialNumber, TdesKsn } from '../../src/payment-crypto/ksn.ts';
import { encryptOaep } from '../../src/payment-crypto/oaep.ts';
import { uniformIntegers } from '../../src/payment-crypto/random.ts';
import { retailMac } from '../../src/payment-crypto/retail-mac.ts';
import { SecretBytes, SecretWiped } from '../../src/payment-crypto/secret.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { bytes, ikid, key, ksn, pan, pin, reasonOf, rsaPublicKey, seededRandom, tdesKsn } from './support.ts';

const TEXT = '000102030405060708090A0B0C0D0E0F1011121314151617';
const FORMS = [
  ['AES', 16, 'aes-128'],
  ['AES', 24, 'aes-192'],
  ['AES', 32, 'aes-256'],
  ['TDES', 16, 'des-ede'],
  ['TDES', 24, 'des-ede3'],
] as const;

const keyOf = (algorithm: 'AES' | 'TDES' | 'HMAC', length: number): SecretKey =>
  key(algorithm, TEXT.padEnd(2 * length, 'A').slice(0, 2 * length));

describe('a key', () => {
  test.each(FORMS)('of %s, %d bytes, enciphers as %s', (algorithm, length, name) => {
    const secret = keyOf(algorithm, length);
    const iv = Buffer.alloc(secret.blockBytes, 9);
    const clear = Buffer.alloc(48, 0x5a);
    const expected = (mode: string, vector: Buffer | null) =>
      secret.use((raw) => createCipheriv(`${name}-${mode}`, raw, vector).setAutoPadding(false).update(clear));
    expect(secret.bits).toBe(8 * length);
    expect(secret.blockBytes).toBe(algorithm === 'AES' ? 16 : 8);
    expect(hexOf(secret.encipher(clear))).toBe(hexOf(expected('ecb', null)));
    expect(hexOf(secret.decipher(expected('ecb', null)))).toBe(hexOf(clear));
    const modes = algorithm === 'AES' ? (['cbc', 'ctr'] as const) : (['cbc'] as const);
    for (const mode of modes) {
      const cipher = secret.cipherIn(mode, iv);
      expect(hexOf(cipher.update(clear))).toBe(hexOf(expected(mode, iv)));
      expect(cipher.final()).toHaveLength(0);
      const decipher = secret.decipherIn(mode, iv);
      expect(hexOf(decipher.update(expected(mode, iv)))).toBe(hexOf(clear));
      expect(decipher.final()).toHaveLength(0);
    }
    if (algorithm === 'TDES') {
      expect(() => secret.cipherIn('ctr', iv)).toThrow(TypeError);
      expect(() => secret.decipherIn('ctr', iv)).toThrow(TypeError);
    }
    for (const wrong of [0, 1, secret.blockBytes - 1, secret.blockBytes + 1]) {
      expect(() => secret.encipher(Buffer.alloc(wrong))).toThrow(RangeError);
      expect(() => secret.decipher(Buffer.alloc(wrong))).toThrow(RangeError);
    }
  });

  test('of HMAC is of no cipher', () => {
    const hmac = keyOf('HMAC', 16);
    for (const mode of ['cbc', 'ctr'] as const) {
      expect(() => hmac.cipherIn(mode, Buffer.alloc(16))).toThrow(TypeError);
      expect(() => hmac.decipherIn(mode, Buffer.alloc(16))).toThrow(TypeError);
    }
    for (const attempt of [() => cmac(hmac, Buffer.alloc(1)), () => shortCmacs(hmac, []), () => keyCheckValue(hmac)])
      expect(attempt).toThrow(TypeError);
  });

  test.each([
    [1, 'accepted'],
    [128, 'accepted'],
    [129, 'KEY_LENGTH'],
  ])('of HMAC has %d bytes: %s', (length, reason) => {
    expect(reasonOf(SecretKey.parse('HMAC', new Uint8Array(length)))).toBe(reason);
  });

  test('of no length that there is cannot be made', () => {
    expect(() => SecretKey.ofOwned('AES', new Uint8Array(17))).toThrow(RangeError);
    expect(() => SecretKey.generate('TDES', 256, seededRandom('k'))).toThrow(RangeError);
  });

  test('is copied where it comes from outside, and taken over where this process has made it', () => {
    const [outside, own] = [Buffer.alloc(16, 1), Buffer.alloc(16, 1)];
    const parsed = SecretKey.parse('AES', outside);
    if (parsed.ok) parsed.value.wipe();
    SecretKey.ofOwned('AES', own).wipe();
    expect([outside.every((byte) => byte === 1), own.every((byte) => byte === 0)]).toEqual([true, true]);
  });

  test('is given to the runtime as one and the same object', () => {
    const secret = keyOf('AES', 16);
    expect(secret.keyObject).toBe(secret.keyObject);
    expect(secret.keyObject.export().toString('hex')).toBe(TEXT.slice(0, 32).toLowerCase());
  });
});

test.each([
  ['[secret]', () => new SecretBytes(Buffer.alloc(4, 1))],
  ['[secret AES key]', () => keyOf('AES', 16)],
  ['[secret TDES key]', () => keyOf('TDES', 16)],
  ['[secret HMAC key]', () => keyOf('HMAC', 16)],
  ['[clear PIN]', () => pin('1234')],
  ['[PAN]', () => pan('4111111111111111')],
])('%s stands in the place of a secret', (placeholder, make) => {
  const secret = make();
  expect([String(secret), `${secret}`, secret.toJSON(), inspect(secret), JSON.stringify(secret)]).toEqual([
    placeholder,
    placeholder,
    placeholder,
    placeholder,
    JSON.stringify(placeholder),
  ]);
  expect(new SecretWiped()).toMatchObject({ name: 'SecretWiped', message: 'a wiped secret was used' });
});

describe('a MAC', () => {
  const secret = keyOf('AES', 16);
  const message = Buffer.from('a message');
  const whole = cmac(secret, message);

  test.each([
    [7, false],
    [8, true],
    [15, true],
    [16, true],
  ])('may be cut to %d bytes: %p', (length, sound) => {
    expect(verifyCmac(secret, message, whole.subarray(0, length))).toBe(sound);
    const changed = Buffer.from(whole.subarray(0, length));
    changed[length - 1] = (changed[length - 1] ?? 0) ^ 1;
    expect(verifyCmac(secret, message, changed)).toBe(false);
  });

  test('is no longer than a block', () => {
    expect(verifyCmac(secret, message, Buffer.concat([whole, Buffer.alloc(1)]))).toBe(false);
    const tdes = keyOf('TDES', 16);
    const short = cmac(tdes, message);
    expect([3, 4, 8].map((length) => verifyCmac(tdes, message, short.subarray(0, length)))).toEqual([
      false,
      true,
      true,
    ]);
    expect(verifyCmac(tdes, message, Buffer.concat([short, Buffer.alloc(1)]))).toBe(false);
  });

  test.each([0, 1, 7, 8, 15, 16])('of a short message, %d bytes, is the one of any message', (length) => {
    for (const cipher of [secret, keyOf('TDES', 24)]) {
      const size = Math.min(length, cipher.blockBytes);
      const messages = [Buffer.alloc(size, 0x81), Buffer.alloc(cipher.blockBytes, 0xff), Buffer.alloc(0)];
      const each = messages.map((part) => cmac(cipher, part));
      expect(hexOf(shortCmacs(cipher, messages))).toBe(hexOf(Buffer.concat(each)));
    }
  });

  test('of a message longer than a block is none of a short one', () => {
    expect(() => shortCmacs(secret, [Buffer.alloc(17)])).toThrow(RangeError);
  });

  test('for retail is of a two-key TDEA key', () => {
    expect(() => retailMac(keyOf('TDES', 24), message)).toThrow(TypeError);
    expect(() => retailMac(secret, message)).toThrow(TypeError);
    const tdes = keyOf('TDES', 16);
    // Padding method 1 fills with zeros; what is empty is one block of them.
    expect(hexOf(retailMac(tdes, Buffer.alloc(0)))).toBe(hexOf(retailMac(tdes, Buffer.alloc(8))));
    expect(hexOf(retailMac(tdes, Buffer.alloc(9, 1)))).toBe(
      hexOf(retailMac(tdes, Buffer.concat([Buffer.alloc(9, 1), Buffer.alloc(7)]))),
    );
    expect(hexOf(retailMac(tdes, Buffer.alloc(8)))).not.toBe(hexOf(retailMac(tdes, Buffer.alloc(16))));
  });
});

describe('a check value', () => {
  test.each([
    ['legacy', [1, 2, 3], [0, 4, -1, 1.5, Number.NaN]],
    ['cmac', [1, 2, 3, 4, 5], [0, 6, -1, 2.5, Number.NaN]],
  ] as const)('by the method %s', (method, sound, wrong) => {
    const secret = keyOf('AES', 16);
    const zeros = Buffer.alloc(16);
    const whole = method === 'cmac' ? cmac(secret, zeros) : secret.encipher(zeros);
    for (const length of sound)
      expect(hexOf(keyCheckValue(secret, method, length))).toBe(hexOf(whole.subarray(0, length)));
    for (const length of wrong) expect(() => keyCheckValue(secret, method, length)).toThrow(RangeError);
    expect(keyCheckValue(secret, method)).toHaveLength(sound.length);
  });

  test('of a key in a token is the one of the key', () => {
    for (const length of [16, 24, 32]) {
      const secret = keyOf('AES', length);
      expect(hexOf(checkValueByEncipherment((block) => secret.encipher(block)))).toBe(hexOf(keyCheckValue(secret)));
    }
  });
});

describe('RSA-OAEP', () => {
  test.each([
    [2040, 'OAEP_MODULUS'],
    [2047, 'OAEP_MODULUS'],
    [2048, 'accepted'],
    [2049, 'OAEP_MODULUS'],
    [2056, 'accepted'],
    [4096, 'accepted'],
    [4104, 'OAEP_MODULUS'],
  ])('with a modulus of %d bits: %s', (bits, reason) => {
    expect(reasonOf(encryptOaep(rsaPublicKey(bits), new SecretBytes(Buffer.alloc(16, 1)), seededRandom('o')))).toBe(
      reason,
    );
  });
});

test('RSA-OAEP hides one message otherwise each time', () => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const message = new SecretBytes(Buffer.alloc(16, 1));
  const made = (seed: string) => {
    const ciphertext = encryptOaep(publicKey, message, seededRandom(seed));
    return ciphertext.ok ? hexOf(ciphertext.value) : '';
  };
  expect(made('a')).toHaveLength(512);
  expect(made('a')).toBe(made('a'));
  expect(made('a')).not.toBe(made('b'));
});

test('HKDF info has 1 024 bytes at most', () => {
  const shared = new SecretBytes(Buffer.alloc(32, 1));
  expect(deriveKbpk(shared, Buffer.alloc(8), Buffer.alloc(1024)).bits).toBe(256);
  expect(() => deriveKbpk(shared, Buffer.alloc(8), Buffer.alloc(1025))).toThrow(RangeError);
});

test('a source of nothing but unusable bytes is asked 256 times', () => {
  let asked = 0;
  const stuck = (usable: number) => ({
    bytes: (length: number) => {
      asked += 1;
      return Buffer.alloc(length, asked === usable ? 7 : 255);
    },
  });
  expect(() => uniformIntegers(stuck(0), 10, 4)).toThrow('no usable bytes');
  expect(asked).toBe(256);
  asked = 0;
  expect([...uniformIntegers(stuck(256), 10, 4)]).toEqual([7, 7, 7, 7]);
  asked = 0;
  expect(() => uniformIntegers(stuck(257), 10, 4)).toThrow('no usable bytes');
});

test.each([
  ['', ''],
  ['0aF9', '0AF9'],
  ['0', undefined],
  ['0aF', undefined],
  ['0g', undefined],
  [' 00', undefined],
  ['00 ', undefined],
  ['00\n', undefined],
])('%j is hexadecimal text: %p', (text, expected) => {
  const read = bytesOfHex(text);
  expect(read === undefined ? undefined : hexOf(read)).toBe(expected);
});

test('a part of a buffer is written as that part', () => {
  expect(hexOf(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))).toBe('0203');
});

describe('key serial numbers', () => {
  test.each([
    ['an initial key ID', InitialKeyId.parse, 8],
    ['a KSN of AES DUKPT', AesKsn.parse, 12],
    ['a KSN of TDEA DUKPT', TdesKsn.parse, 10],
  ] as const)('%s is text or bytes of its own length', (_, parse, length) => {
    const text = `${'00'.repeat(length - 1)}01`;
    expect(reasonOf(parse(text))).toBe('accepted');
    expect(reasonOf(parse(bytes(text)))).toBe('accepted');
    for (const wrong of [text.slice(1), text.slice(2), `${text}0`, `${text}00`, `${text.slice(1)}x`])
      expect(reasonOf(parse(wrong))).toBe('KSN_MALFORMED');
    for (const size of [length - 1, length + 1, 2 * length, 0])
      expect(reasonOf(parse(new Uint8Array(size)))).toBe('KSN_MALFORMED');
  });

  test('are equal where both parts are', () => {
    const one = ksn('123456789012345600000001');
    expect(one.equals(ksn('123456789012345600000001'))).toBe(true);
    expect(one.equals(ksn('123456789012345600000002'))).toBe(false);
    expect(one.equals(ksn('123456789012345700000001'))).toBe(false);
    expect(ikid('1234567890123456').equals(ikid('1234567990123456'))).toBe(false);
    expect(ikid('1234567890123456').equals(ikid('1234567890123457'))).toBe(false);
  });

  test('of TDEA share 59 bits from one transaction to the next', () => {
    const first = tdesKsn('FFFF9876543210E003FF');
    expect(first.next()?.toString()).toBe('FFFF9876543210E00400');
    expect(first.initialSerialNumber.fill(0)).toHaveLength(10);
    expect(hexOf(first.initialSerialNumber)).toBe('FFFF9876543210E00000');
    expect(hexOf(initialSerialNumber(bytes('FFFFFFFFFFFFFFFFFFFF')))).toBe('FFFFFFFFFFFFFFE00000');
    expect(hexOf(initialSerialNumber(bytes('0000000000000012345F')))).toBe('00000000000000000000');
    expect(ksn('12345678901234560000FFFF').next()?.toString()).toBe('123456789012345600010000');
  });

  test.each([
    [AES_COUNTER, 0xffff_0000, 0xffff_8000],
    [TDES_COUNTER, 0x1f_f800, 0x1f_fc00],
  ])('count to their highest counter', (rule, highest, beyond) => {
    expect([1, highest, beyond, highest + 1, 0, -1, 0.5].map((at) => isTransactionCounter(rule, at))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
  });
});
