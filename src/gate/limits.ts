import type { TransactionTerms } from '../sessions/transaction.ts';
import type { GatePolicy, VelocityLimit } from './policy.ts';

/** Approved sales that are counted together. */
export interface TallyKey {
  readonly acquirer: string;
  readonly merchant: string;
  /** A device id; empty for all devices of the merchant. */
  readonly subject: string;
  readonly windowSeconds: number;
  readonly windowStart: Date;
  /** ISO 4217 numeric; 0: every currency. */
  readonly currency: number;
}

/** What has been counted under a key. The sum of amounts is 0 where currencies are mixed. */
export interface Tally {
  readonly payments: bigint;
  readonly amountMinor: bigint;
}

/** What one more sale counts towards. */
export interface TallyEntry {
  readonly key: TallyKey;
  readonly amountMinor: bigint;
}

/** Tallies by the beginning of their windows. */
export interface PastTallies {
  /** Removes up to `count` tallies whose window began before; answers how many. */
  pruneTallies(beganBefore: Date, count: number): Promise<number>;
}

/** Whose sale it is. */
export interface Seller {
  readonly acquirer: string;
  readonly merchant: string;
  readonly deviceId: string;
}

/** Tallies that one sale counts towards, each once; none where policy limits nothing of its kind. */
export function tallyEntries(seller: Seller, terms: TransactionTerms, policy: GatePolicy, at: Date): TallyEntry[] {
  if (terms.type !== 'sale') return [];
  const entries = new Map<string, TallyEntry>();
  for (const limit of policy.velocity) {
    if (!concerns(limit, terms)) continue;
    const key = keyOf(limit, seller, at);
    const amountMinor = key.currency === 0 ? 0n : terms.amountMinor;
    entries.set(tallyName(key), { key, amountMinor });
  }
  return [...entries.values()];
}

/** Names a tally: equal keys, equal names. */
export function tallyName({ acquirer, merchant, subject, windowSeconds, windowStart, currency }: TallyKey): string {
  return JSON.stringify([acquirer, merchant, subject, windowSeconds, windowStart.getTime(), currency]);
}

/** True where one more sale would pass a limit. `tallied` answers what a key has counted so far. */
export function passesLimit(
  seller: Seller,
  terms: TransactionTerms,
  policy: GatePolicy,
  at: Date,
  tallied: (key: TallyKey) => Tally,
): boolean {
  if (terms.type !== 'sale') return false;
  return policy.velocity.some((limit) => {
    if (!concerns(limit, terms)) return false;
    const { payments, amountMinor } = tallied(keyOf(limit, seller, at));
    return (
      (limit.payments !== undefined && payments + 1n > BigInt(limit.payments)) ||
      (limit.amountMinor !== undefined && amountMinor + terms.amountMinor > BigInt(limit.amountMinor))
    );
  });
}

function concerns({ currency }: VelocityLimit, terms: TransactionTerms): boolean {
  return currency === undefined || currency === terms.currency;
}

function keyOf(limit: VelocityLimit, { acquirer, merchant, deviceId }: Seller, at: Date): TallyKey {
  const length = limit.windowSeconds * 1000;
  return {
    acquirer,
    merchant,
    subject: limit.of === 'device' ? deviceId : '',
    windowSeconds: limit.windowSeconds,
    windowStart: new Date(Math.floor(at.getTime() / length) * length),
    currency: limit.currency ?? 0,
  };
}
