import { type Form, formsOf, type Secret } from './secret.ts';

/** Bytes to look through: a file, a piece of a process's memory, what was received. */
export interface Source {
  readonly name: string;
  readonly length: number;
  /** Reads from a position on; answers how many bytes, 0 where none can be had. */
  readAt(into: Buffer, position: number): number;
}

/** What a look through sources came to. */
export interface Sighting {
  /** `secret as form in source`, sorted, each once. */
  readonly found: readonly string[];
  /** Bytes looked at. */
  readonly looked: number;
  /** Bytes that could not be read. */
  readonly unread: number;
}

/** Bytes that are looked at in one go. */
export const PIECE = 1024 * 1024;
const PAGE = 4096;
/** Buckets of the first four bytes of needles, which fit a processor's cache. */
const BUCKET_BITS = 20;
const PREFIX = 4;
const MULTIPLIER = 0x9e3779b1;
const SHIFT = 32 - BUCKET_BITS;
/** Looked up once: a test runner's globals answer slowly, and this is asked for every byte. */
const { imul } = Math;
const ZEROS = Buffer.alloc(PAGE);

/** Knows secrets, and finds any form of any of them. */
export class Scanner {
  readonly #buckets = new Uint8Array(2 ** BUCKET_BITS);
  readonly #forms = new Map<number, Form[]>();
  readonly #overlap: number;

  constructor(secrets: readonly Secret[]) {
    let longest = 0;
    for (const form of secrets.flatMap(formsOf)) {
      const prefix = form.needle.readInt32BE(0);
      this.#buckets[bucketOf(prefix)] = 1;
      this.#forms.set(prefix, [...(this.#forms.get(prefix) ?? []), form]);
      longest = Math.max(longest, form.needle.length);
    }
    this.#overlap = longest - 1;
  }

  /** Looks through every source from its first byte to its last. */
  look(sources: Iterable<Source>): Sighting {
    const found = new Set<string>();
    const buffer = Buffer.alloc(PIECE);
    let looked = 0;
    let unread = 0;
    for (const source of sources) {
      for (let at = 0; at < source.length; ) {
        const wanted = Math.min(PIECE, source.length - at);
        const read = source.readAt(buffer.subarray(0, wanted), at);
        if (read === 0) {
          unread += Math.min(PAGE, wanted);
          at += PAGE;
          continue;
        }
        for (const { secret, form } of this.#within(buffer.subarray(0, read))) {
          found.add(`${secret} as ${form} in ${source.name}`);
        }
        const isLast = at + read >= source.length;
        const step = isLast || read <= this.#overlap ? read : read - this.#overlap;
        looked += step;
        at += step;
      }
    }
    return { found: [...found].sort(), looked, unread };
  }

  *#within(bytes: Buffer): Generator<Form> {
    for (const at of this.#candidates(bytes)) {
      for (const form of this.#forms.get(bytes.readInt32BE(at)) ?? []) {
        if (bytes.subarray(at, at + form.needle.length).equals(form.needle)) yield form;
      }
    }
  }

  #candidates(bytes: Buffer): number[] {
    const buckets = this.#buckets;
    const found: number[] = [];
    let window = 0;
    for (let page = 0; page < bytes.length; page += PAGE) {
      const end = Math.min(page + PAGE, bytes.length);
      // Most of a process's memory was never written to.
      if (window === 0 && end - page === PAGE && bytes.compare(ZEROS, 0, PAGE, page, end) === 0) continue;
      for (let at = page; at < end; at += 1) {
        window = (window << 8) | bytes[at]!;
        if (buckets[imul(window, MULTIPLIER) >>> SHIFT] === 1 && at >= PREFIX - 1) found.push(at - PREFIX + 1);
      }
    }
    return found;
  }
}

function bucketOf(prefix: number): number {
  return imul(prefix, MULTIPLIER) >>> SHIFT;
}
