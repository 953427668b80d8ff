import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compareWithTerms, readIccData } from '../../src/emv/icc.ts';
import { tlv } from '../../src/encoding/tlv.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';
import { encodeIcc, iccElements } from '../support/icc.ts';
import { unwrap } from '../support/unwrap.ts';

const TERMS: TransactionTerms = {
  type: 'sale',
  amountMinor: 1250n,
  currency: 978,
  merchant: 'shop-1',
  order: 'order-1',
};
const TAP = iccElements(TERMS);
/** What a Mastercard kernel gives beyond what every kernel gives. */
const KERNEL_ONLY = ['9F34'];
const REQUIRED = [...TAP.keys()].filter((tag) => !KERNEL_ONLY.includes(tag));
const FORBIDDEN = ['56', '57', '5A', '5F20', '5F24', '5F53', '99', '9F0B', '9F1F', '9F20', '9F6B', 'DF812A', 'DF812B'];

const bent = (tag: string, value: string | null): Buffer => {
  const elements = new Map(TAP);
  if (value === null) elements.delete(tag);
  else elements.set(tag, value);
  return encodeIcc(elements);
};

const reasonOf = (bytes: Uint8Array): Reason | null => {
  const read = readIccData(bytes);
  return read.ok ? null : read.reason;
};

const below = (depth: number, element: Buffer): Buffer =>
  Array.from({ length: depth }).reduce<Buffer>((inner, _, index) => tlv(`E${index + 1}`, inner), element);

describe('ICC data', () => {
  test('is read by tag, templates and all', () => {
    const icc = unwrap(readIccData(Buffer.concat([encodeIcc(TAP), below(3, tlv('9F6E', Buffer.of(1)))])));
    expect([...icc.keys()].toSorted()).toEqual([...TAP.keys(), '9F6E', 'E1', 'E2', 'E3'].toSorted());
    expect(icc.get('9F26')).toEqual(Buffer.from('1122334455667788', 'hex'));
  });

  test.each(REQUIRED)('is refused without %s, and names it', (tag) => {
    expect(readIccData(bent(tag, null))).toMatchObject({ reason: 'EMV_TAG_MISSING', detail: tag });
  });

  test.each(REQUIRED)('is refused with %s empty, or longer than EMV has it', (tag) => {
    expect(readIccData(bent(tag, ''))).toMatchObject({ reason: 'EMV_MALFORMED', detail: tag });
    expect(readIccData(bent(tag, '00'.repeat(33)))).toMatchObject({ reason: 'EMV_MALFORMED', detail: tag });
  });

  test.each(FORBIDDEN)('is refused with account data in clear (%s), however deep it is hidden', (tag) => {
    for (const depth of [0, 1, 2, 3]) {
      const hidden = Buffer.concat([encodeIcc(TAP), below(depth, tlv(tag, Buffer.alloc(8)))]);
      expect(readIccData(hidden)).toMatchObject({ reason: 'EMV_TAG_FORBIDDEN', detail: tag });
    }
  });

  test.each<[string, Buffer]>([
    ['a tag twice', Buffer.concat([encodeIcc(TAP), tlv('9A', Buffer.alloc(3))])],
    ['a tag again below a template', Buffer.concat([encodeIcc(TAP), below(1, tlv('9F02', Buffer.alloc(6)))])],
    ['bytes after its end', Buffer.concat([encodeIcc(TAP), Buffer.of(0)])],
    ['five levels', Buffer.concat([encodeIcc(TAP), below(4, tlv('9F6E', Buffer.of(1)))])],
    ['2 049 bytes', Buffer.concat([encodeIcc(TAP), tlv('DF01', Buffer.alloc(2049))])],
    ['129 elements', Buffer.concat(Array.from({ length: 129 }, (_, index) => tlv(`DF${hex(index)}`, Buffer.alloc(0))))],
  ])('is refused with %s', (_what, bytes) => {
    expect(reasonOf(bytes)).toBe('EMV_MALFORMED');
  });

  test('of any bytes is read or refused, and nothing is thrown', () => {
    const good = encodeIcc(TAP);
    const mutated = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 3 }).map((changes) => {
      const bytes = Buffer.from(good);
      for (const [at, byte] of changes) bytes[at] = byte;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
        const read = readIccData(bytes);
        if (read.ok) expect([true, false]).toContain(compareWithTerms(read.value, TERMS).ok);
      }),
      { seed: 4, numRuns: 1500 },
    );
  });
});

function hex(index: number): string {
  return index < 128 ? index.toString(16).padStart(2, '0') : `81${(index - 128).toString(16).padStart(2, '0')}`;
}

