import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cmac, shortCmacs, verifyCmac } from '../../src/payment-crypto/cmac.ts';
import { hexOf } from '../../src/payment-crypto/hex.ts';
import { checkValueByEncipherment, keyCheckValue } from '../../src/payment-crypto/kcv.ts';
import { retailMac } from '../../src/payment-crypto/retail-mac.ts';
import { bytes, key } from './support.ts';

// NIST SP 800-38B, Appendix D.
const MESSAGE =
  '6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E5130C81C46A35CE411E5FBC1191A0A52EFF69F2445DF4F9B17AD2B417BE66C3710';
const AES_128 = '2B7E151628AED2A6ABF7158809CF4F3C';
const AES_192 = '8E73B0F7DA0E6452C810F32B809079E562F8EAD2522C6B7B';
const AES_256 = '603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4';
const TDES_3 = '0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123';
const TDES_2 = '0123456789ABCDEF23456789ABCDEF01';

describe('CMAC', () => {
  test.each([
    ['AES', AES_128, 0, 'BB1D6929E95937287FA37D129B756746'],
    ['AES', AES_128, 16, '070A16B46B4D4144F79BDD9DD04A287C'],
    ['AES', AES_128, 40, 'DFA66747DE9AE63030CA32611497C827'],
    ['AES', AES_128, 64, '51F0BEBF7E3B9D92FC49741779363CFE'],
    ['AES', AES_192, 20, '3D75C194ED96070444A9FA7EC740ECF8'],
    ['AES', AES_192, 64, 'A1D5DF0EED790F794D77589659F39A11'],
    ['AES', AES_256, 0, '028962F61B7BF89EFC6B551F4667D983'],
    ['AES', AES_256, 64, 'E1992190549F6ED5696A2C056C315410'],
    ['TDES', TDES_3, 0, '7DB0D37DF936C550'],
    ['TDES', TDES_3, 20, '6C9F3EE4923F6BE2'],
    ['TDES', TDES_3, 32, '99429BD0BF7904E5'],
    ['TDES', TDES_2, 16, 'CC18A0B79AF2413B'],
  ] as const)('%s %s of %i bytes is that of SP 800-38B', (algorithm, keyText, length, expected) => {
    const mac = cmac(key(algorithm, keyText), bytes(MESSAGE).subarray(0, length));
    expect(hexOf(mac)).toBe(expected);
  });

  test.each(['AES', 'TDES'] as const)('%s is the same however the message is cut into parts', (algorithm) => {
    const secret = key(algorithm, AES_128);
    for (const length of [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48]) {
      const message = bytes(MESSAGE).subarray(0, length);
      const whole = cmac(secret, message);
      for (const cut of [0, 1, 8, 16, length]) {
        const parts = [message.subarray(0, Math.min(cut, length)), message.subarray(Math.min(cut, length))];
        expect(cmac(secret, ...parts)).toEqual(whole);
      }
    }
    expect(cmac(secret)).toEqual(cmac(secret, new Uint8Array(0)));
  });

  test.each([
    ['AES', 16],
    ['TDES', 8],
  ] as const)('%s: those of several short messages are those of each, in their order', (algorithm, size) => {
    const secret = key(algorithm, AES_128);
    const messages = [0, 1, size - 1, size, 3].map((length) => bytes(MESSAGE).subarray(0, length));
    const before = messages.map((message) => Buffer.from(message));
    expect(shortCmacs(secret, messages)).toEqual(Buffer.concat(messages.map((message) => cmac(secret, message))));
    expect(messages).toEqual(before);
    expect(() => shortCmacs(secret, [new Uint8Array(size + 1)])).toThrow(RangeError);
  });

  test('is verified whole or cut to half, and not shorter, longer or changed', () => {
    const secret = key('AES', AES_128);
    const message = bytes(MESSAGE);
    const mac = cmac(secret, message);
    expect(verifyCmac(secret, message, mac)).toBe(true);
    expect(verifyCmac(secret, message, mac.subarray(0, 8))).toBe(true);
    expect(verifyCmac(secret, message, mac.subarray(0, 7))).toBe(false);
    expect(verifyCmac(secret, message, Buffer.concat([mac, mac]))).toBe(false);
    expect(verifyCmac(secret, message, new Uint8Array(0))).toBe(false);
    for (let bit = 0; bit < 128; bit++) {
      const changed = Buffer.from(mac);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(verifyCmac(secret, message, changed)).toBe(false);
    }
  });

  test('differs for messages that differ, leaves the message as it is, and is the same again', () => {
    const secret = key('TDES', TDES_2);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.uint8Array({ maxLength: 70 }), (left, right) => {
        const before = Buffer.from(left);
        const same = Buffer.from(left).equals(right);
        const equal = cmac(secret, left).equals(cmac(secret, right));
        return equal === same && before.equals(left) && cmac(secret, left).equals(cmac(secret, left));
      }),
      { seed: 1 },
    );
  });

  test('an HMAC key makes none', () => {
    expect(() => cmac(key('HMAC', AES_128), bytes(MESSAGE))).toThrow(TypeError);
  });
});

