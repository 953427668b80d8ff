import { paymentReason } from '../gate/checks.ts';
import { passesLimit, type Tally, tallyEntries, tallyName } from '../gate/limits.ts';
import { type GatePolicy, gateRulesOf } from '../gate/policy.ts';
import { secondsAfter } from '../ports/clock.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { appraiseGrant } from '../sessions/grant.ts';
import type { SessionPolicy } from '../sessions/policy.ts';
import type { DecisionRecord, DecisionRecords, UnreadableDecision } from './decision-record.ts';

/** What of a policy payments are decided by. */
export interface PaymentPolicy {
  readonly sessions: SessionPolicy;
  readonly pin: { readonly allowed: boolean };
  readonly gate: GatePolicy;
}

/** Members of a policy's gate that a backtest does not judge by: they are about payments beside the one that is taken. */
export const NOT_JUDGED = ['gate.cardCounters', 'gate.refundToOtherCard', 'gate.childGrantSeconds'] as const;

/** A payment that would have come out otherwise. */
export interface BacktestChange {
  readonly record: DecisionRecord;
  readonly reasons: readonly Reason[];
}

/** Sums of one currency, in minor units. */
export interface BacktestAmounts {
  nowRefused: bigint;
  nowApproved: bigint;
}

/** What a backtest has counted. */
export interface BacktestTotals {
  payments: bigint;
  withoutFacts: bigint;
  /** What was kept of them does not read. */
  unreadable: bigint;
  nowRefused: bigint;
  nowApproved: bigint;
  /** Refused before and after, for another reason. */
  otherReasons: bigint;
  /** Different phones whose payments would have changed. */
  phones: number;
  /** There are more phones than were counted. */
  phonesCut: boolean;
  readonly amounts: Map<number, BacktestAmounts>;
}

const PAGE = 500;
const MOST_PHONES = 1_000_000;
const MOST_CURRENCIES = 1000;
/** From the first payment of a tap to its last: five tries, each with a grant and a pause of 15 minutes at most. */
const LONGEST_TAP_SECONDS = 5 * (900 + 900);
/** Windows and taps that are over are let go so often. */
const PRUNED_EVERY = 5000;

interface CountedWindow extends Tally {
  readonly until: number;
}

/** Payments of a period taken again, one after the other, under another policy. */
export class Backtest {
  readonly #policy: PaymentPolicy;
  readonly #windows = new Map<string, CountedWindow>();
  /** When taps were approved first, by the grant that their card was tapped under. */
  readonly #paid = new Map<string, number>();
  readonly #phones = new Set<string>();
  #seen = 0;
  readonly totals: BacktestTotals = {
    payments: 0n,
    withoutFacts: 0n,
    unreadable: 0n,
    nowRefused: 0n,
    nowApproved: 0n,
    otherReasons: 0n,
    phones: 0,
    phonesCut: false,
    amounts: new Map(),
  };

  constructor(policy: PaymentPolicy) {
    this.#policy = policy;
  }

  /** Counts a payment of before the period towards the limits of its time. */
  warm(record: DecisionRecord | UnreadableDecision): void {
    if (!('unreadable' in record)) this.#decide(record);
  }

  /** Takes the next payment again; null where it comes out as it did, or cannot be taken again. */
  take(record: DecisionRecord | UnreadableDecision): BacktestChange | null {
    this.totals.payments += 1n;
    if ('unreadable' in record) {
      this.totals.unreadable += 1n;
      return null;
    }
    const reasons = this.#decide(record);
    if (reasons === null) {
      this.totals.withoutFacts += 1n;
      return null;
    }
    const unchanged = reasons.length === record.reasons.length && reasons.every((r, at) => r === record.reasons[at]);
    if (unchanged) return null;
    this.#count(record, reasons);
    return { record, reasons };
  }

