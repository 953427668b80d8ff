import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type CborFailure, decodeCbor } from '../../src/encoding/cbor.ts';

const LIMITS = { maximumBytes: 256, maximumDepth: 4, maximumItems: 32 };
const decode = (hex: string) => decodeCbor(Buffer.from(hex.replaceAll(' ', ''), 'hex'), LIMITS);

describe('CBOR of definite length is decoded', () => {
  // RFC 8949 Appendix A.
  test.each([
    ['00', 0],
    ['17', 23],
    ['18 18', 24],
    ['19 03 e8', 1000],
    ['1a 00 0f 42 40', 1_000_000],
    ['1b 00 00 00 e8 d4 a5 10 00', 1_000_000_000_000],
    ['20', -1],
    ['39 03 e7', -1000],
    ['f4', false],
    ['f5', true],
    ['f6', null],
    ['64 49 45 54 46', 'IETF'],
    ['62 c3 bc', 'ü'],
    ['44 01 02 03 04', Uint8Array.of(1, 2, 3, 4)],
    ['83 01 02 03', [1, 2, 3]],
    [
      'a2 01 02 03 04',
      new Map([
        [1, 2],
        [3, 4],
      ]),
    ],
    [
      'a2 61 61 01 61 62 82 02 03',
      new Map<string, unknown>([
        ['a', 1],
        ['b', [2, 3]],
      ]),
    ],
  ])('%s', (hex, value) => {
    expect(decode(hex)).toEqual({ ok: true, value });
  });
});

describe('what is not is refused with its reason', () => {
  test.each<[name: string, hex: string, failure: CborFailure]>([
    ['nothing', '', 'CBOR_TRUNCATED'],
    ['text that ends early', '63 61', 'CBOR_TRUNCATED'],
    ['a map that ends early', 'a2 01 02', 'CBOR_TRUNCATED'],
    ['a string longer than memory', '5b 00 1f ff ff ff ff ff ff', 'CBOR_TRUNCATED'],
    ['an item after the item', '00 00', 'CBOR_TRAILING_BYTES'],
    ['a padded integer', '18 17', 'CBOR_NOT_MINIMAL'],
    ['a padded integer of 8 bytes', '1b 00 00 00 00 00 00 00 01', 'CBOR_NOT_MINIMAL'],
    ['an indefinite array', '9f ff', 'CBOR_INDEFINITE'],
    ['a reserved argument', '1c', 'CBOR_TYPE_UNSUPPORTED'],
    ['a tag', 'c0 00', 'CBOR_TYPE_UNSUPPORTED'],
    ['a floating point number', 'f9 00 00', 'CBOR_TYPE_UNSUPPORTED'],
    ['an integer over 2⁵³', '1b ff ff ff ff ff ff ff ff', 'CBOR_TOO_LARGE'],
    ['a negative integer under −2⁵³', '3b 00 20 00 00 00 00 00 00', 'CBOR_TOO_LARGE'],
    ['more items than the limit', `98 28 ${'00'.repeat(40)}`, 'CBOR_TOO_LARGE'],
    ['an array that claims a thousand million items', '9a 3b 9a ca 00 00', 'CBOR_TRUNCATED'],
    ['arrays in arrays', '81'.repeat(6), 'CBOR_TOO_DEEP'],
    ['a key that stands twice', 'a2 01 02 01 03', 'CBOR_DUPLICATE_KEY'],
    ['a key that is an array', 'a1 80 00', 'CBOR_KEY_TYPE'],
    ['text that is not UTF-8', '61 ff', 'CBOR_TEXT_INVALID'],
    ['more bytes than the limit', `59 01 00 ${'00'.repeat(256)}`, 'CBOR_TOO_LARGE'],
  ])('%s', (_, hex, reason) => {
    expect(decode(hex)).toEqual({ ok: false, reason });
  });

  test('any bytes are decoded or refused, never thrown over', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (input) => {
        const result = decodeCbor(input, LIMITS);
        return result.ok || result.reason.startsWith('CBOR_');
      }),
      { seed: 1, numRuns: 2000 },
    );
  });
});
