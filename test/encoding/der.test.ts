import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type DerFailure, type DerReader, readDer } from '../../src/encoding/der.ts';
import { dottedOid, oidContent } from '../../src/encoding/der-oid.ts';
import { explicitNumber, explicitTag, NO_TAG, TAG } from '../../src/encoding/der-tag.ts';
import { derExplicit, derInteger, derOctetString, derSequence } from '../../src/virtual/keymint/der.ts';

const LIMITS = { maximumBytes: 1024, maximumDepth: 4 };
const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const read = <T>(hex: string, parse: (der: DerReader) => T, limits = LIMITS) => readDer(bytes(hex), limits, parse);

/** Reads anything, as deep as it goes. */
function walk(der: DerReader): void {
  for (let tag = der.peek(); tag !== NO_TAG; tag = der.peek()) {
    if ((tag & 1) === 0) der.skip();
    else {
      const outer = der.enter(tag);
      walk(der);
      der.leave(outer);
    }
  }
}

describe('what is DER is read', () => {
  test('a sequence of the universal types', () => {
    const value = read('30 15 01 01 ff 02 02 00 80 04 02 ca fe 05 00 0a 01 02 03 03 00 aa bb', (der) => {
      const outer = der.enter(TAG.SEQUENCE);
      const parts = [
        der.boolean(),
        der.unsigned(),
        Buffer.from(der.content(TAG.OCTET_STRING)).toString('hex'),
        der.content(TAG.NULL).length,
        der.unsigned(TAG.ENUMERATED),
        Buffer.from(der.wholeBytes()).toString('hex'),
      ];
      der.leave(outer);
      return parts;
    });
    expect(value).toEqual({ ok: true, value: [true, 128, 'cafe', 0, 2, 'aabb'] });
  });

  test('an explicit tag in the multi-byte form', () => {
    const inner = read('bf 85 40 03 02 01 07', (der) => {
      const tag = der.peek();
      const outer = der.enter(explicitTag(704));
      const value = der.unsigned();
      der.leave(outer);
      return [explicitNumber(tag), value];
    });
    expect(inner).toEqual({ ok: true, value: [704, 7] });
  });

  test('the largest integer that a number holds, and any integer as bytes', () => {
    expect(read('02 07 1f ff ff ff ff ff ff', (der) => der.unsigned())).toEqual({
      ok: true,
      value: Number.MAX_SAFE_INTEGER,
    });
    expect(read('02 02 ff 7f', (der) => Buffer.from(der.integer()).toString('hex'))).toEqual({
      ok: true,
      value: 'ff7f',
    });
  });

  test('whole elements, what is left of one, and identifiers', () => {
    const value = read('30 0b 06 03 2a 03 04 02 01 01 02 01 02', (der) => {
      const whole = der.preview(TAG.SEQUENCE).length;
      const outer = der.enter(TAG.SEQUENCE);
      const other = der.takeOid(oidContent('1.2.3.5'));
      const taken = der.takeOid(oidContent('1.2.3.4'));
      const integer = Buffer.from(der.element(TAG.INTEGER)).toString('hex');
      const rest = Buffer.from(der.rest()).toString('hex');
      der.leave(outer);
      return { whole, other, taken, integer, rest };
    });
    expect(value).toEqual({
      ok: true,
      value: { whole: 13, other: false, taken: true, integer: '020101', rest: '020102' },
    });
  });

  test('a BOOLEAN that is true and not 0xFF is counted where it is borne with', () => {
    const tolerant = { ...LIMITS, tolerateBooleans: true };
    const count = (der: DerReader) => [der.boolean(), der.irregularBooleans];
    expect(read('01 01 01', count, tolerant)).toEqual({ ok: true, value: [true, 1] });
    expect(read('01 01 ff', count, tolerant)).toEqual({ ok: true, value: [true, 0] });
    expect(read('01 01 00', count, tolerant)).toEqual({ ok: true, value: [false, 0] });
  });
});

