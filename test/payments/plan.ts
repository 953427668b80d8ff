import { SCHEMES, type Scheme } from '../../src/emv/scheme.ts';
import { SeededNumbers } from '../fuzz/engine/random.ts';

/** What befalls a payment between its grant and its approval. */
export const MISHAPS = [
  'none',
  'asked again',
  'asked at once',
  'overtaken',
  'other processing',
  'rival',
  'cut',
  'changed before',
  'changed after',
  'not signed',
  'tap played again',
  'suspended',
  'attested anew',
  'keys anew',
  'PIN wrong',
  'PIN required',
  'refunded in parts',
  'refunded at once',
  'refund declined',
  'refund of nothing',
  'refund to another card',
  'voided',
  'limited',
] as const;

/** One of them. */
export type Mishap = (typeof MISHAPS)[number];

/** Of 1000 payments, so many with each mishap; the rest has none. */
const PER_MILLE: Readonly<Record<Exclude<Mishap, 'none'>, number>> = {
  'asked again': 80,
  'asked at once': 80,
  overtaken: 50,
  'other processing': 50,
  rival: 20,
  cut: 50,
  'changed before': 15,
  'changed after': 15,
  'not signed': 15,
  'tap played again': 15,
  suspended: 4,
  'attested anew': 4,
  'keys anew': 1,
  'PIN wrong': 6,
  'PIN required': 6,
  'refunded in parts': 9,
  'refunded at once': 5,
  'refund declined': 2,
  'refund of nothing': 4,
  'refund to another card': 2,
  voided: 6,
  limited: 4,
};

/** Orders that a mishap needs more than its own. */
const MORE_ORDERS: Readonly<Partial<Record<Mishap, number>>> = {
  overtaken: 1,
  'tap played again': 1,
  suspended: 2,
  limited: 5,
};

/** Mishaps of payments with a PIN, and of such without; the rest has one or not. */
const WITH_PIN: Readonly<Partial<Record<Mishap, boolean>>> = {
  // The PIN would be refused first.
  'tap played again': false,
  'PIN wrong': true,
  'PIN required': false,
  limited: false,
};

const PIN_PERCENT = 10;
const LATEST_MILLISECONDS = 30;
/** Currency with its smallest amount, policy's limit for payments without a PIN, and the largest amount here. */
const CURRENCIES = [
  { currency: 978, least: 100, limit: 5_000, most: 200_000 },
  { currency: 643, least: 10_000, limit: 300_000, most: 5_000_000 },
] as const;

/** What one order is for. */
export interface PlannedOrder {
  readonly scheme: Scheme;
  /** Which of the scheme's cards, from 0 on; taken modulo their number. */
  readonly card: number;
  readonly amountMinor: bigint;
  /** ISO 4217 numeric. */
  readonly currency: number;
}

/** A payment as it was drawn: the same seed and number give the same plan. */
export interface PaymentPlan {
  readonly number: number;
  readonly mishap: Mishap;
  /** How often more it is asked, 1 to 3. */
  readonly times: number;
  /** Between the payment and what befalls it. */
  readonly milliseconds: number;
  /** Of a sale, so much is given back first: 1 to 999 of 1000. */
  readonly perMille: number;
  readonly orders: readonly PlannedOrder[];
}

/** Draws the plan of a number. */
export function drawPlan(seed: number, number: number): PaymentPlan {
  const numbers = new SeededNumbers(seed + number * 2 ** 20);
  const mishap = drawMishap(numbers.below(1000));
  const count = 1 + (MORE_ORDERS[mishap] ?? 0);
  return {
    number,
    mishap,
    times: 1 + numbers.below(3),
    milliseconds: numbers.below(LATEST_MILLISECONDS),
    perMille: 1 + numbers.below(999),
    orders: Array.from({ length: count }, () => drawOrder(numbers, mishap)),
  };
}

function drawMishap(drawn: number): Mishap {
  let upTo = 0;
  for (const [mishap, share] of Object.entries(PER_MILLE) as [Exclude<Mishap, 'none'>, number][]) {
    upTo += share;
    if (drawn < upTo) return mishap;
  }
  return 'none';
}

function drawOrder(numbers: SeededNumbers, mishap: Mishap): PlannedOrder {
  const { currency, least, limit, most } = CURRENCIES[numbers.below(CURRENCIES.length)] ?? CURRENCIES[0];
  const drawn = numbers.below(100) < PIN_PERCENT;
  const pin = WITH_PIN[mishap] ?? drawn;
  const amount = pin ? limit + 1 + numbers.below(most - limit) : least + numbers.below(limit - least + 1);
  return {
    scheme: SCHEMES[numbers.below(SCHEMES.length)] ?? 'visa',
    card: numbers.below(2 ** 16),
    amountMinor: BigInt(amount),
    currency,
  };
}

/** The numbers of orders done at which something is killed: evenly spread, each a little off by the seed. */
export function drawKills(seed: number, count: number, kills: number): readonly number[] {
  const numbers = new SeededNumbers(seed);
  const stretch = count / (kills + 1);
  return Array.from({ length: kills }, (_, at) => Math.floor((at + 0.75 + numbers.below(500) / 1000) * stretch));
}
