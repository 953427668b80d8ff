import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readTlv, type TlvElement, type TlvFault, type TlvLimits, tlv } from '../../src/encoding/tlv.ts';
import { unwrap } from '../support/unwrap.ts';

const WIDE: TlvLimits = { maximumBytes: 100_000, maximumDepth: 8, maximumElements: 1000 };

/** What is to be encoded: bytes, or further elements. */
interface Node {
  readonly tag: string;
  readonly content: Buffer | readonly Node[];
}

const encode = (nodes: readonly Node[]): Buffer =>
  Buffer.concat(
    nodes.map(({ tag, content }) => tlv(tag, Buffer.isBuffer(content) ? content : encode(content as Node[]))),
  );

const strip = (elements: readonly TlvElement[]): Node[] =>
  elements.map(({ tag, value, children }) => ({
    tag,
    content: (Number.parseInt(tag.slice(0, 2), 16) & 0x20) !== 0 ? strip(children) : Buffer.from(value),
  }));

/** Tags of one to three bytes: class and form in the first one, the number in its low bits or in what follows. */
const tagOf = (constructed: boolean) => {
  const form = constructed ? 0x20 : 0;
  const short = fc
    .tuple(fc.nat(3), fc.nat(0x1e))
    .map(([type, number]) => [(type << 6) | form | number])
    .filter(([first]) => first !== 0);
  const long = fc
    .tuple(fc.nat(3), fc.nat(0x7f), fc.option(fc.nat(0x7f), { nil: null }))
    .map(([type, low, high]) => [(type << 6) | form | 0x1f, ...(high === null ? [low] : [high | 0x80, low])])
    .filter(([first]) => first !== 0xff);
  return fc.oneof(short, long).map((bytes) => Buffer.from(bytes).toString('hex').toUpperCase());
};

const unique = (node: fc.Arbitrary<Node>) => fc.uniqueArray(node, { maxLength: 5, selector: ({ tag }) => tag });
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.constantFrom(127, 128, 255, 256, 300).map((length) => new Uint8Array(length).fill(0x5a)),
);
const primitive = fc.record({ tag: tagOf(false), content: bytes.map((content) => Buffer.from(content)) });
const { nodes } = fc.letrec<{ node: Node; nodes: Node[] }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    primitive,
    fc.record({ tag: tagOf(true), content: tie('nodes') }),
  ),
  nodes: unique(tie('node')),
}));

const fault = (hex: string, limits = WIDE): TlvFault | null => {
  const read = readTlv(Buffer.from(hex, 'hex'), limits);
  return read.ok ? null : read.reason;
};

describe('BER-TLV', () => {
  test('is read as it was written, whatever its tags, lengths and depth', () => {
    fc.assert(
      fc.property(nodes, (written) => {
        expect(strip(unwrap(readTlv(encode(written), WIDE)))).toEqual(written);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test('of any bytes is read within its bounds or refused, and nothing is thrown', () => {
    const limits: TlvLimits = { maximumBytes: 64, maximumDepth: 3, maximumElements: 10 };
    const measure = (elements: readonly TlvElement[]): { count: number; depth: number } =>
      elements.reduce(
        (sum, { children }) => {
          const inner = measure(children);
          return { count: sum.count + 1 + inner.count, depth: Math.max(sum.depth, 1 + inner.depth) };
        },
        { count: 0, depth: 0 },
      );
    const bent = fc.tuple(nodes, fc.nat(), fc.nat(255)).map(([written, at, byte]) => {
      const encoded = encode(written);
      if (encoded.length > 0) encoded[at % encoded.length] = byte;
      return encoded;
    });
    let read = 0;
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), bent), (input) => {
        const answer = readTlv(input, limits);
        if (!answer.ok) return;
        read += 1;
        expect(input.length).toBeLessThanOrEqual(64);
        const { count, depth } = measure(answer.value);
        expect(count).toBeLessThanOrEqual(10);
        expect(depth).toBeLessThanOrEqual(3);
      }),
      { seed: 1, numRuns: 2000 },
    );
    expect(read).toBeGreaterThan(100);
  });

  test.each<[string, string, TlvFault | null]>([
    ['nothing', '', null],
    ['an empty value', '9A00', null],
    ['second tag bytes that ISO 7816-4 forbids and EMV uses', '9F0200' + '9F1000', null],
    ['a tag of three bytes', 'DF810100', null],
    ['the length 127 in its long form', `9A817F${'00'.repeat(127)}`, null],
    ['the same tag below two templates', 'E1039A0100' + 'E2039A0100', null],
    ['a tag alone', '9A', 'TLV_TRUNCATED'],
    ['half a tag', '9F', 'TLV_TRUNCATED'],
    ['a tag without an end', 'DF81', 'TLV_TRUNCATED'],
    ['a tag of four bytes', 'DF81810100', 'TLV_TAG'],
    ['padding before', '009A00', 'TLV_TAG'],
    ['padding after', '9A0000', 'TLV_TAG'],
    ['padding of FF', 'FF9A00', 'TLV_TAG'],
    ['an indefinite length', '7080' + '0000', 'TLV_LENGTH'],
    ['a length of three bytes', '9A83000001' + '00', 'TLV_LENGTH'],
    ['a length of 127 bytes', '9AFF', 'TLV_LENGTH'],
    ['half a length', '9A8201', 'TLV_TRUNCATED'],
    ['a value that is a byte short', '9A0300FF', 'TLV_TRUNCATED'],
    ['a child that ends after its parent', '70029A01' + '00', 'TLV_TRUNCATED'],
    ['a tag twice', '9A009C009A00', 'TLV_DUPLICATE'],
    ['a tag twice in a template', '70049A009A00', 'TLV_DUPLICATE'],
  ])('with %s', (_what, hex, expected) => {
    expect(fault(hex)).toBe(expected);
  });

  test.each<[string, TlvLimits, string, string, TlvFault]>([
    ['bytes', { ...WIDE, maximumBytes: 4 }, '9A020000', '9A03000000', 'TLV_TOO_LONG'],
    ['levels', { ...WIDE, maximumDepth: 2 }, '70029A00', '70027000', 'TLV_TOO_DEEP'],
    ['elements', { ...WIDE, maximumElements: 2 }, '70029A00', '70049A009C00', 'TLV_TOO_MANY'],
  ])('is read to its limit of %s and refused beyond', (_what, limits, within, beyond, expected) => {
    expect(fault(within, limits)).toBeNull();
    expect(fault(beyond, limits)).toBe(expected);
  });

  test('has lengths in one, two and three bytes, and no longer ones', () => {
    const headers = [0, 127, 128, 255, 256, 65_535].map((length) =>
      tlv('9A', new Uint8Array(length))
        .subarray(0, -length || undefined)
        .toString('hex'),
    );
    expect(headers).toEqual(['9a00', '9a7f', '9a8180', '9a81ff', '9a820100', '9a82ffff']);
    expect(() => tlv('9A', new Uint8Array(65_536))).toThrow(RangeError);
  });
});