describe('what is not DER is refused with its reason', () => {
  const refusals: [name: string, hex: string, parse: (der: DerReader) => unknown, failure: DerFailure][] = [
    ['nothing at all', '', (der) => der.unsigned(), 'DER_TRUNCATED'],
    ['a tag without a length', '02', (der) => der.unsigned(), 'DER_TRUNCATED'],
    ['content that ends early', '04 05 01 02', (der) => der.content(TAG.OCTET_STRING), 'DER_TRUNCATED'],
    ['a length that ends early', '04 82 01', (der) => der.content(TAG.OCTET_STRING), 'DER_TRUNCATED'],
    ['a high tag that ends early', 'bf 85', walk, 'DER_TRUNCATED'],
    ['an element over the end of its parent', '30 03 04 05 00', walk, 'DER_TRUNCATED'],
    [
      'an element that is missing',
      '30 00',
      (der) => der.leave(der.enter(TAG.SEQUENCE) + der.unsigned()),
      'DER_TRUNCATED',
    ],
    ['skipping what is not there', '30 00', (der) => [der.enter(TAG.SEQUENCE), der.skip()], 'DER_TRUNCATED'],
    ['bytes after the element', '05 00 00', (der) => der.content(TAG.NULL), 'DER_TRAILING_BYTES'],
    [
      'an element that is not read to its end',
      '30 02 05 00',
      (der) => der.leave(der.enter(TAG.SEQUENCE)),
      'DER_TRAILING_BYTES',
    ],
    ['another tag', '04 00', (der) => der.unsigned(), 'DER_TAG_UNEXPECTED'],
    ['a high tag number below 31', 'bf 1e 00', walk, 'DER_TAG_NOT_MINIMAL'],
    ['a padded tag number', 'bf 80 85 40 00', walk, 'DER_TAG_NOT_MINIMAL'],
    ['a tag number of five digits', 'bf 81 80 80 80 00 00', walk, 'DER_TAG_TOO_LARGE'],
    ['a tag number without an end', `bf${'ff'.repeat(64)}`, walk, 'DER_TAG_TOO_LARGE'],
    ['the indefinite length', '30 80 05 00 00 00', walk, 'DER_LENGTH_INDEFINITE'],
    ['a short length in the long form', '04 81 01 00', walk, 'DER_LENGTH_NOT_MINIMAL'],
    ['a padded length', `04 82 00 80 ${'00'.repeat(128)}`, walk, 'DER_LENGTH_NOT_MINIMAL'],
    ['a length of five digits', '04 85 01 00 00 00 00', walk, 'DER_TOO_LARGE'],
    ['the reserved length', '04 ff', walk, 'DER_TOO_LARGE'],
    ['elements in elements in elements', '30 08 30 06 30 04 30 02 30 00', walk, 'DER_TOO_DEEP'],
    ['an empty BOOLEAN', '01 00', (der) => der.boolean(), 'DER_BOOLEAN_INVALID'],
    ['a BOOLEAN of two bytes', '01 02 ff ff', (der) => der.boolean(), 'DER_BOOLEAN_INVALID'],
    ['a BOOLEAN that is neither', '01 01 01', (der) => der.boolean(), 'DER_BOOLEAN_INVALID'],
    ['an empty INTEGER', '02 00', (der) => der.unsigned(), 'DER_INTEGER_INVALID'],
    ['a padded INTEGER', '02 02 00 7f', (der) => der.unsigned(), 'DER_INTEGER_INVALID'],
    ['a padded negative INTEGER', '02 02 ff 80', (der) => der.integer(), 'DER_INTEGER_INVALID'],
    ['a negative INTEGER where none may be', '02 01 80', (der) => der.unsigned(), 'DER_INTEGER_INVALID'],
    ['an INTEGER over 2⁵³', '02 07 20 00 00 00 00 00 00', (der) => der.unsigned(), 'DER_INTEGER_TOO_LARGE'],
    [
      'an INTEGER of a thousand bytes',
      `02 82 03 e8 01 ${'00'.repeat(999)}`,
      (der) => der.unsigned(),
      'DER_INTEGER_TOO_LARGE',
    ],
    ['a BIT STRING with unused bits', '03 02 04 f0', (der) => der.wholeBytes(), 'DER_BIT_STRING_INVALID'],
    ['an empty BIT STRING', '03 00', (der) => der.wholeBytes(), 'DER_BIT_STRING_INVALID'],
    ['more bytes than the limit', `04 82 04 00 ${'00'.repeat(1024)}`, walk, 'DER_TOO_LARGE'],
  ];

  test.each(refusals)('%s', (_, hex, parse, failure) => {
    expect(read(hex, parse)).toEqual({ ok: false, reason: failure });
  });

  test('the first failure stands, and nothing can be read after it', () => {
    const seen: unknown[] = [];
    const result = read('04 01 aa', (der) => {
      der.fail('DER_VALUE_INVALID');
      der.fail('DER_TOO_DEEP');
      seen.push(der.peek(), der.unsigned(), der.boolean(), der.content(TAG.OCTET_STRING).length, der.rest().length);
      seen.push(der.integer().length, der.wholeBytes().length, der.preview(TAG.SEQUENCE).length, der.enter(TAG.SET));
      der.skip();
      der.leave(3);
    });
    expect(result).toEqual({ ok: false, reason: 'DER_VALUE_INVALID' });
    expect(seen).toEqual([NO_TAG, 0, false, 0, 0, 0, 0, 0, 0]);
  });
});

