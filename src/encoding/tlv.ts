import { ok, type Result, refuse } from '../reasons/result.ts';

/** Bounds of BER-TLV input. */
export interface TlvLimits {
  readonly maximumBytes: number;
  readonly maximumDepth: number;
  readonly maximumElements: number;
}

/** One data element: tag in upper-case hex, its value, and its children where it is constructed. */
export interface TlvElement {
  readonly tag: string;
  readonly value: Uint8Array;
  readonly children: readonly TlvElement[];
}

/** Why BER-TLV input is refused. */
export type TlvFault =
  | 'TLV_TOO_LONG'
  | 'TLV_TOO_DEEP'
  | 'TLV_TOO_MANY'
  | 'TLV_TRUNCATED'
  | 'TLV_TAG'
  | 'TLV_LENGTH'
  | 'TLV_DUPLICATE';

/** Bytes in upper-case hex. */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).toUpperCase().padStart(2, '0'),
);

const NO_CHILDREN: Result<readonly TlvElement[], never> = ok([]);

interface Cursor {
  readonly bytes: Uint8Array;
  readonly limits: TlvLimits;
  elements: number;
}

interface Header {
  readonly tag: string;
  readonly constructed: boolean;
  readonly start: number;
  readonly length: number;
}

/**
 * Reads a sequence of BER-TLV elements (EMV Book 3 Annex B) to its last byte.
 *
 * Refused: duplicates among siblings, indefinite lengths, lengths over 2 bytes, tags over 3 bytes, trailing or missing
 * bytes, anything over the limits. Padding bytes (00, FF) between elements are not EMV and are refused as tags.
 */
export function readTlv(bytes: Uint8Array, limits: TlvLimits): Result<readonly TlvElement[], TlvFault> {
  if (bytes.length > limits.maximumBytes) return refuse('TLV_TOO_LONG');
  return readSequence({ bytes, limits, elements: 0 }, 0, bytes.length, 1);
}

function readSequence(
  cursor: Cursor,
  start: number,
  end: number,
  depth: number,
): Result<readonly TlvElement[], TlvFault> {
  if (depth > cursor.limits.maximumDepth) return refuse('TLV_TOO_DEEP');
  const elements: TlvElement[] = [];
  const seen = new Set<string>();
  let position = start;
  while (position < end) {
    cursor.elements += 1;
    if (cursor.elements > cursor.limits.maximumElements) return refuse('TLV_TOO_MANY');
    const header = readHeader(cursor.bytes, position, end);
    if (!header.ok) return header;
    const { tag, constructed, start: from, length } = header.value;
    if (seen.has(tag)) return refuse('TLV_DUPLICATE', tag);
    seen.add(tag);
    const to = from + length;
    const children = constructed ? readSequence(cursor, from, to, depth + 1) : NO_CHILDREN;
    if (!children.ok) return children;
    elements.push({ tag, value: cursor.bytes.subarray(from, to), children: children.value });
    position = to;
  }
  return ok(elements);
}

function readHeader(bytes: Uint8Array, start: number, end: number): Result<Header, TlvFault> {
  const first = bytes[start] ?? 0;
  if (first === 0x00 || first === 0xff) return refuse('TLV_TAG');
  let position = start + 1;
  let tag = HEX[first] ?? '';
  // EMV uses second bytes below 0x1F (9F02, 9F10): only the continuation bit ends a tag.
  if ((first & 0x1f) === 0x1f) {
    let more = true;
    while (more) {
      if (position >= end) return refuse('TLV_TRUNCATED');
      if (position - start >= 3) return refuse('TLV_TAG');
      const next = bytes[position] ?? 0;
      more = (next & 0x80) !== 0;
      tag += HEX[next] ?? '';
      position += 1;
    }
  }
  if (position >= end) return refuse('TLV_TRUNCATED');
  const lead = bytes[position] ?? 0;
  position += 1;
  let length = lead;
  if (lead >= 0x80) {
    const count = lead & 0x7f;
    if (count === 0 || count > 2) return refuse('TLV_LENGTH');
    if (position + count > end) return refuse('TLV_TRUNCATED');
    length = 0;
    for (let index = 0; index < count; index += 1) length = length * 256 + (bytes[position + index] ?? 0);
    position += count;
  }
  if (position + length > end) return refuse('TLV_TRUNCATED');
  return ok({ tag, constructed: (first & 0x20) !== 0, start: position, length });
}

/** Encodes one primitive element; tag in hex, value at most 65 535 bytes. */
export function tlv(tag: string, value: Uint8Array): Buffer {
  const { length } = value;
  if (length > 0xffff) throw new RangeError('a TLV value is at most 65 535 bytes');
  const header = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(tag, 'hex'), Buffer.from(header), value]);
}
