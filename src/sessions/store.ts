import type { SignedBytes } from '../encoding/signed.ts';
import type { KeyWear } from './key-wear.ts';
import type { PaidTap } from './same-tap.ts';
import type { SameTap, TransactionGrant } from './transaction.ts';

/** A grant with the bytes that the service signed. */
export interface StoredGrant {
  readonly grant: TransactionGrant;
  readonly signed: SignedBytes;
}

/** The counters that a transaction wants to use. */
export interface CounterClaim {
  readonly deviceId: string;
  readonly thumbprint: string;
  readonly pinInitialKeyId: Buffer;
  readonly accountDataInitialKeyId: Buffer;
  readonly pinCounter: number;
  readonly accountDataCounter: number;
  /** The counters may be ahead of the last ones by at most this. */
  readonly window: number;
  readonly maximumTransactions: number;
}

/** Counters that were burned. */
export interface BurnedCounters {
  /** The session's next sequence number. */
  readonly sequence: bigint;
  /** What the vault bound the keys by when it offered them. */
  readonly keyBinding: Buffer;
}

/** Why counters were not burned. */
export type CounterRefusal = 'KEYS_NOT_ACTIVE' | 'KEYS_EXHAUSTED' | 'COUNTER_NOT_HIGHER' | 'SESSION_UNKNOWN';

/** Durable transaction grants. */
export interface GrantStore {
  /**
   * Burns the counters and takes the session's next sequence number, in one statement: the counters are higher than any
   * used before and within the window, the key set is active and bound, the session is active.
   */
  burnCounters(claim: CounterClaim, now: Date): Promise<BurnedCounters | CounterRefusal>;
  addGrant(grant: StoredGrant): Promise<void>;
  /** A decided grant of this session, or null. */
  paidTap(grantId: string, thumbprint: string): Promise<PaidTap | null>;
  /** As `addGrant`, for a tap that is paid again; false where its parent has such a grant already. */
  addChildGrant(grant: StoredGrant, tap: SameTap): Promise<boolean>;
  /** How far the device's live keys are used up; null where it has none. */
  keyWear(deviceId: string): Promise<KeyWear | null>;
}
