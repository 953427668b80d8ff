import type { DeviceStatus } from '../devices/device.ts';
import type { Reason } from '../reasons/catalogue.ts';
import type { StoredGrant } from '../sessions/store.ts';
import type { TransactionType } from '../sessions/transaction.ts';
import type { Decision } from './decision.ts';
import type { DecisionFacts } from './facts.ts';
import type { SituationKeySet } from './key-set.ts';
import type { Tally, TallyEntry, TallyKey } from './limits.ts';
import type { OrderTransaction } from './origin.ts';

/** Everything durable that a decision rests on, read in one statement. */
export interface Situation {
  readonly deviceStatus: DeviceStatus;
  readonly sessionStatus: 'active' | 'revoked';
  readonly stored: StoredGrant;
  /** Null where the device was given no such keys. */
  readonly keySet: SituationKeySet | null;
  /** Id of the appraisal that the session rests on; null for sessions of before it was kept. */
  readonly appraisalId: string | null;
  /** The decision that stands under this grant, if any. */
  readonly decision: Decision | null;
}

/**
 * One use of a card: its application counts each, and states each in a cryptogram of its own. The application is what the
 * tap names, which no cryptogram covers; counter and cryptogram are what its issuer verifies.
 */
export interface CardUse {
  /** Keyed hash of the PAN, 16 bytes. */
  readonly reference: Buffer;
  /** Application identifier and PAN sequence number: a PAN may have several counters. */
  readonly application: string;
  /** Application transaction counter (9F36), 1 to 65535. */
  readonly counter: number;
  /** Application cryptogram (9F26), 8 bytes. */
  readonly cryptogram: Buffer;
}

/** A decision to be kept, with what the record says beside it. */
export interface NewDecision extends Decision {
  readonly thumbprint: string;
  readonly deviceId: string;
  readonly acquirer: string;
  readonly merchant: string;
  readonly order: string;
  readonly type: TransactionType;
  readonly amountMinor: bigint;
  readonly currency: number;
  readonly sequence: bigint;
  /** The version that the grant was issued by. */
  readonly policyVersion: string;
  /** The version that the gate decided by. */
  readonly gatePolicyVersion: string;
  /** The grant that the card was tapped under: the own one, unless a tap is paid again. */
  readonly rootGrantId: string;
  /** Keyed hash of the PAN, or empty where the vault did not see it. */
  readonly cardReference: Buffer;
  /** Null where the vault did not see the card. */
  readonly cardUse: CardUse | null;
  /** What an approved sale counts towards. */
  readonly tallies: readonly TallyEntry[];
  /** `paymentEvidenceHash`. */
  readonly evidenceHash: Buffer;
  /** SHA-256 of the grant's signed payload. */
  readonly grantHash: Buffer;
  readonly facts: DecisionFacts;
  readonly decidedAt: Date;
  /** Generation of the kill switches that were asked. */
  readonly killGeneration: bigint;
}

/** What a guarded commit has to know: read in its transaction, so that nobody changes it meanwhile. */
export interface Guard {
  readonly tallies: readonly TallyKey[];
  /** Whether to read the approved transactions of the decision's order. */
  readonly order: boolean;
  /** Whether to read the highest counter of the decision's card under another tap. */
  readonly cardCounter: boolean;
}

/** What a guard found. */
export interface Found {
  readonly tallied: (key: TallyKey) => Tally;
  readonly order: readonly OrderTransaction[];
  /** Highest counter of the card under another tap; 0 where it was not used or not asked for. */
  readonly cardCounter: number;
}

/** Durable decisions. */
export interface DecisionStore {
  /**
   * What stands for a grant of this session, and for the key set of this account data key (8 bytes) on its device; null
   * where the session has no such grant.
   */
  situation(grantId: string, thumbprint: string, accountDataInitialKeyId: Buffer): Promise<Situation | null>;
  /** What has been counted, of keys with anything counted; it may be out of date by the time that it is used. */
  tallied(keys: readonly TallyKey[]): Promise<(key: TallyKey) => Tally>;
  /**
   * Keeps the decision if, and only if, the session is active and has decided nothing of this sequence or higher, and the
   * card was not used so by another tap, and no kill switch was set or lifted since: one conditional UPDATE of the session's row in the statement that inserts the
   * decision, the card's use and what it counts towards. Revocation writes the same row, so the two cannot both win.
   * False where the condition does not hold.
   */
  commit(decision: NewDecision): Promise<boolean>;
  /** As `commit`, in one transaction with what the guard reads; keeps nothing and answers the reason of `judge`, if any. */
  commitGuarded(decision: NewDecision, guard: Guard, judge: (found: Found) => Reason | null): Promise<boolean | Reason>;
  /** Whether a payment of this decision's tap was approved before, under whichever of its grants. */
  tapApproved(tap: Pick<NewDecision, 'acquirer' | 'merchant' | 'order' | 'rootGrantId'>): Promise<boolean>;
  /** Whether another tap than that of this grant has used the card so: at this counter, or with this cryptogram. */
  usedByOther(use: CardUse, rootGrantId: string): Promise<boolean>;
}
