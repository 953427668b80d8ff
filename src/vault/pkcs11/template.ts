import type { Cryptoki } from './cryptoki.ts';
import { WORD } from './functions.ts';

/** An attribute with its value: a number is a CK_ULONG. */
export type Attribute = readonly [type: number, value: boolean | number | Uint8Array];

const ATTRIBUTE_BYTES = 3 * WORD;
/** CK_UNAVAILABLE_INFORMATION: the length of an attribute that is not told. */
const UNAVAILABLE = 0xffff_ffff_ffff_ffffn;

function bytesOf(value: boolean | number | Uint8Array): Uint8Array {
  if (typeof value === 'boolean') return Uint8Array.of(value ? 1 : 0);
  if (typeof value !== 'number') return value;
  const bytes = Buffer.alloc(WORD);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** Lays out CK_ATTRIBUTE structures and, behind them in the same memory, room for their values. */
function layOut(cryptoki: Cryptoki, entries: readonly { readonly type: number; readonly length: number }[]): Buffer {
  const head = entries.length * ATTRIBUTE_BYTES;
  const memory = Buffer.alloc(head + entries.reduce((sum, { length }) => sum + length, 0));
  const start = cryptoki.addressOf(memory);
  let valueAt = head;
  for (const [index, { type, length }] of entries.entries()) {
    const at = index * ATTRIBUTE_BYTES;
    memory.writeBigUInt64LE(BigInt(type), at);
    memory.writeBigUInt64LE(start + BigInt(valueAt), at + WORD);
    memory.writeBigUInt64LE(BigInt(length), at + 2 * WORD);
    valueAt += length;
  }
  return memory;
}

/** A template as Cryptoki takes it: an array of CK_ATTRIBUTE, with its values behind it. */
export function templateOf(cryptoki: Cryptoki, attributes: readonly Attribute[]): Buffer {
  const values = attributes.map(([type, value]) => ({ type, value: bytesOf(value) }));
  const memory = layOut(
    cryptoki,
    values.map(({ type, value }) => ({ type, length: value.length })),
  );
  let at = attributes.length * ATTRIBUTE_BYTES;
  for (const { value } of values) {
    memory.set(value, at);
    at += value.length;
  }
  return memory;
}

/** A template to be filled by C_GetAttributeValue, and how its values are read afterwards. */
export interface Question {
  readonly memory: Buffer;
  readonly count: number;
  /** The values in the order of the question; null of one that was not told. */
  answers(): (Buffer | null)[];
}

/** Asks for attributes, each of at most so many bytes. */
export function questionOf(
  cryptoki: Cryptoki,
  entries: readonly { readonly type: number; readonly length: number }[],
): Question {
  const memory = layOut(cryptoki, entries);
  const answers = (): (Buffer | null)[] => {
    let valueAt = entries.length * ATTRIBUTE_BYTES;
    return entries.map(({ length }, index) => {
      const told = memory.readBigUInt64LE(index * ATTRIBUTE_BYTES + 2 * WORD);
      const start = valueAt;
      valueAt += length;
      if (told === UNAVAILABLE || told > BigInt(length)) return null;
      return Buffer.from(memory.subarray(start, start + Number(told)));
    });
  };
  return { memory, count: entries.length, answers };
}

/** A mechanism without parameters (CK_MECHANISM). */
export function mechanismOf(type: number): Buffer {
  const memory = Buffer.alloc(ATTRIBUTE_BYTES);
  memory.writeBigUInt64LE(BigInt(type));
  return memory;
}
