/** How many transactions a DUKPT counter allows: its width, and how many of its bits may be one. */
export interface CounterRule {
  readonly counterBits: number;
  readonly maxOneBits: number;
}

/** X9.24-3:2017: 32 bits, at most 16 of them one. */
export const AES_COUNTER: CounterRule = { counterBits: 32, maxOneBits: 16 };

/** X9.24-1:2009: 21 bits, at most 10 of them one. */
export const TDES_COUNTER: CounterRule = { counterBits: 21, maxOneBits: 10 };

/** Number of one-bits of an unsigned 32-bit integer. */
export function oneBits(value: number): number {
  let rest = value >>> 0;
  let count = 0;
  for (; rest !== 0; count++) rest &= rest - 1;
  return count;
}

/** The lowest one-bit, as a value; 0 for 0. */
export function lowestOneBit(value: number): number {
  return (value & -value) >>> 0;
}

/** The highest counter: its upper `maxOneBits` bits are one, FFFF0000 for AES. */
export function maximumCounter(rule: CounterRule): number {
  return 2 ** rule.counterBits - 2 ** (rule.counterBits - rule.maxOneBits);
}

/** True where a transaction may use this counter; zero belongs to the initial key. */
export function isTransactionCounter(rule: CounterRule, counter: number): boolean {
  return (
    Number.isInteger(counter) && counter > 0 && counter <= maximumCounter(rule) && oneBits(counter) <= rule.maxOneBits
  );
}

/**
 * The next counter that a transaction may use, or undefined at the end.
 *
 * Where all allowed bits are one, everything below the lowest of them would have one bit too many and is skipped.
 */
export function nextCounter(rule: CounterRule, counter: number): number | undefined {
  const next = counter + (oneBits(counter) < rule.maxOneBits ? 1 : lowestOneBit(counter));
  return next <= maximumCounter(rule) ? next : undefined;
}

/** How many transactions one initial key allows: 2 448 023 842 for AES, 1 048 575 for TDEA. */
export function totalTransactions(rule: CounterRule): number {
  let total = 0;
  let combinations = 1;
  for (let ones = 1; ones <= rule.maxOneBits; ones++) {
    combinations = (combinations * (rule.counterBits - ones + 1)) / ones;
    total += combinations;
  }
  return total;
}
