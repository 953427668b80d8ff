import { type Element, elementBytes, flatten, readElements, writeElements } from './elements.ts';
import type { SeededNumbers } from './random.ts';

/** What a mutator draws from. */
export interface Material {
  readonly tokens: readonly Uint8Array[];
  /** Inputs are elements of tag, length and value. */
  readonly elements: boolean;
  readonly maximumBytes: number;
}

/** An input that is mutated, with its elements once they were asked for. */
export class Parent {
  readonly bytes: Uint8Array;
  #tree: readonly Element[] | null | undefined;
  #elements: readonly Element[] = [];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** The input as elements; null where it is none. */
  get tree(): readonly Element[] | null {
    if (this.#tree === undefined) {
      this.#tree = readElements(this.bytes);
      this.#elements = this.#tree === null ? [] : flatten(this.#tree);
    }
    return this.#tree;
  }

  /** Every element at any depth, parents first. */
  get elements(): readonly Element[] {
    return this.tree === null ? [] : this.#elements;
  }
}

/** Numbers at which encodings change their mind. */
const INTERESTING = [
  0x00, 0x01, 0x02, 0x03, 0x1f, 0x20, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xa0, 0xbf, 0xfe, 0xff, 0x100, 0x7fff, 0x8000,
  0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];
const LONGEST_BLOCK = 64;
const MAXIMUM_STACKED = 4;

/** Makes a new input out of earlier ones, in a buffer of its own: nothing is allocated for a byte mutation. */
export class Mutator {
  readonly #random: SeededNumbers;
  readonly #buffer: Uint8Array;
  readonly #scratch: Uint8Array;
  readonly #bytes: readonly number[];
  readonly #numbers: readonly number[];
  #length = 0;
  #limit = 0;

  /** `numbers`: what the code compares with; they are tried as bytes and as wider integers. */
  constructor(random: SeededNumbers, maximumBytes: number, numbers: Iterable<number>) {
    this.#random = random;
    this.#numbers = [...new Set([...INTERESTING, ...numbers])].sort((a, b) => a - b);
    this.#bytes = this.#numbers.filter((number) => number < 0x100);
    this.#buffer = new Uint8Array(maximumBytes);
    this.#scratch = new Uint8Array(maximumBytes);
  }

  /** The mutated input: a view that lasts until the next call. `other` gives parts to splice in. */
  mutate(parent: Parent, other: Parent, material: Material): Uint8Array {
    const random = this.#random;
    this.#limit = Math.min(material.maximumBytes, this.#buffer.length);
    const structural = material.elements && !random.once(3) && parent.tree !== null;
    if (!structural || !this.#replaceElement(parent, other, material)) this.#load(parent.bytes);
    if (structural && !random.once(4)) return this.#buffer.subarray(0, this.#length);
    for (let left = 1 << random.below(MAXIMUM_STACKED); left > 0; left -= 1) this.#change(other, material);
    return this.#buffer.subarray(0, this.#length);
  }

  #load(bytes: Uint8Array): void {
    this.#length = Math.min(bytes.length, this.#limit);
    this.#buffer.set(this.#length === bytes.length ? bytes : bytes.subarray(0, this.#length));
  }

