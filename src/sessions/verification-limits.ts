import { z } from 'zod';
import { SCHEMES, type Scheme } from '../emv/scheme.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { CardholderVerification } from './transaction.ts';

const amount = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

const verificationLimitSchema = z.strictObject({
  currency: z.int().min(1).max(999).describe('ISO 4217 numeric; one of `currencies`'),
  scheme: z.enum(SCHEMES).nullable().default(null).describe('Cards of this scheme; null: of every scheme'),
  country: z
    .int()
    .min(1)
    .max(999)
    .nullable()
    .default(null)
    .describe("ISO 3166-1 numeric, the terminal's country (9F1A); null: every country"),
  acquirer: z
    .string()
    .min(1)
    .max(64)
    .nullable()
    .default(null)
    .describe('Merchants of this acquirer; null: of every acquirer'),
  from: z.iso.date().default('1970-01-01').describe('The first day (UTC) on which the limit holds'),
  noPinAmountMinor: amount.describe('Above it a PIN is expected, in minor units'),
  maximumAmountMinor: amount
    .nullable()
    .default(null)
    .describe('Largest amount of one payment, in minor units; null: as `currencies` says'),
  deviceVerification: z
    .enum(['allowed', 'refused'])
    .default('refused')
    .describe('Whether a verifying device that the card signs for may take the place of that PIN'),
});

/** One cardholder-verification limit of policy. */
export type VerificationLimit = z.output<typeof verificationLimitSchema>;

function nameOf({ currency, scheme, country, acquirer, from }: VerificationLimit): string {
  return [currency, scheme, country, acquirer, from].map((part) => part ?? '*').join(' ');
}

/** The limits of policy: no two for the same cards, merchants and day, since neither would be the one that holds. */
export const verificationLimitsSchema = z
  .array(verificationLimitSchema)
  .max(500)
  .superRefine((limits, context) => {
    const seen = new Set<string>();
    limits.forEach((limit, index) => {
      const name = nameOf(limit);
      if (seen.has(name)) {
        context.addIssue({ code: 'custom', path: [index], message: `a second limit for ${name}: keep one of the two` });
      }
      seen.add(name);
    });
  });

/** What a currency allows where no limit says otherwise. */
export interface CurrencyLimit {
  readonly currency: number;
  readonly maximumAmountMinor: number;
  readonly noPinAmountMinor: number;
  readonly deviceVerification?: 'allowed' | 'refused' | undefined;
}

/** The limits of policy for all payments. */
export interface VerificationLimits {
  readonly currencies: readonly CurrencyLimit[];
  readonly verificationLimits: readonly VerificationLimit[];
}

/** A payment as limits see it. Null: not known yet, as scheme and country are before the tap. */
export interface LimitedPayment {
  readonly scheme: Scheme | null;
  /** ISO 3166-1 numeric. */
  readonly country: number | null;
  /** ISO 4217 numeric. */
  readonly currency: number;
  readonly acquirer: string;
  readonly amountMinor: bigint;
  readonly at: Date;
}

/** What holds of one kind of card at one kind of place. */
interface Bounds {
  readonly maximumAmountMinor: number;
  readonly noPinAmountMinor: number;
  readonly deviceAllowed: boolean;
}

const STRICTNESS: Readonly<Record<CardholderVerification, number>> = { none: 0, device: 1, 'online-pin': 2 };

/** The stricter of two: a PIN before a device, that before none. */
export function stricterOf(a: CardholderVerification, b: CardholderVerification): CardholderVerification {
  return STRICTNESS[b] > STRICTNESS[a] ? b : a;
}

/** The more particular limit before the more general one; of two alike, the one that began later. */
function precedence(a: VerificationLimit, b: VerificationLimit): number {
  for (const member of ['acquirer', 'scheme', 'country'] as const) {
    const particular = Number(b[member] !== null) - Number(a[member] !== null);
    if (particular !== 0) return particular;
  }
  return a.from < b.from ? 1 : -1;
}

/** A scheme or country that no limit names: the cards that only the general limits hold for. */
const OTHER = Symbol('other');

function boundsFor(
  scheme: Scheme | typeof OTHER,
  country: number | typeof OTHER,
  inForce: readonly VerificationLimit[],
  base: CurrencyLimit,
): Bounds {
  const [limit] = inForce
    .filter((row) => row.scheme === null || row.scheme === scheme)
    .filter((row) => row.country === null || row.country === country)
    .sort(precedence);
  const { noPinAmountMinor, deviceVerification } = limit ?? base;
  return {
    noPinAmountMinor,
    maximumAmountMinor: limit?.maximumAmountMinor ?? base.maximumAmountMinor,
    deviceAllowed: deviceVerification === 'allowed',
  };
}

function known<T>(value: T | null, named: readonly (T | null)[]): readonly (T | typeof OTHER)[] {
  if (value !== null) return [value];
  return [...new Set(named.filter((name) => name !== null)), OTHER];
}

/**
 * How the cardholder has to be verified, by the limits in force.
 *
 * Of the limits that fit, one that names the acquirer goes before one that names the scheme, that before one that names
 * the country; of two alike the later one holds, from the first instant (UTC) of its day. Where scheme or country are not
 * known, the strictest answer of all that could come to hold: a grant is one commitment, made before the tap, and may
 * ask for a PIN that the card's scheme would not need. Schemes that could not pay so much have no say in it, so that the
 * same is asked again once the card is known.
 *
 * Refuses with CURRENCY_NOT_ALLOWED, and with AMOUNT_OVER_LIMIT where no card could pay so much.
 */
export function verificationFor(payment: LimitedPayment, limits: VerificationLimits): Result<CardholderVerification> {
  const { scheme, country, currency, acquirer, amountMinor, at } = payment;
  const base = limits.currencies.find((candidate) => candidate.currency === currency);
  if (base === undefined) return refuse('CURRENCY_NOT_ALLOWED');
  const inForce = limits.verificationLimits.filter(
    (row) =>
      row.currency === currency &&
      (row.acquirer === null || row.acquirer === acquirer) &&
      Date.parse(row.from) <= at.getTime(),
  );
  let strictest: CardholderVerification | null = null;
  const schemes = known(
    scheme,
    inForce.map((row) => row.scheme),
  );
  const countries = known(
    country,
    inForce.map((row) => row.country),
  );
  for (const oneScheme of schemes) {
    for (const oneCountry of countries) {
      const expected = expectedWithin(boundsFor(oneScheme, oneCountry, inForce, base), amountMinor);
      if (expected === null) continue;
      strictest = strictest === null ? expected : stricterOf(strictest, expected);
    }
  }
  return strictest === null ? refuse('AMOUNT_OVER_LIMIT') : ok(strictest);
}

/** Null where the amount is over the largest one. */
function expectedWithin(bounds: Bounds, amountMinor: bigint): CardholderVerification | null {
  if (amountMinor > BigInt(bounds.maximumAmountMinor)) return null;
  if (amountMinor <= BigInt(bounds.noPinAmountMinor)) return 'none';
  return bounds.deviceAllowed ? 'device' : 'online-pin';
}