  /** The reasons under the policy; null where no facts were kept. */
  #decide(record: DecisionRecord): readonly Reason[] | null {
    this.#prune(record.decidedAt);
    const { facts, stored, decidedAt, deviceId } = record;
    if (facts === null) return null;
    const { grant } = stored;
    const { sessions, pin, gate } = this.#policy;
    const { acquirer, terms, sameTap } = grant;
    const session = { acquirer, merchant: terms.merchant, pinForbidden: !grant.pinAllowed };
    const granted = appraiseGrant(terms, session, { sessions, pinAllowed: pin.allowed }, grant.issuedAt);
    if (!granted.ok) return [granted.reason];
    const expected = {
      ...grant,
      expectedVerification: sameTap === null ? granted.value : ('online-pin' as const),
      pinAllowed: grant.pinAllowed && pin.allowed,
    };
    const found = paymentReason(facts.payment, expected, facts.keySet, gateRulesOf(this.#policy), decidedAt);
    if (found !== null) return [found];
    // Limits are counted anew; what the vault and other payments said stands.
    const elsewhere = facts.foundElsewhere.filter((reason) => reason !== 'VELOCITY_EXCEEDED');
    if (elsewhere.length > 0) return elsewhere;
    const seller = { acquirer, merchant: terms.merchant, deviceId };
    const root = sameTap?.rootId ?? grant.id;
    const entries = sameTap !== null && this.#paid.has(root) ? [] : tallyEntries(seller, terms, gate, decidedAt);
    const tallied = (key: Parameters<typeof tallyName>[0]): Tally =>
      this.#windows.get(tallyName(key)) ?? { payments: 0n, amountMinor: 0n };
    if (entries.length > 0 && passesLimit(seller, terms, gate, decidedAt, tallied)) return ['VELOCITY_EXCEEDED'];
    if (entries.length > 0) this.#paid.set(root, decidedAt.getTime());
    for (const { key, amountMinor } of entries) {
      const before = tallied(key);
      this.#windows.set(tallyName(key), {
        payments: before.payments + 1n,
        amountMinor: before.amountMinor + amountMinor,
        until: secondsAfter(key.windowStart, key.windowSeconds).getTime(),
      });
    }
    return [];
  }

  #count({ outcome, deviceId, stored }: DecisionRecord, reasons: readonly Reason[]): void {
    const { totals } = this;
    if (this.#phones.size < MOST_PHONES) this.#phones.add(deviceId);
    else if (!this.#phones.has(deviceId)) totals.phonesCut = true;
    totals.phones = this.#phones.size;
    const { currency, amountMinor } = stored.grant.terms;
    const amounts = totals.amounts.get(currency) ?? { nowRefused: 0n, nowApproved: 0n };
    if (totals.amounts.size < MOST_CURRENCIES) totals.amounts.set(currency, amounts);
    if (outcome === 'refused' && reasons.length > 0) {
      totals.otherReasons += 1n;
    } else if (outcome === 'approved') {
      totals.nowRefused += 1n;
      amounts.nowRefused += amountMinor;
    } else {
      totals.nowApproved += 1n;
      amounts.nowApproved += amountMinor;
    }
  }

  #prune(now: Date): void {
    this.#seen += 1;
    if (this.#seen % PRUNED_EVERY !== 0) return;
    for (const [name, { until }] of this.#windows) if (until <= now.getTime()) this.#windows.delete(name);
    const over = secondsAfter(now, -LONGEST_TAP_SECONDS).getTime();
    for (const [root, paidAt] of this.#paid) if (paidAt < over) this.#paid.delete(root);
  }
}

/** A period of decisions: `from` included, `to` excluded. */
export interface Period {
  readonly from: Date;
  readonly to: Date;
}

/** Takes the payments of a period again; `null` is told after each page, for showing progress. */
export async function* runBacktest(
  backtest: Backtest,
  policy: PaymentPolicy,
  { from, to }: Period,
  records: Pick<DecisionRecords, 'page'>,
): AsyncGenerator<BacktestChange | null> {
  // Limits look back: what was paid in the windows before the period counts in it, once for each tap.
  const windows = policy.gate.velocity.map(({ windowSeconds }) => windowSeconds + LONGEST_TAP_SECONDS);
  const longest = Math.max(0, ...windows);
  let after = { decidedAt: new Date(secondsAfter(from, -longest).getTime() - 1), grantId: LAST_ID };
  for (;;) {
    const page = await records.page(after, to, PAGE);
    const last = page.at(-1);
    if (last === undefined) return;
    for (const record of page) {
      if (record.decidedAt < from) backtest.warm(record);
      else {
        const change = backtest.take(record);
        if (change !== null) yield change;
      }
    }
    yield null;
    after = last;
  }
}

/** Higher than every grant's id, so that a page begins after its instant. */
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
