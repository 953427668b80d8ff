import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { ClearPin } from '../../src/payment-crypto/pin-block/clear-pin.ts';
import { Pan } from '../../src/payment-crypto/pin-block/pan.ts';
import { SecretBytes, SecretWiped } from '../../src/payment-crypto/secret.ts';
import { effectiveStrength, SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { hex, key, pan, pin, reasonOf, seededRandom } from './support.ts';

const CANARY = 'CA11AB1EFEEDFACEDEADBEEFCAFEF00D';

const secrets: [string, () => SecretBytes, RegExp][] = [
  ['SecretBytes', () => new SecretBytes(Buffer.from(CANARY, 'hex')), /ca11|202,\s*17/i],
  ['SecretKey', () => key('AES', CANARY), /ca11|202,\s*17/i],
  ['ClearPin', () => pin('90817263'), /9081|9,\s*0,\s*8/],
  ['Pan', () => pan('4111111111111111'), /4111|4,\s*1,\s*1/],
];

describe.each(secrets)('%s', (_name, make, leak) => {
  test('gives a placeholder wherever text is made of it', () => {
    const secret = make();
    const texts = [
      String(secret),
      `${secret}`,
      `a${secret as unknown as string}`,
      JSON.stringify({ secret }),
      inspect(secret, { depth: 9, showHidden: true }),
      inspect(secret, { customInspect: false, showHidden: true, depth: 9 }),
      inspect({ nested: [secret] }, { depth: 9 }),
      new Error(`failed with ${secret}`).message,
    ];
    for (const text of texts) expect(text).not.toMatch(leak);
    expect(String(secret)).toMatch(/^\[.+\]$/);
  });

  test('has nothing that enumeration, spreading or cloning reaches', () => {
    const secret = make();
    expect(Object.keys(secret)).toEqual([]);
    expect(Reflect.ownKeys(secret)).toEqual([]);
    expect(Reflect.ownKeys({ ...secret })).toEqual([]);
    expect(Reflect.ownKeys(structuredClone(secret))).toEqual([]);
  });

  test('is overwritten by wipe and throws when it is used afterwards', () => {
    const secret = make();
    const lent = secret.use((bytes) => bytes);
    expect(lent.some((byte) => byte !== 0)).toBe(true);
    secret.wipe();
    expect([...lent].every((byte) => byte === 0)).toBe(true);
    expect(() => secret.use(() => 0)).toThrow(SecretWiped);
    expect(() => secret.length).toThrow(SecretWiped);
    expect(() => secret.equals(secret)).toThrow(SecretWiped);
    secret.wipe();
  });

  test('is wiped at the end of a using block', () => {
    const secret = make();
    secret[Symbol.dispose]();
    expect(() => secret.use(() => 0)).toThrow(SecretWiped);
  });
});

describe('SecretBytes', () => {
  test('copies what it is given and shares no buffer with it', () => {
    const source = Buffer.from(CANARY, 'hex');
    const secret = new SecretBytes(source);
    source.fill(0);
    expect(hex(secret)).toBe(CANARY);
    expect(secret.use((bytes) => bytes.buffer.byteLength)).toBe(16);
  });

  test('owning takes the very buffer over', () => {
    const source = Buffer.from(CANARY, 'hex');
    SecretBytes.owning(source).wipe();
    expect(source.every((byte) => byte === 0)).toBe(true);
  });

  test('compares by content, and unequal lengths are unequal', () => {
    const secret = new SecretBytes(Buffer.from('0102', 'hex'));
    expect(secret.equals(new SecretBytes(Buffer.from('0102', 'hex')))).toBe(true);
    expect(secret.equals(new SecretBytes(Buffer.from('0103', 'hex')))).toBe(false);
    expect(secret.equals(new SecretBytes(Buffer.from('01', 'hex')))).toBe(false);
  });
});

describe('SecretKey', () => {
  test.each([
    ['AES', [16, 24, 32]],
    ['TDES', [16, 24]],
  ] as const)('%s has keys of its own lengths only', (algorithm, allowed) => {
    for (let length = 0; length <= 40; length++) {
      const result = SecretKey.parse(algorithm, new Uint8Array(length));
      expect(reasonOf(result)).toBe((allowed as readonly number[]).includes(length) ? 'accepted' : 'KEY_LENGTH');
    }
  });

  test('HMAC keys have 1 to 128 bytes and no cipher', () => {
    expect(reasonOf(SecretKey.parse('HMAC', new Uint8Array(0)))).toBe('KEY_LENGTH');
    expect(reasonOf(SecretKey.parse('HMAC', new Uint8Array(129)))).toBe('KEY_LENGTH');
    const hmac = key('HMAC', CANARY);
    expect(() => hmac.blockBytes).toThrow(TypeError);
    expect(() => hmac.encipher(new Uint8Array(16))).toThrow(TypeError);
  });

  test('a key that was used and wiped enciphers no more', () => {
    const secret = key('AES', CANARY);
    const block = secret.encipher(new Uint8Array(16));
    expect([...secret.decipher(block)]).toEqual([...new Uint8Array(16)]);
    secret.wipe();
    expect(() => secret.encipher(new Uint8Array(16))).toThrow(SecretWiped);
    expect(() => secret.decipher(new Uint8Array(16))).toThrow(SecretWiped);
    expect(() => secret.keyObject).toThrow(SecretWiped);
  });

  test('every block is enciphered by itself, however many calls came before', () => {
    const secret = key('AES', CANARY);
    const one = secret.encipher(new Uint8Array(16));
    const two = secret.encipher(new Uint8Array(32));
    expect(two.equals(Buffer.concat([one, one]))).toBe(true);
    expect(() => secret.encipher(new Uint8Array(15))).toThrow(RangeError);
    expect(() => secret.encipher(new Uint8Array(0))).toThrow(RangeError);
  });

  test('generates keys from the random port', () => {
    const first = SecretKey.generate('AES', 256, seededRandom('a'));
    expect(first.bits).toBe(256);
    expect(first.equals(SecretKey.generate('AES', 256, seededRandom('a')))).toBe(true);
    expect(first.equals(SecretKey.generate('AES', 256, seededRandom('b')))).toBe(false);
    expect(() => SecretKey.generate('AES', 256, { bytes: () => Buffer.alloc(16) })).toThrow();
  });

  test('strengths follow SP 800-57', () => {
    expect(effectiveStrength('TDES', 128)).toBe(80);
    expect(effectiveStrength('TDES', 192)).toBe(112);
    expect(effectiveStrength('AES', 192)).toBe(192);
  });
});

describe('PIN and PAN', () => {
  test.each(['', '123', '1234567890123', '12a4', '12 4', '１２３４'])('%j is no PIN', (text) => {
    expect(reasonOf(ClearPin.parse(Buffer.from(text, 'utf8')))).toBe('PIN_MALFORMED');
  });

  test.each(['', '12345678901234567890', '4111-1111', '411111111111111x'])('%j is no PAN', (text) => {
    expect(reasonOf(Pan.parse(Buffer.from(text, 'latin1')))).toBe('PAN_MALFORMED');
  });
});
