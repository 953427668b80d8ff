import type { DeviceStatus } from '../devices/device.ts';
import type { StoredGrant } from '../sessions/store.ts';
import type { Decision } from './decision.ts';

/** The key set that an intent's keys come from. */
export interface SituationKeySet {
  readonly status: 'offered' | 'active' | 'retired';
  /** 8 bytes. */
  readonly pinInitialKeyId: Buffer;
  readonly expiresAt: Date;
  /** When a newer set took its place; null while none has, and where that is older than the record. */
  readonly retiredAt: Date | null;
}

/** Everything durable that a decision rests on, read in one statement. */
export interface Situation {
  readonly deviceStatus: DeviceStatus;
  readonly sessionStatus: 'active' | 'revoked';
  readonly stored: StoredGrant;
  /** Null where the device was given no such keys. */
  readonly keySet: SituationKeySet | null;
  /** The decision that stands under this grant, if any. */
  readonly decision: Decision | null;
}

/** A decision to be kept, with what the record says beside it. */
export interface NewDecision extends Decision {
  readonly thumbprint: string;
  readonly deviceId: string;
  readonly acquirer: string;
  readonly merchant: string;
  readonly order: string;
  readonly amountMinor: bigint;
  readonly currency: number;
  readonly sequence: bigint;
  readonly policyVersion: string;
  /** Keyed hash of the PAN, or empty where the vault did not see it. */
  readonly cardReference: Buffer;
  readonly decidedAt: Date;
}

/** Durable decisions. */
export interface DecisionStore {
  /**
   * What stands for a grant of this session, and for the key set of this account data key (8 bytes) on its device; null
   * where the session has no such grant.
   */
  situation(grantId: string, thumbprint: string, accountDataInitialKeyId: Buffer): Promise<Situation | null>;
  /**
   * Keeps the decision if, and only if, the session is active and has decided nothing of this sequence or higher: one
   * conditional UPDATE of the session's row in the statement that inserts the decision. Revocation writes the same row,
   * so the two cannot both win. False where the condition does not hold.
   */
  commit(decision: NewDecision): Promise<boolean>;
}
