import type { Random } from '../ports/random.ts';

const ATTEMPTS = 256;

/** Random bytes, exactly so many: a source that gives another number is a bug and throws. */
export function randomOctets(random: Random, length: number): Uint8Array {
  const octets = random.bytes(length);
  if (octets.length !== length) throw new Error('the random source gave another number of bytes');
  return octets;
}

/**
 * A source that asks another one for whole batches of bytes, for work that takes a few of them several times: asking costs
 * more than the bytes. What was not taken is dropped with it.
 */
export function inBatches(random: Random, batch: number): Random {
  let drawn: Buffer = Buffer.alloc(0);
  let taken = 0;
  return {
    bytes: (length) => {
      if (length > drawn.length - taken) {
        drawn = random.bytes(Math.max(length, batch));
        taken = 0;
      }
      taken += length;
      return drawn.subarray(taken - length, taken);
    },
  };
}

/**
 * Uniform integers in [0, bound), bound 1 to 256; `count` of them.
 *
 * Bytes that would make some values likelier are thrown away. A source that gives no usable byte is a bug and throws,
 * rather than looping for ever.
 */
export function uniformIntegers(random: Random, bound: number, count: number): Uint8Array {
  const usable = 256 - (256 % bound);
  const values = new Uint8Array(count);
  let filled = 0;
  for (let attempt = 0; filled < count; attempt++) {
    if (attempt === ATTEMPTS) throw new Error('the random source gives no usable bytes');
    for (const octet of randomOctets(random, count - filled)) {
      if (octet < usable) values[filled++] = octet % bound;
    }
  }
  return values;
}
