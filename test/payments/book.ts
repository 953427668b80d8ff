import { sha256 } from '../../src/encoding/digest.ts';

/** An approval as it was answered. */
export interface BookedApproval {
  /** Number of the plan, once that is known. */
  readonly plan: number | null;
  /** SHA-256 of the compact receipt, hexadecimal. */
  readonly receiptHash: string;
}

/** The time during which nothing of a device may be approved, in milliseconds since 1970. */
export interface SuspendedTime {
  readonly deviceId: string;
  readonly plan: number;
  /** When the suspension was answered. */
  readonly from: number;
  /** When the resumption was sent. */
  readonly until: number;
}

/** Something that must not be; of the plan of that number, where it is of one. */
export interface Violation {
  readonly what: string;
  readonly plan: number | null;
}

/** What an order was paid with. */
export interface BookedOrder {
  readonly merchant: string;
  readonly amountMinor: bigint;
  readonly currency: number;
  readonly receiptHash: string;
}

/** An approved refund or void. */
export interface GivenBack {
  readonly order: string;
  readonly type: 'refund' | 'void';
  readonly amountMinor: bigint;
  readonly plan: number;
}

/** An order that was refused for a velocity limit, and left at that. */
export interface LimitedOrder {
  readonly merchant: string;
  readonly order: string;
  readonly plan: number;
}

const MOST_VIOLATIONS = 100;

/** SHA-256 of a compact receipt, hexadecimal. */
export function receiptHashOf(receipt: string): string {
  return sha256(Buffer.from(receipt, 'utf8')).toString('hex');
}

/** What was seen from outside while payments were made. */
export class Book {
  /** By the hash of the intent, hexadecimal. */
  readonly approvals = new Map<string, BookedApproval>();
  readonly paid = new Map<string, BookedOrder>();
  readonly suspended: SuspendedTime[] = [];
  readonly violations: Violation[] = [];
  /** Approvals whose PIN was lost before processing had it, by the hash of the intent: the issuer declined them. */
  readonly declined = new Set<string>();
  /** Approved refunds and voids, by the hash of the intent; `failed` has those that were reported as declined. */
  readonly givenBack = new Map<string, GivenBack>();
  readonly failed = new Set<string>();
  /** By the hash of the intent, hexadecimal. */
  readonly limited = new Map<string, LimitedOrder>();
  /** How often the service was killed: each loses the PIN blocks that it held. */
  serviceKills = 0;
  readonly #counts = new Map<string, number>();

  /** Notes an approval: an intent is answered with one receipt only. */
  approve(intentHash: string, receipt: string, plan: number | null): void {
    const receiptHash = receiptHashOf(receipt);
    const known = this.approvals.get(intentHash);
    if (known === undefined || known.plan === null) this.approvals.set(intentHash, { plan, receiptHash });
    if (known !== undefined && known.receiptHash !== receiptHash)
      this.violate(`intent ${intentHash} was answered with two receipts`, plan);
  }

  /** Notes that an order is paid: once. */
  pay(order: string, booked: BookedOrder, plan: number): void {
    if (this.paid.has(order)) this.violate(`order ${order} was paid twice`, plan);
    this.paid.set(order, booked);
  }

  violate(what: string, plan: number | null): void {
    this.count('violations');
    if (this.violations.length < MOST_VIOLATIONS) this.violations.push({ what, plan });
  }

  count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by);
  }

  /** Everything that was counted, by name. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