  /** Exchanges one element for something else, and mends the lengths around it. */
  #replaceElement(parent: Parent, other: Parent, material: Material): boolean {
    const random = this.#random;
    const { elements } = parent;
    const target = elements[random.below(elements.length)];
    if (target === undefined || parent.tree === null) return false;
    const by = this.#substitute(target, parent, other, material);
    const space = this.#scratch.subarray(0, this.#limit);
    const start = writeElements(parent.tree, space, { of: target, by });
    if (start < 0) return false;
    this.#length = space.length - start;
    this.#buffer.set(space.subarray(start));
    return true;
  }

  #substitute(target: Element, parent: Parent, other: Parent, { tokens }: Material): readonly Uint8Array[] {
    const random = this.#random;
    const whole = elementBytes(target.tag, target.content);
    const foreign = random.once(2) ? parent : other;
    const element = foreign.elements[random.below(Math.max(1, foreign.elements.length))] ?? target;
    switch (random.below(10)) {
      case 0:
        return [];
      case 1:
        return [whole, whole];
      case 2:
        return [elementBytes(element.tag, element.content)];
      case 3:
        return [whole, elementBytes(element.tag, element.content)];
      case 4:
        return [elementBytes(element.tag, target.content)];
      case 5:
        return [elementBytes(target.tag, element.content)];
      case 6:
        return [elementBytes(Uint8Array.of(this.#bytes[random.below(this.#bytes.length)]!), whole)];
      case 7:
        return [tokens.length === 0 ? whole : tokens[random.below(tokens.length)]!];
      case 8:
        return [elementBytes(target.tag, target.content.subarray(0, random.below(target.content.length + 1)))];
      default:
        return [elementBytes(target.tag, this.#changed(target.content, other, tokens))];
    }
  }

  /** Other content for an element. */
  #changed(content: Uint8Array, other: Parent, tokens: readonly Uint8Array[]): Uint8Array {
    const limit = this.#limit;
    this.#limit = Math.min(limit, content.length + LONGEST_BLOCK);
    this.#load(content);
    this.#change(other, { tokens, elements: false, maximumBytes: this.#limit });
    this.#limit = limit;
    return this.#buffer.slice(0, this.#length);
  }

  #change(other: Parent, { tokens }: Material): void {
    if (this.#length === 0) {
      this.#insert(this.#randomBlock(), 0);
      return;
    }
    const at = this.#random.below(this.#length);
    if (this.#random.once(2)) this.#changeNumber(at);
    else this.#changeBlock(at, other, tokens);
  }

  /** Another byte, or another integer of two or four bytes. */
  #changeNumber(at: number): void {
    const random = this.#random;
    const byte = this.#buffer[at]!;
    switch (random.below(6)) {
      case 0:
        this.#buffer[at] = random.below(256);
        break;
      case 1:
        this.#buffer[at] = this.#bytes[random.below(this.#bytes.length)]!;
        break;
      case 2:
        this.#buffer[at] = byte + random.below(33) - 16;
        break;
      case 3:
        this.#writeWide(at, this.#numbers[random.below(this.#numbers.length)]!);
        break;
      default:
        this.#buffer[at] = byte ^ (1 << random.below(8));
    }
  }

  /** Bytes deleted, doubled, moved in from elsewhere, or exchanged for others. */
  #changeBlock(at: number, other: Parent, tokens: readonly Uint8Array[]): void {
    const random = this.#random;
    const own = this.#buffer.subarray(0, this.#length);
    const token = tokens[random.below(Math.max(1, tokens.length))] ?? other.bytes.subarray(0, 1);
    switch (random.below(10)) {
      case 0:
        this.#delete(at, this.#length - at);
        break;
      case 1:
        this.#delete(at, 1 + random.below(Math.min(LONGEST_BLOCK, this.#length - at)));
        break;
      case 2:
        this.#insert(this.#block(own), at);
        break;
      case 3:
        this.#overwrite(this.#block(own), at);
        break;
      case 4:
        this.#insert(this.#randomBlock(), at);
        break;
      case 5:
        this.#insert(this.#block(other.bytes), at);
        break;
      case 6:
        this.#splice(other.bytes, at);
        break;
      case 7:
        this.#overwrite(token, at);
        break;
      default:
        this.#insert(token, at);
    }
  }

  /** A copy of some bytes out of others. */
  #block(bytes: Uint8Array): Uint8Array {
    const from = this.#random.below(Math.max(1, bytes.length));
    const length = Math.min(bytes.length - from, 1 + this.#random.below(LONGEST_BLOCK));
    this.#scratch.set(bytes.subarray(from, from + length));
    return this.#scratch.subarray(0, length);
  }

  #randomBlock(): Uint8Array {
    const length = 1 + this.#random.below(8);
    for (let index = 0; index < length; index += 1) this.#scratch[index] = this.#random.below(256);
    return this.#scratch.subarray(0, length);
  }

  #writeWide(at: number, value: number): void {
    const width = value > 0xffff || this.#random.once(2) ? 4 : 2;
    for (let index = 0; index < width && at + index < this.#length; index += 1) {
      this.#buffer[at + index] = Math.floor(value / 256 ** (width - 1 - index));
    }
  }

  #delete(at: number, length: number): void {
    this.#buffer.copyWithin(at, at + length, this.#length);
    this.#length -= length;
  }

  #insert(bytes: Uint8Array, at: number): void {
    if (this.#length + bytes.length > this.#limit) return;
    this.#buffer.copyWithin(at + bytes.length, at, this.#length);
    this.#buffer.set(bytes, at);
    this.#length += bytes.length;
  }

  #overwrite(bytes: Uint8Array, at: number): void {
    const length = Math.min(bytes.length, this.#length - at);
    this.#buffer.set(bytes.subarray(0, length), at);
  }

  /** The own beginning and the end of another input. */
  #splice(bytes: Uint8Array, at: number): void {
    const from = this.#random.below(Math.max(1, bytes.length));
    const tail = bytes.subarray(from, from + Math.max(0, this.#limit - at));
    this.#buffer.set(tail, at);
    this.#length = at + tail.length;
  }
}
