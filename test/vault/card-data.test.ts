import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { tlv } from '../../src/encoding/tlv.ts';
import { readCardData } from '../../src/vault/card-data.ts';
import { PAN } from './support/phone.ts';

const read = (hex: string) => readCardData(Buffer.from(hex, 'hex'));
const digitsOf = (hex: string): string => {
  const pan = read(hex);
  return pan.ok ? pan.value.use((digits) => digits.join('')) : pan.reason;
};

/** PANs whose check digit holds, of the shortest and longest lengths and of an odd one. */
const LENGTHS = ['42424242', '4761739001017', '6304219447607087665'];

describe('card data', () => {
  test('gives the PAN of track 2, of 5A, or of both', () => {
    expect(digitsOf(`5711${PAN}D2912201123456789F`)).toBe(PAN);
    expect(digitsOf(`5A08${PAN}`)).toBe(PAN);
    expect(digitsOf(`5F340101 5F2403291231 5A08${PAN} 5711${PAN}D2912201123456789F`.replaceAll(' ', ''))).toBe(PAN);
  });

  test.each(LENGTHS)('takes a PAN of another length: %s', (pan) => {
    const even = (digits: string) => (digits.length % 2 === 0 ? digits : `${digits}F`);
    expect(digitsOf(tlv('5A', Buffer.from(even(pan), 'hex')).toString('hex'))).toBe(pan);
    expect(digitsOf(tlv('57', Buffer.from(even(`${pan}D2912201`), 'hex')).toString('hex'))).toBe(pan);
  });

  test.each([
    ['nothing', ''],
    ['no PAN', '5F2403291231'],
    ['a PAN of 7 digits', '5A044242426F'],
    ['a PAN of 20 digits', '5A0A63042194476070876655'],
    ['digits behind the padding', '5A0847617390010194F1'],
    ['a hexadecimal digit in the PAN', '5A08476173900101001A'],
    ['a wrong check digit', '5A084761739001010011'],
    ['track 2 without a separator', `5708${PAN}`],
    ['track 2 without expiry and service code', `570B${PAN}D29122`],
    ['track 2 with two paddings', `570D${PAN}D2912201FF`],
    ['track 2 with a letter behind', `570D${PAN}D2912201E1`],
    ['two PANs', `5711${PAN}D2912201123456789F5A084111111111111111`],
    ['another tag', `5A08${PAN}5F2003414243`],
    ['an enciphered PIN', `5A08${PAN}99080000000000000000`],
    ['the same tag twice', `5A08${PAN}5A08${PAN}`],
    ['an expiry of another length', `5A08${PAN}5F24022912`],
    ['a sequence number of another length', `5A08${PAN}5F34020101`],
    ['a cut element', `5A08${PAN.slice(2)}`],
    ['bytes behind', `5A08${PAN}00`],
    ['a template around it', `700A5A08${PAN}`],
    ['more than 256 bytes', `5A08${PAN}`.repeat(30)],
  ])('is refused with %s', (_, hex) => {
    expect(read(hex)).toMatchObject({ ok: false, reason: 'ACCOUNT_DATA_INVALID' });
  });

  test('is refused for every digit of the PAN that is changed', () => {
    for (let at = 0; at < PAN.length; at += 1) {
      const changed = `${PAN.slice(0, at)}${(Number(PAN[at]) + 1) % 10}${PAN.slice(at + 1)}`;
      expect(read(`5A08${changed}`)).toMatchObject({ ok: false, detail: 'check digit' });
    }
  });

  test('of any form is refused without an exception, and never quoted', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const result = readCardData(bytes);
        expect(result.ok ? '' : (result.detail ?? '').length).toBeLessThan(20);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test('keeps the PAN out of whatever prints it', () => {
    const pan = read(`5A08${PAN}`);
    expect(JSON.stringify(pan)).not.toContain(PAN);
  });
});
