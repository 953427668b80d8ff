import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cardApplication } from '../../src/emv/card-application.ts';
import { readIccData } from '../../src/emv/icc.ts';
import { readTap, recordedTap } from '../../src/emv/record.ts';
import { appraiseTap } from '../../src/emv/tap.ts';
import { encodeIcc, iccElements, iccWithPin } from '../support/icc.ts';

const TERMS = { type: 'sale', amountMinor: 1250n, currency: 978, merchant: 'm', order: 'o' } as const;
const AT = new Date('2026-03-01T12:00:00Z');

describe('a tap as it is kept', () => {
  test.each([iccElements(TERMS), iccWithPin(TERMS)])('is judged as it was', (icc) => {
    const kept = recordedTap(readTap(encodeIcc(icc)));
    if (!('emvData' in kept)) throw new Error('unreadable');
    expect(appraiseTap(kept.emvData, TERMS, AT)).toEqual(appraiseTap(encodeIcc(icc), TERMS, AT));
  });

  test('holds what rules look at, and nothing else', () => {
    const icc = iccElements(TERMS);
    const kept = recordedTap(readTap(encodeIcc(new Map([...icc, ['DF8101', 'aabb'], ['9F7C', 'ccdd']]))));
    expect(kept).toEqual(recordedTap(readTap(encodeIcc(icc))));
  });

  test.each([
    ['5A', '4761739001010010', 'EMV_TAG_FORBIDDEN'],
    ['9F39', '91', 'EMV_MAGNETIC_STRIPE'],
    ['9F36', '0000', 'EMV_MALFORMED'],
  ])('is its reason alone where %s is %s', (tag, value, reason) => {
    expect(recordedTap(readTap(encodeIcc(iccElements(TERMS).set(tag, value))))).toEqual({ unreadable: reason });
  });
});

/** Elements that a phone may write, over those of an honest tap: null leaves one out. */
const WRITTEN: Readonly<Record<string, readonly (string | null)[]>> = {
  84: ['a0000000041010', 'a0000000031010', 'a000000333010101', 'a0000006581010', 'a0000002771010', null],
  '4F': ['a0000000041010', 'a000000333', '00', null],
  '5F20': ['4e414d45', null],
  '5F34': ['01', 'ff', null],
  82: ['1980', '1b80', '19'],
  95: ['0000008000', '0000048000', '0000808000'],
  '9A': ['260301', '260227'],
  '9C': ['00', '20'],
  '9F1A': ['0276', '0000'],
  '9F27': ['80', '40', '00'],
  '9F33': ['004808', '000808'],
  '9F34': ['1f0302', '420300', '010002', '000001', null],
  '9F36': ['0102', '0000'],
  '9F39': ['07', '91', '05', null],
  '9F61': ['11223344', null],
  '9F66': ['26000000', '24c04000', '24804000', '000e', null],
  '9F6C': ['8000', '0080', '0001', '00', null],
  '9F6E': ['20700000', '00', null],
  '9F7C': ['00', null],
};

test('a tap as it is kept is judged as the whole tap was, whatever a phone writes', () => {
  const reasons = new Set<string>();
  const written = fc.record(
    Object.fromEntries(Object.entries(WRITTEN).map(([tag, values]) => [tag, fc.constantFrom(...values)])),
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(written, (changes) => {
      const icc = iccElements(TERMS);
      for (const [tag, value] of Object.entries(changes)) {
        if (value === null || value === undefined) icc.delete(tag);
        else icc.set(tag, value);
      }
      const judged = appraiseTap(encodeIcc(icc), TERMS, AT);
      const kept = recordedTap(readTap(encodeIcc(icc)));
      const again = 'emvData' in kept ? appraiseTap(kept.emvData, TERMS, AT) : { ok: false, reason: kept.unreadable };
      reasons.add(judged.ok ? 'none' : judged.reason);
      expect(again).toMatchObject(judged.ok ? judged : { ok: false, reason: judged.reason });
    }),
    { seed: 1, numRuns: 5000 },
  );
  expect([...reasons]).toEqual(expect.arrayContaining(['none', 'EMV_TAG_FORBIDDEN', 'EMV_CONTRADICTORY']));
});

test('a tap that names the cardholder is kept as that, and refused so again', () => {
  const icc = iccElements(TERMS).set('84', 'a000000333010101').set('9F66', '26000000').set('9F61', '11223344');
  expect(appraiseTap(encodeIcc(icc), TERMS, AT)).toMatchObject({ reason: 'EMV_TAG_FORBIDDEN' });
  expect(recordedTap(readTap(encodeIcc(icc)))).toEqual({ unreadable: 'EMV_TAG_FORBIDDEN' });
});

describe("a card's application", () => {
  test('is named by its DF name and the sequence number of its PAN', () => {
    const icc = iccElements(TERMS);
    const cryptogram = Buffer.from('1122334455667788', 'hex');
    expect(cardApplication(readIccData(encodeIcc(icc)))).toEqual({
      application: 'a0000000041010-',
      counter: 258,
      cryptogram,
    });
    icc.set('5F34', '02').set('9F36', 'ffff');
    expect(cardApplication(readIccData(encodeIcc(icc)))).toEqual({
      application: 'a0000000041010-02',
      counter: 65_535,
      cryptogram,
    });
  });

  test.each(['84', '9F26', '9F36'])('is asked for appraised data only: without %s it throws', (tag) => {
    const icc = iccElements(TERMS);
    icc.delete(tag);
    expect(() => cardApplication(readIccData(encodeIcc(icc)))).toThrow('not appraised');
    expect(() => cardApplication(readIccData(Buffer.from('zz')))).toThrow('not appraised');
  });
});