describe('a known element is refused in another form than EMV gives it:', () => {
  test.each([
    ['9F02', '0000000004e2'],
    ['9F02', '0000001250'],
    ['9F03', '00000000000f'],
    ['5F2A', '0a78'],
    ['5F2A', '978f'],
    ['9C', '0f'],
    ['9C', 'f0'],
    ['9A', '26030a'],
    ['9F1A', '0000'],
    ['9F1A', '02a6'],
    ['9F36', '0000'],
    ['9F26', '11223344556677'],
    ['9F37', '5a5a5a'],
    ['95', '00000080'],
    ['9F27', '8000'],
    ['82', '198000'],
    ['84', 'a0000000'],
    ['9F10', '00'.repeat(33)],
    ['9F33', '0048'],
    ['9F34', '1f03'],
    ['9F35', '2a'],
    ['9F35', '0022'],
    ['9F06', 'a0000000'],
    ['4F', '00'.repeat(17)],
    ['5F34', '0a'],
    ['94', ''],
    ['94', '080101'],
    ['94', '09010100'],
    ['94', '00010100'],
    ['94', 'f8010100'],
    ['94', '08000100'],
    ['94', '08020100'],
    ['94', '08010203'],
    ['94', '0801010010010200ff010100'],
    ['94', '08010100080101'],
    ['9F39', '0700'],
  ])('%s %s', (tag, value) => {
    expect(readIccData(bent(tag, value))).toMatchObject({ reason: 'EMV_MALFORMED', detail: tag });
  });

  test.each([
    ['94', '0801010010010301f0050500'],
    ['94', '08010101'],
    ['9F35', '22'],
    ['5F34', '99'],
    ['9F36', 'ffff'],
    ['9F1A', '0004'],
    ['9F10', '06'],
    ['9F10', 'ff'.repeat(32)],
    ['9F39', '07'],
  ])('but is taken as %s %s', (tag, value) => {
    expect(readIccData(bent(tag, value)).ok).toBe(true);
  });

  test('an element that no rule names is passed on unread', () => {
    expect(unwrap(readIccData(bent('DF01', 'ffff'))).get('DF01')).toEqual(Buffer.of(0xff, 0xff));
  });
});

describe('what the card signed is compared with the terms', () => {
  const compared = (terms: Partial<TransactionTerms>, tag: string | null = null, value = ''): Reason | null => {
    const wanted = { ...TERMS, ...terms };
    const elements = iccElements(wanted);
    if (tag !== null) elements.set(tag, value);
    const answer = compareWithTerms(unwrap(readIccData(encodeIcc(elements))), wanted);
    return answer.ok ? null : answer.reason;
  };

  test.each<[string, Partial<TransactionTerms>]>([
    ['a sale', {}],
    ['a refund', { type: 'refund' }],
    ['a void', { type: 'void' }],
    ['a zero amount', { type: 'zero-amount', amountMinor: 0n }],
    ['the largest amount of 9F02', { amountMinor: 999_999_999_999n }],
    ['a currency with leading zeros', { currency: 36 }],
  ])('and agrees: %s', (_what, terms) => {
    expect(compared(terms)).toBeNull();
  });

  test.each<[string, string, string, Reason]>([
    ['a minor unit more', '9F02', '000000001251', 'EMV_AMOUNT_MISMATCH'],
    ['a hundred times the amount', '9F02', '000000125000', 'EMV_AMOUNT_MISMATCH'],
    ['cashback', '9F03', '000000000001', 'EMV_AMOUNT_MISMATCH'],
    ['another currency', '5F2A', '0840', 'EMV_CURRENCY_MISMATCH'],
    ['a refund instead of a sale', '9C', '20', 'EMV_TYPE_MISMATCH'],
    ['cash instead of a sale', '9C', '01', 'EMV_TYPE_MISMATCH'],
    ['a card that has declined', '9F27', '00', 'EMV_CARD_DECLINED'],
    ['a card that has declined, with a reason', '9F27', '09', 'EMV_CARD_DECLINED'],
    ['a card that has approved offline', '9F27', '40', 'EMV_OFFLINE_CRYPTOGRAM'],
    ['a kind of cryptogram that is not assigned', '9F27', 'c0', 'EMV_MALFORMED'],
  ])('and is refused: %s', (_what, tag, value, reason) => {
    expect(compared({}, tag, value)).toBe(reason);
  });

  test.each(['9F02', '9F03', '5F2A', '9C'])('and is refused where %s is not there to compare', (tag) => {
    const icc = new Map(unwrap(readIccData(encodeIcc(TAP))));
    icc.delete(tag);
    expect(compareWithTerms(icc, TERMS)).toMatchObject({ reason: 'EMV_MALFORMED', detail: tag });
  });

  test.each([
    ['9F02', '0000000004e2'],
    ['9F02', 'e00000001250'],
    ['9F02', '00001250'],
    ['9F03', 'f00000000000'],
    ['5F2A', 'a978'],
    ['9C', '0f'],
  ])('and is refused where %s is no number (%s), whoever has read it', (tag, value) => {
    const icc = new Map(unwrap(readIccData(encodeIcc(TAP)))).set(tag, Buffer.from(value, 'hex'));
    expect(compareWithTerms(icc, TERMS)).toMatchObject({ reason: 'EMV_MALFORMED', detail: tag });
  });

  test('and is refused without a kind of cryptogram, as declined', () => {
    const icc = new Map(unwrap(readIccData(encodeIcc(TAP))));
    icc.delete('9F27');
    expect(compareWithTerms(icc, TERMS)).toMatchObject({ reason: 'EMV_CARD_DECLINED' });
  });

  test('and an amount that no card can sign is never matched', () => {
    const elements = new Map(TAP);
    elements.set('9F02', '000000000000');
    const icc = unwrap(readIccData(encodeIcc(elements)));
    expect(compareWithTerms(icc, { ...TERMS, amountMinor: 10n ** 12n })).toMatchObject({
      reason: 'EMV_AMOUNT_MISMATCH',
    });
  });
});
