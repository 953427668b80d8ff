import { describe, expect, test } from '@jest/globals';
import { cardApplication } from '../../src/emv/card-application.ts';
import { recordedTap } from '../../src/emv/record.ts';
import { appraiseTap } from '../../src/emv/tap.ts';
import { encodeIcc, iccElements, iccWithPin } from '../support/icc.ts';

const TERMS = { type: 'sale', amountMinor: 1250n, currency: 978, merchant: 'm', order: 'o' } as const;
const AT = new Date('2026-03-01T12:00:00Z');

describe('a tap as it is kept', () => {
  test.each([iccElements(TERMS), iccWithPin(TERMS)])('is judged as it was', (icc) => {
    const kept = recordedTap(encodeIcc(icc));
    if (!('emvData' in kept)) throw new Error('unreadable');
    expect(appraiseTap(kept.emvData, TERMS, AT)).toEqual(appraiseTap(encodeIcc(icc), TERMS, AT));
  });

  test('holds what rules look at, and nothing else', () => {
    const icc = iccElements(TERMS);
    const kept = recordedTap(encodeIcc(new Map([...icc, ['DF8101', 'aabb'], ['9F7C', 'ccdd']])));
    expect(kept).toEqual(recordedTap(encodeIcc(icc)));
  });

  test.each([
    ['5A', '4761739001010010', 'EMV_TAG_FORBIDDEN'],
    ['9F39', '91', 'EMV_MAGNETIC_STRIPE'],
    ['9F36', '0000', 'EMV_MALFORMED'],
  ])('is its reason alone where %s is %s', (tag, value, reason) => {
    expect(recordedTap(encodeIcc(iccElements(TERMS).set(tag, value)))).toEqual({ unreadable: reason });
  });
});

describe("a card's application", () => {
  test('is named by its DF name and the sequence number of its PAN', () => {
    const icc = iccElements(TERMS);
    expect(cardApplication(encodeIcc(icc))).toEqual({ application: 'a0000000041010-', counter: 258 });
    icc.set('5F34', '02').set('9F36', 'ffff');
    expect(cardApplication(encodeIcc(icc))).toEqual({ application: 'a0000000041010-02', counter: 65_535 });
  });

  test.each(['84', '9F36'])('is asked for appraised data only: without %s it throws', (tag) => {
    const icc = iccElements(TERMS);
    icc.delete(tag);
    expect(() => cardApplication(encodeIcc(icc))).toThrow('not appraised');
    expect(() => cardApplication(Buffer.from('zz'))).toThrow('not appraised');
  });
});
