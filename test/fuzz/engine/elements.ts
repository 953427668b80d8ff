/** An element of tag, length and value in DER or BER-TLV: views of the bytes that it was read from. */
export interface Element {
  /** Tag bytes. */
  readonly tag: Uint8Array;
  readonly content: Uint8Array;
  /** Elements that the content is made of; null where it is not taken for any. */
  readonly children: readonly Element[] | null;
}

const MAXIMUM_DEPTH = 24;
const MAXIMUM_TAG_BYTES = 6;
const CONSTRUCTED = 0x20;
const OCTET_STRING = 0x04;

/**
 * Reads bytes as elements one after the other, and the content of constructed ones and of octet strings in the same way;
 * null where they are not. Of its own: it shares nothing with the readers that are tested.
 */
export function readElements(bytes: Uint8Array, depth = 0): readonly Element[] | null {
  if (depth > MAXIMUM_DEPTH) return null;
  const elements: Element[] = [];
  let at = 0;
  while (at < bytes.length) {
    const start = at;
    const leading = bytes[at]!;
    at += 1;
    if ((leading & 0x1f) === 0x1f) {
      while (at < bytes.length && bytes[at]! >= 0x80 && at - start < MAXIMUM_TAG_BYTES) at += 1;
      at += 1;
    }
    const tag = bytes.subarray(start, at);
    let length = bytes[at] ?? -1;
    at += 1;
    if (length > 0x83 || length === 0x80) return null;
    if (length > 0x80) {
      const end = at + length - 0x80;
      length = 0;
      for (; at < end; at += 1) length = length * 256 + (bytes[at] ?? 0);
    }
    if (length < 0 || at + length > bytes.length) return null;
    const content = bytes.subarray(at, at + length);
    const nested = (leading & CONSTRUCTED) !== 0 || (leading === OCTET_STRING && length > 2);
    elements.push({ tag, content, children: nested ? readElements(content, depth + 1) : null });
    at += length;
  }
  return elements;
}

/** All elements of a tree, parents first. */
export function flatten(elements: readonly Element[], into: Element[] = []): Element[] {
  for (const element of elements) {
    into.push(element);
    if (element.children !== null) flatten(element.children, into);
  }
  return into;
}

/** What stands in the place of one element when a tree is written. */
export interface Replacement {
  readonly of: Element;
  /** Whole elements, or whatever else. */
  readonly by: readonly Uint8Array[];
}

/** Writes a tree from its end to its beginning, so that every length is known when it is written. */
class Writer {
  readonly #bytes: Uint8Array;
  readonly #replacement: Replacement | null;
  at: number;

  constructor(bytes: Uint8Array, replacement: Replacement | null) {
    this.#bytes = bytes;
    this.#replacement = replacement;
    this.at = bytes.length;
  }

  all(elements: readonly Element[]): void {
    for (let index = elements.length - 1; index >= 0; index -= 1) this.#element(elements[index]!);
  }

  #element(element: Element): void {
    if (element === this.#replacement?.of) {
      for (let index = this.#replacement.by.length - 1; index >= 0; index -= 1) this.#put(this.#replacement.by[index]!);
      return;
    }
    const end = this.at;
    if (element.children === null) this.#put(element.content);
    else this.all(element.children);
    this.#length(end - this.at);
    this.#put(element.tag);
  }

  #length(length: number): void {
    if (length < 0x80) {
      this.#byte(length);
      return;
    }
    let digits = 0;
    for (let left = length; left > 0; left = Math.floor(left / 256)) {
      this.#byte(left % 256);
      digits += 1;
    }
    this.#byte(0x80 + digits);
  }

  #byte(value: number): void {
    this.at -= 1;
    if (this.at >= 0) this.#bytes[this.at] = value;
  }

  #put(bytes: Uint8Array): void {
    this.at -= bytes.length;
    if (this.at >= 0) this.#bytes.set(bytes, this.at);
  }
}

/** Writes elements with minimal lengths at the end of `bytes`; answers where they begin, below 0 where they do not fit. */
export function writeElements(
  elements: readonly Element[],
  bytes: Uint8Array,
  replacement: Replacement | null = null,
): number {
  const writer = new Writer(bytes, replacement);
  writer.all(elements);
  return writer.at;
}

/** One element with minimal length around its content. */
export function elementBytes(tag: Uint8Array, ...content: readonly Uint8Array[]): Buffer {
  const inner = Buffer.concat(content);
  const bytes = Buffer.alloc(tag.length + 5 + inner.length);
  const at = writeElements([{ tag, content: inner, children: null }], bytes);
  return bytes.subarray(at);
}