describe('properties', () => {
  test('any bytes are read or refused, never thrown over', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (input) => {
        const result = readDer(input, LIMITS, walk);
        return result.ok || result.reason.startsWith('DER_');
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  test('what is written is read back', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 2 ** 28 - 1 }),
        fc.maxSafeNat(),
        fc.uint8Array({ maxLength: 300 }),
        (tag, number, octets) => {
          const der = derSequence(derExplicit(tag, derInteger(number)), derOctetString(octets));
          const back = readDer(der, LIMITS, (reader) => {
            const outer = reader.enter(TAG.SEQUENCE);
            const stated = explicitNumber(reader.peek());
            const inner = reader.enter(explicitTag(stated));
            const value = reader.unsigned();
            reader.leave(inner);
            const content = Buffer.from(reader.content(TAG.OCTET_STRING));
            reader.leave(outer);
            return { stated, value, content };
          });
          expect(back).toEqual({ ok: true, value: { stated: tag, value: number, content: Buffer.from(octets) } });
        },
      ),
      { seed: 1 },
    );
  });
});

describe('object identifiers', () => {
  test.each([
    ['1.2.840.113549.1.1.11', '2a864886f70d01010b'],
    ['2.5.29.15', '551d0f'],
    ['2.999.3', '883703'],
    ['1.3.6.1.4.1.11129.2.1.17', '2b06010401d679020111'],
  ])('%s is %s', (dotted, hex) => {
    expect(Buffer.from(oidContent(dotted)).toString('hex')).toBe(hex);
    expect(dottedOid(bytes(hex))).toBe(dotted);
  });

  test.each(['', '1', '3.1', '1.2.-3', '1.2.x'])('"%s" is none', (text) => {
    expect(() => oidContent(text)).toThrow(TypeError);
  });

  test.each([
    ['nothing', ''],
    ['an arc without an end', '2a86'],
    ['an arc over 2⁵³', `2a${'ff'.repeat(12)}01`],
    ['more than 32 bytes', '2a'.repeat(33)],
  ])('%s is shown in hex', (_, hex) => {
    expect(dottedOid(bytes(hex))).toBe(`hex:${hex.slice(0, 64)}`);
  });
});