describe('key check values', () => {
  test.each([
    // X9.143:2021 8.1, TR-31:2018 A.7.2.1 and A.7.4
    ['AES', '3F419E1CB7079442AA37474C2EFBF8B8', undefined, '08793E25AB'],
    ['TDES', 'F039121BEC83D26B169BDCD5B22AAF8F', undefined, 'CB9DEA'],
    ['TDES', '3F419E1CB7079442AA37474C2EFBF8B8', 'legacy', '57C409'],
  ] as const)('%s %s', (algorithm, keyText, method, expected) => {
    expect(hexOf(keyCheckValue(key(algorithm, keyText), method))).toBe(expected);
  });

  test('both methods work for both ciphers and differ', () => {
    for (const algorithm of ['AES', 'TDES'] as const) {
      const secret = key(algorithm, AES_128);
      const legacy = keyCheckValue(secret, 'legacy', 3);
      expect(legacy.equals(keyCheckValue(secret, 'cmac', 3))).toBe(false);
      expect(legacy.length).toBe(3);
    }
  });

  test('of a key that only enciphers is the same', () => {
    const secrets = [AES_128, '3F419E1CB7079442AA37474C2EFBF8B8', AES_128.repeat(2)].map((text) => key('AES', text));
    for (const secret of secrets)
      expect(checkValueByEncipherment((block) => secret.encipher(block))).toEqual(keyCheckValue(secret));
  });

  test('never show more of a block than the method allows', () => {
    const secret = key('AES', AES_128);
    expect(() => keyCheckValue(secret, 'legacy', 4)).toThrow(RangeError);
    expect(() => keyCheckValue(secret, 'cmac', 6)).toThrow(RangeError);
    expect(() => keyCheckValue(secret, 'cmac', 0)).toThrow(RangeError);
  });
});

describe('retail MAC', () => {
  // X9.24-1:2009 A.4.2, transaction 1: MAC request key and data of the example.
  test('is that of X9.24-1', () => {
    const transactionKey = bytes('042666B49184CFA368DE9628D0397BC9');
    const variant = bytes('000000000000FF00000000000000FF00');
    const macKey = Buffer.from(transactionKey.map((byte, at) => byte ^ (variant[at] ?? 0)));
    const mac = retailMac(key('TDES', macKey.toString('hex')), Buffer.from('4012345678909D987'));
    expect(hexOf(mac.subarray(0, 4))).toBe('9CCC7817');
  });

  test('takes a two-key TDEA key only', () => {
    expect(() => retailMac(key('TDES', TDES_3), Buffer.alloc(8))).toThrow(TypeError);
    expect(() => retailMac(key('AES', AES_128), Buffer.alloc(8))).toThrow(TypeError);
  });
});
