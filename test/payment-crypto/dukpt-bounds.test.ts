import { describe, expect, test } from '@jest/globals';
import { derivationData } from '../../src/payment-crypto/aes-dukpt/derivation.ts';
import { deriveInitialKey } from '../../src/payment-crypto/aes-dukpt/host.ts';
import { DukptRegisters } from '../../src/payment-crypto/aes-dukpt/registers.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';
import { variantOf } from '../../src/payment-crypto/tdes-dukpt/derivation.ts';
import { deriveTdesWorkingKey } from '../../src/payment-crypto/tdes-dukpt/working-key.ts';
import { accepted, bytes, hex, ikid, key, reasonOf, seededRandom } from './support.ts';

const IKID = '1234567890123456';
const TDES_KEY = key('TDES', '042666B49184CFA368DE9628D0397BC9');

describe('derivation data', () => {
  // X9.24-3:2017 6.3.3
  test.each([
    ['TDES2', ['01012000000000800000000700000009']],
    ['TDES3', ['01012000000100C00000000700000009', '01022000000100C00000000700000009']],
    ['AES128', ['01012000000200800000000700000009']],
    ['AES192', ['01012000000300C00000000700000009', '01022000000300C00000000700000009']],
    ['AES256', ['01012000000401000000000700000009', '01022000000401000000000700000009']],
    ['HMAC128', ['01012000000500800000000700000009']],
    ['HMAC256', ['01012000000501000000000700000009', '01022000000501000000000700000009']],
  ] as const)('of %s has as many blocks as its key', (type, blocks) => {
    const data = derivationData('macGeneration', type, { high: 7, low: 9 });
    expect(data.toString('hex').toUpperCase()).toBe(blocks.join(''));
  });

  test.each([128, 192, 256])('makes an initial key as long as a BDK of %d bits', (bits) => {
    const bdk = SecretKey.generate('AES', bits, seededRandom('bdk'));
    expect(deriveInitialKey(bdk, ikid(IKID))).toMatchObject({ algorithm: 'AES', bits });
  });
});

describe('registers that were kept', () => {
  /** A state of so many keys of a length, at a counter. */
  const state = (keyBytes: number, keys: number, counter: number, version = 1): Buffer => {
    const header = Buffer.from([version, keyBytes, ...bytes(IKID), 0, 0, 0, 0]);
    header.writeUInt32BE(counter, 10);
    return Buffer.concat([header, Buffer.alloc(keyBytes * keys, 7)]);
  };

  test.each<[string, Buffer, string]>([
    ['of AES-128 at the first counter', state(16, 32, 1), 'accepted'],
    ['of AES-192', state(24, 32, 1), 'accepted'],
    ['of AES-256, the longest', state(32, 32, 1), 'accepted'],
    ['of all but the first', state(16, 31, 2), 'accepted'],
    ['at the last counter', state(16, 1, 0xffff_0000), 'accepted'],
    ['that are used up', state(16, 0, 0), 'accepted'],
    ['of another version', state(16, 32, 1, 2), 'REGISTERS_MALFORMED'],
    ['of keys that AES has not', state(17, 32, 1), 'REGISTERS_MALFORMED'],
    ['of keys of no length', state(0, 32, 1), 'REGISTERS_MALFORMED'],
    ['used up, of keys that AES has not', state(8, 0, 0), 'REGISTERS_MALFORMED'],
    ['with a register too few', state(16, 31, 1), 'REGISTERS_MALFORMED'],
    ['with a register too many', state(16, 32, 2), 'REGISTERS_MALFORMED'],
    ['longer than any', state(32, 33, 1), 'REGISTERS_MALFORMED'],
    // 17 one-bits, and all of them: each calls for as many registers as are there.
    ['at a counter that is skipped', state(16, 16, 0x0001_ffff), 'REGISTERS_MALFORMED'],
    ['at the counter of the update key', state(16, 1, 0xffff_ffff), 'REGISTERS_MALFORMED'],
    ['without their counter', state(16, 32, 1).subarray(0, 13), 'REGISTERS_MALFORMED'],
    ['that are none', Buffer.alloc(0), 'REGISTERS_MALFORMED'],
  ])('%s', (_, kept, reason) => {
    expect(reasonOf(DukptRegisters.parse(kept))).toBe(reason);
  });

  test('are refused an update key that is stronger, and any after they were wiped', () => {
    const registers = DukptRegisters.load(key('AES', 'FEDCBA9876543210F1F1F1F1F1F1F1F1'), ikid(IKID));
    expect(reasonOf(registers.updateKey('AES256'))).toBe('KEY_STRONGER_THAN_PARENT');
    expect(reasonOf(registers.updateKey('AES128'))).toBe('accepted');
    registers.wipe();
    expect(reasonOf(registers.updateKey('AES128'))).toBe('DUKPT_EXHAUSTED');
    expect(registers.nextKsn).toBeUndefined();
    expect(hex(registers.serialize())).toBe(`0110${IKID}00000000`);
    registers.wipe();
  });

  test('of AES-256 come back as they were', () => {
    const registers = DukptRegisters.load(key('AES', 'FE'.repeat(32)), ikid(IKID));
    const kept = registers.serialize();
    expect(kept.length).toBe(14 + 32 * 32);
    expect(hex(accepted(kept.use((clear) => DukptRegisters.parse(clear))).serialize())).toBe(hex(kept));
  });
});

describe('working keys of TDEA DUKPT', () => {
  // X9.24-1:2009 A.4 table A-1
  test.each([
    ['pinEncryption', '00000000000000FF'],
    ['macRequest', '000000000000FF00'],
    ['macResponse', '00000000FF000000'],
  ] as const)('%s is the variant %s', (usage, half) => {
    const variant = variantOf(TDES_KEY, bytes(half + half));
    expect(hex(deriveTdesWorkingKey(TDES_KEY, usage))).toBe(hex(variant));
  });

  test.each([
    ['dataRequest', '0000000000FF0000'],
    ['dataResponse', '000000FF00000000'],
  ] as const)('%s is the variant %s, enciphered under itself', (usage, half) => {
    const variant = variantOf(TDES_KEY, bytes(half + half));
    const enciphered = variant.use((clear) => variant.encipher(clear));
    expect(hex(deriveTdesWorkingKey(TDES_KEY, usage))).toBe(enciphered.toString('hex').toUpperCase());
  });

  test('come of two-key TDEA keys alone', () => {
    const three = key('TDES', '042666B49184CFA368DE9628D0397BC9042666B49184CFA3');
    for (const other of [three, key('AES', '042666B49184CFA368DE9628D0397BC9')])
      expect(() => deriveTdesWorkingKey(other, 'pinEncryption')).toThrow(TypeError);
  });
});
