/** One DER element: its class (0 universal, 2 context-specific), tag number, and content. */
export interface DerElement {
  readonly tagClass: number;
  readonly constructed: boolean;
  readonly tag: number;
  readonly content: Uint8Array;
  /** The whole element, as it stood in the input. */
  readonly encoded: Uint8Array;
}

export const UNIVERSAL = 0;
export const CONTEXT = 2;
export const INTEGER = 2;
export const OCTET_STRING = 4;
export const NULL = 5;
export const SEQUENCE = 16;
export const SET = 17;

const MOST_TAG = 0x1f_ffff;

interface Read {
  readonly value: number;
  readonly next: number;
}

function readTag(bytes: Uint8Array, at: number): Read | undefined {
  const low = (bytes[at] ?? 0) & 0x1f;
  if (low !== 0x1f) return { value: low, next: at + 1 };
  let tag = 0;
  let next = at + 1;
  for (;;) {
    const octet = bytes[next++];
    if (octet === undefined || tag > MOST_TAG >>> 7 || (tag === 0 && octet === 0x80)) return undefined;
    tag = (tag << 7) | (octet & 0x7f);
    if (octet < 0x80) return tag < 0x1f ? undefined : { value: tag, next };
  }
}

function readLength(bytes: Uint8Array, at: number): Read | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first < 0x80) return { value: first, next: at + 1 };
  const second = bytes[at + 1];
  if (second === undefined) return undefined;
  if (first === 0x81) return second < 0x80 ? undefined : { value: second, next: at + 2 };
  const third = bytes[at + 2];
  if (first !== 0x82 || third === undefined || second === 0) return undefined;
  return { value: (second << 8) | third, next: at + 3 };
}

/**
 * Reads a run of DER elements that fills the bytes exactly, at most `most` of them; undefined where it does not. Lengths
 * are in their shortest form and under 64 KiB, tags under 2^21.
 */
export function readDerElements(bytes: Uint8Array, most: number): DerElement[] | undefined {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] ?? 0;
    const tag = readTag(bytes, at);
    const length = tag === undefined ? undefined : readLength(bytes, tag.next);
    if (tag === undefined || length === undefined || elements.length === most) return undefined;
    const end = length.next + length.value;
    if (end > bytes.length) return undefined;
    elements.push({
      tagClass: first >>> 6,
      constructed: (first & 0x20) !== 0,
      tag: tag.value,
      content: bytes.subarray(length.next, end),
      encoded: bytes.subarray(at, end),
    });
    at = end;
  }
  return elements;
}

/** True where the element is a universal one of this tag, constructed exactly where the tag is SEQUENCE or SET. */
export function isUniversal(element: DerElement | undefined, tag: number): element is DerElement {
  return (
    element !== undefined &&
    element.tagClass === UNIVERSAL &&
    element.tag === tag &&
    element.constructed === (tag === SEQUENCE || tag === SET)
  );
}

/** A non-negative INTEGER under 2^32 in its shortest form, or undefined. */
export function readUnsigned(element: DerElement | undefined): number | undefined {
  if (!isUniversal(element, INTEGER)) return undefined;
  const { content } = element;
  const [first, second] = content;
  if (first === undefined || first >= 0x80 || content.length > 5) return undefined;
  if (first === 0 && content.length > 1 && (second ?? 0) < 0x80) return undefined;
  const value = content.reduce((sum, octet) => sum * 256 + octet, 0);
  return value <= 0xffff_ffff ? value : undefined;
}

function tagOctets(tagClass: number, constructed: boolean, tag: number): number[] {
  const first = (tagClass << 6) | (constructed ? 0x20 : 0);
  if (tag < 0x1f) return [first | tag];
  const octets = [tag & 0x7f];
  for (let rest = tag >>> 7; rest > 0; rest >>>= 7) octets.unshift((rest & 0x7f) | 0x80);
  return [first | 0x1f, ...octets];
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length];
  if (length < 0x100) return [0x81, length];
  if (length > 0xffff) throw new RangeError('a DER element here is under 64 KiB');
  return [0x82, length >>> 8, length & 0xff];
}

/** Writes one element from its contents. */
export function derElement(tagClass: number, tag: number, constructed: boolean, ...contents: Uint8Array[]): Buffer {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from([...tagOctets(tagClass, constructed, tag), ...lengthOctets(length)]), ...contents]);
}

/** Writes a SEQUENCE. */
export function derSequence(...members: Uint8Array[]): Buffer {
  return derElement(UNIVERSAL, SEQUENCE, true, ...members);
}

/** Writes an OCTET STRING. */
export function derOctets(octets: Uint8Array): Buffer {
  return derElement(UNIVERSAL, OCTET_STRING, false, octets);
}

/** Writes a non-negative INTEGER under 2^32. */
export function derUnsigned(value: number): Buffer {
  const octets: number[] = [];
  let rest = value;
  do {
    octets.unshift(rest % 256);
    rest = Math.floor(rest / 256);
  } while (rest > 0);
  if ((octets[0] ?? 0) >= 0x80) octets.unshift(0);
  return derElement(UNIVERSAL, INTEGER, false, Uint8Array.from(octets));
}
