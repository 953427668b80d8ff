import { expect, test } from '@jest/globals';
import { readElements } from '../../src/emv/elements.ts';
import { readTap, recordedTap } from '../../src/emv/record.ts';
import { encodeIcc, iccElements } from '../support/icc.ts';
import { unwrap } from '../support/unwrap.ts';

const TERMS = { type: 'sale', amountMinor: 1250n, currency: 978, merchant: 'm', order: 'o' } as const;

/** What a card and a terminal may add to what every payment carries. */
const ADDED: Readonly<Record<string, string>> = {
  '4F': 'a000000004',
  '5F34': '01',
  '94': '0801010010010301',
  '9F06': 'a0000000041010',
  '9F35': '22',
  '9F39': '07',
  '9F66': '24804000',
  '9F6C': '8000',
  '9F6E': '20700000',
};

const keptOf = (icc: ReadonlyMap<string, string>): Record<string, string> => {
  const kept = recordedTap(readTap(encodeIcc(icc)));
  if (!('emvData' in kept)) throw new Error('unreadable');
  const elements = unwrap(readElements(kept.emvData));
  return Object.fromEntries([...elements].map(([tag, value]) => [tag, Buffer.from(value).toString('hex')]));
};

test('a tap keeps every element that the rules or the cryptogram read, byte for byte', () => {
  const full = new Map([...iccElements(TERMS), ...Object.entries(ADDED)]);
  expect(keptOf(full)).toEqual(Object.fromEntries(full));
});

test.each(Object.keys(ADDED))('a tap without %s keeps the rest', (tag) => {
  const full = new Map([...iccElements(TERMS), ...Object.entries(ADDED)]);
  full.delete(tag);
  expect(keptOf(full)).toEqual(Object.fromEntries(full));
});

test('a tap is kept alike, in whatever order its elements came', () => {
  const full = [...iccElements(TERMS), ...Object.entries(ADDED)];
  expect(recordedTap(readTap(encodeIcc(new Map(full.toReversed()))))).toEqual(
    recordedTap(readTap(encodeIcc(new Map(full)))),
  );
});
