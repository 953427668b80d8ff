import { describe, expect, test } from '@jest/globals';
import { hexOf } from '../../src/payment-crypto/hex.ts';
import { decipherPin, encipherPin } from '../../src/payment-crypto/pin-block/encipherment.ts';
import { retailMac } from '../../src/payment-crypto/retail-mac.ts';
import { deriveTdesInitialKey, deriveTdesTransactionKey } from '../../src/payment-crypto/tdes-dukpt/derivation.ts';
import { deriveTdesWorkingKey, tdesWorkingKeyFromBdk } from '../../src/payment-crypto/tdes-dukpt/working-key.ts';
import { accepted, bytes, hex, key, pan, pin, pinDigits, seededRandom, tdesKsn } from './support.ts';

// ANSI X9.24-1:2009, A.4.
const BDK = '0123456789ABCDEFFEDCBA9876543210';
const INITIAL_KEY = '6AC292FAA1315B4D858AB3A3D7D5933A';
const TRANSACTIONS = [
  ['FFFF9876543210E00001', '042666B49184CFA368DE9628D0397BC9', '1B9C1845EB993A7A', '9CCC7817', '20364223'],
  ['FFFF9876543210E00002', 'C46551CEF9FD24B0AA9AD834130D3BC7', '10A01C8D02C69107', 'F608A9BC', 'D1FCA6BE'],
  ['FFFF9876543210E00003', '0DF3D9422ACA56E547676D07AD6BADFA', '18DC07B94797B466', '20B59A4F', 'BAD4CC9C'],
  ['FFFF9876543210EFF800', 'F9CDFEBF4F5B1D9EB3EC12454527E176', '33365F5CC6F23C35', '23E3CB62', '5776C376'],
  ['FFFF9876543210F00000', 'AA4D58DB653EC74A48C75F2F047DD2B5', '73EC88AD0AC5830E', '7DFA9315', '1444BEC3'],
] as const;

describe('TDEA DUKPT', () => {
  test('gives the initial key of the standard', () => {
    expect(hex(deriveTdesInitialKey(key('TDES', BDK), bytes('FFFF9876543210E00000')))).toBe(INITIAL_KEY);
    expect(hex(deriveTdesInitialKey(key('TDES', BDK), bytes('FFFF9876543210EFF801')))).toBe(INITIAL_KEY);
  });

  test.each(TRANSACTIONS)(
    'gives keys, PIN block and MACs of the standard at %s',
    (at, txn, block, request, response) => {
      const ksn = tdesKsn(at);
      const transactionKey = deriveTdesTransactionKey(key('TDES', INITIAL_KEY), ksn);
      expect(hex(transactionKey)).toBe(txn);

      const end = {
        format: 0,
        key: tdesWorkingKeyFromBdk(key('TDES', BDK), ksn, 'pinEncryption'),
        pan: pan('4012345678909'),
      } as const;
      expect(hexOf(accepted(encipherPin(end, pin('1234'), seededRandom('none'))))).toBe(block);
      expect(pinDigits(accepted(decipherPin(end, bytes(block))))).toBe('1234');

      const message = Buffer.from('4012345678909D987');
      const mac = (usage: 'macRequest' | 'macResponse') =>
        hexOf(retailMac(deriveTdesWorkingKey(transactionKey, usage), message).subarray(0, 4));
      expect([mac('macRequest'), mac('macResponse')]).toEqual([request, response]);
    },
  );

  test('data keys are one-way: neither variants nor their halves', () => {
    const transactionKey = key('TDES', TRANSACTIONS[0][1]);
    const data = deriveTdesWorkingKey(transactionKey, 'dataRequest');
    // X9.24-1:2009 A.4.1: each half of the variant enciphered under the variant.
    const mask = bytes('0000000000FF00000000000000FF0000');
    const expectedVariant = Buffer.from(bytes(TRANSACTIONS[0][1]).map((byte, at) => byte ^ (mask[at] ?? 0)));
    const expected = key('TDES', expectedVariant.toString('hex'));
    expect(hex(data)).toBe(hexOf(expected.encipher(expectedVariant)));
    expect(hex(data)).not.toBe(hex(expected));
    expect(hex(data)).not.toBe(hex(deriveTdesWorkingKey(transactionKey, 'dataResponse')));
  });

  test('takes two-key TDEA keys only', () => {
    expect(() => deriveTdesInitialKey(key('AES', BDK), bytes('FFFF9876543210E00000'))).toThrow(TypeError);
  });
});
