import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type CanonicalField, canonicalBytes } from '../../src/encoding/canonical.ts';

describe('canonical bytes', () => {
  test('are the context and each field, after their lengths', () => {
    const bytes = canonicalBytes('ctx', Buffer.of(1, 2), 'é', 258n, '');
    expect(bytes.toString('hex')).toBe(
      '00000003' + '637478' + '00000002' + '0102' + '00000002' + 'c3a9' + '00000008' + '0000000000000102' + '00000000',
    );
  });

  test('of two lists of fields are the same only where the fields are', () => {
    const list = fc.tuple(fc.string(), fc.array(fc.uint8Array({ maxLength: 6 }), { maxLength: 4 }));
    // A list, and one that begins as it does but is divided elsewhere: what a plain concatenation would confuse.
    const divided = list.chain(([context, fields]) => {
      const all = Buffer.concat(fields);
      return fc.nat(all.length).map((at) => [context, [all.subarray(0, at), all.subarray(at)]] as const);
    });
    const text = ([context, fields]: readonly [string, readonly Uint8Array[]]): string =>
      JSON.stringify([context, ...fields.map((field) => Buffer.from(field).toString('hex'))]);
    fc.assert(
      fc.property(list, fc.oneof(list, divided), (one, other) => {
        const same = canonicalBytes(one[0], ...one[1]).equals(canonicalBytes(other[0], ...other[1]));
        expect(same).toBe(text(one) === text(other));
      }),
      { seed: 1, numRuns: 1000 },
    );
  });

  test.each<[string, CanonicalField[], CanonicalField[]]>([
    ['moving a byte from one field to the next', ['ab', 'c'], ['a', 'bc']],
    ['dividing a field', ['abc'], ['a', 'bc']],
    ['leaving out an empty field', ['a', ''], ['a']],
    ['writing a length into a field', ['\0\0\0\x01a'], ['', 'a']],
  ])('are changed by %s', (_what, one, other) => {
    expect(canonicalBytes('ctx', ...one).equals(canonicalBytes('ctx', ...other))).toBe(false);
  });

  test('hold integers of 64 bits and no others', () => {
    expect(
      canonicalBytes('', 2n ** 64n - 1n)
        .subarray(8)
        .toString('hex'),
    ).toBe('ff'.repeat(8));
    expect(() => canonicalBytes('', 2n ** 64n)).toThrow(RangeError);
    expect(() => canonicalBytes('', -1n)).toThrow(RangeError);
  });
});
