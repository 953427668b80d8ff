import { describe, expect, test } from '@jest/globals';
import {
  diagnosePinBlock,
  pinBlockChance,
  readSeenPin,
  type SeenPinBlock,
} from '../../../src/payment-crypto/diagnosis/pin-block.ts';
import { hexOf } from '../../../src/payment-crypto/hex.ts';
import { encipherPin, type PinBlockFormat } from '../../../src/payment-crypto/pin-block/encipherment.ts';
import { encodePinBlock } from '../../../src/payment-crypto/pin-block/format0to3.ts';
import { accepted, key, pan, pin, pinDigits, seededRandom } from '../support.ts';

const PAN = '5432109876543219';
const TDES_TEXT = '0123456789ABCDEFFEDCBA9876543211';
const TDES = key('TDES', TDES_TEXT);
const AES = key('AES', '000102030405060708090A0B0C0D0E0F');

function block(format: PinBlockFormat, digits = PAN, secret = format === 4 ? AES : TDES): string {
  return hexOf(accepted(encipherPin({ format, key: secret, pan: pan(digits) }, pin('92389'), seededRandom('b'))));
}

const diagnosed = (seen: Partial<SeenPinBlock> & { readonly block: string }, secret = seen.format === 4 ? AES : TDES) =>
  diagnosePinBlock(secret, { format: 0, pan: pan(PAN), ...seen });

const one = (fault: string) => ({ outcome: 'one', findings: [{ faults: [fault] }] });

describe('a PIN block that does not fit', () => {
  test.each([0, 1, 3, 4] as const)('format %i that fits', (format) => {
    expect(diagnosed({ block: block(format), format })).toMatchObject({ outcome: 'fits' });
  });

  test.each([
    ['with the check digit', 0, `${PAN}0`, 'PAN_DIGITS'],
    ['from the left', 0, `${PAN.slice(0, 12)}0`, 'PAN_DIGITS'],
    ['with the check digit', 3, `${PAN}0`, 'PAN_DIGITS'],
    ['of zeros', 0, '0000000000000', 'PAN_NOT_BOUND'],
    ['less its check digit', 4, PAN.slice(0, -1), 'PAN_DIGITS'],
    ['as formats 0 and 3 take it', 4, PAN.slice(3, 15), 'PAN_DIGITS'],
    ['of the 12 rightmost digits', 4, PAN.slice(-12), 'PAN_DIGITS'],
    ['of zeros', 4, '0'.repeat(16), 'PAN_NOT_BOUND'],
  ] as const)('PAN %s in format %i', (_, format, digits, fault) => {
    const known = { pin: pin('92389') };
    expect(diagnosed({ block: block(format, digits), format, ...known })).toMatchObject(one(fault));
    expect(diagnosed({ block: block(format, digits), format })).toMatchObject(one(fault));
  });

  test.each([
    [0, 3],
    [0, 1],
    [3, 0],
    [1, 3],
  ] as const)('held for format %i, of format %i', (believed, planted) => {
    expect(diagnosed({ block: block(planted), format: believed })).toMatchObject(one('PIN_BLOCK_FORMAT'));
  });

  test('never enciphered, or not the clear one', () => {
    const clear = accepted(encodePinBlock(0, pin('92389'), pan(PAN), seededRandom('b'))).use(hexOf);
    expect(diagnosed({ block: clear })).toMatchObject(one('BLOCK_NOT_ENCIPHERED'));
    expect(diagnosed({ block: block(0), clear: true })).toMatchObject(one('BLOCK_NOT_ENCIPHERED'));
  });

  test('in base64, and in hexadecimal twice', () => {
    const base64 = Buffer.from(block(0), 'hex').toString('base64');
    expect(diagnosed({ block: base64 })).toMatchObject(one('TEXT_ENCODING'));
    expect(diagnosed({ block: Buffer.from(block(0)).toString('hex') })).toMatchObject(one('TEXT_ENCODING'));
  });

  test('under a PIN key with its halves swapped, or of the other algorithm', () => {
    const halves = TDES_TEXT.slice(16) + TDES_TEXT.slice(0, 16);
    expect(diagnosed({ block: block(0) }, key('TDES', halves))).toMatchObject(one('KEY_HALVES'));
    expect(diagnosed({ block: block(4), format: 4 }, key('TDES', '000102030405060708090A0B0C0D0E0F'))).toMatchObject(
      one('KEY_ALGORITHM'),
    );
  });

  test('of no known fault', () => {
    expect(diagnosed({ block: '0011223344556677' })).toMatchObject({ outcome: 'none' });
    expect(diagnosed({ block: 'not a block' })).toMatchObject({ outcome: 'none' });
    expect(diagnosePinBlock(undefined, { block: '0011223344556677', format: 0, pan: pan(PAN) }).outcome).toBe('none');
  });

  test('of no known fault, that reads as format 1 by chance, which is called a hint', () => {
    // Format 1 has random fill: one block in six hundred reads as a PIN of it.
    let found = 0;
    for (let number = 0; found === 0 && number < 20_000; number++) {
      const random = seededRandom(`chance ${number}`).bytes(8);
      const diagnosis = diagnosed({ block: hexOf(random) });
      if (diagnosis.outcome === 'none') continue;
      found += 1;
      expect(diagnosis.findings[0]?.faults).toContain('PIN_BLOCK_FORMAT');
      expect(diagnosis.findings[0]?.accidental).toBeGreaterThan(1e-3);
    }
    expect(found).toBe(1);
  });

  test('of another PIN than the known one', () => {
    expect(diagnosed({ block: block(0), pin: pin('92380') })).toMatchObject({ outcome: 'none' });
    expect(pinDigits(readSeenPin(TDES, { block: block(0), format: 0, pan: pan(PAN) }) ?? pin('0000'))).toBe('92389');
  });

  test('the chance of an accident is that of the format', () => {
    const chance = (format: PinBlockFormat) => pinBlockChance({ block: '', format });
    expect(chance(1)).toBeGreaterThan(1e-3);
    expect(chance(3)).toBeLessThan(1e-5);
    expect(chance(0)).toBeLessThan(1e-7);
    expect(pinBlockChance({ block: '', format: 1, pin: pin('1234') })).toBeLessThan(1e-7);
  });
});
