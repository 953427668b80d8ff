import { describe, expect, test } from '@jest/globals';
import { inBatches, randomOctets, uniformIntegers } from '../../src/payment-crypto/random.ts';
import { seededRandom } from './support.ts';

/** A source that counts up, and keeps what was asked of it. */
function counting() {
  const asked: number[] = [];
  let next = 0;
  const bytes = (length: number): Buffer => {
    asked.push(length);
    return Buffer.from(Array.from({ length }, () => next++ & 0xff));
  };
  return { asked, random: { bytes } };
}

describe('a source in batches', () => {
  test('hands out every byte once, in order, and asks for a batch where it has too few', () => {
    const { asked, random } = counting();
    const batches = inBatches(random, 8);
    expect([...batches.bytes(3)]).toEqual([0, 1, 2]);
    expect([...batches.bytes(5)]).toEqual([3, 4, 5, 6, 7]);
    expect(asked).toEqual([8]);
    expect([...batches.bytes(1)]).toEqual([8]);
    expect(asked).toEqual([8, 8]);
  });

  test('asks for as much as is wanted where that is more than a batch', () => {
    const { asked, random } = counting();
    const batches = inBatches(random, 8);
    expect(batches.bytes(20)).toHaveLength(20);
    expect([...batches.bytes(1)]).toEqual([20]);
    expect(asked).toEqual([20, 8]);
  });

  test('never hands out a byte twice where the rest of a batch is too short', () => {
    const { random } = counting();
    const batches = inBatches(random, 8);
    const seen = [6, 4, 8, 1, 2].flatMap((length) => [...batches.bytes(length)]);
    expect(new Set(seen).size).toBe(21);
  });
});

describe('random octets', () => {
  test.each([[7], [9], [0]])('of a source that gives %i where 8 are asked are a bug', (given) => {
    expect(() => randomOctets({ bytes: () => Buffer.alloc(given) }, 8)).toThrow();
  });
});

describe('uniform integers', () => {
  test.each([1, 2, 10, 62, 255, 256])('below %i: every value comes, and no other', (bound) => {
    const values = uniformIntegers(seededRandom('uniform'), bound, 20_000);
    expect(new Set(values).size).toBe(bound);
    expect(Math.max(...values)).toBe(bound - 1);
  });

  test('take no byte that would make small values likelier', () => {
    // 256 − 256 mod 10 = 250: bytes from there on would be 0 to 5 once more.
    const { random } = counting();
    const values = uniformIntegers(
      { bytes: (length) => Buffer.from(random.bytes(length).map((byte) => byte + 244)) },
      10,
      8,
    );
    expect([...values]).toEqual([4, 5, 6, 7, 8, 9, 0, 1]);
  });
});
