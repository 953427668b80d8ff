import type { DeviceStatus } from '../devices/device.ts';
import type { StoredGrant } from '../sessions/store.ts';
import type { Decision } from './decision.ts';

/** Everything durable that a decision rests on, read in one statement. */
export interface Situation {
  readonly deviceStatus: DeviceStatus;
  readonly sessionStatus: 'active' | 'revoked';
  readonly stored: StoredGrant;
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
  /** What stands for a grant of this session; null where the session has no such grant. */
  situation(grantId: string, thumbprint: string): Promise<Situation | null>;
  /**
   * Keeps the decision if, and only if, the session is active and has decided nothing of this sequence or higher: one
   * conditional UPDATE of the session's row in the statement that inserts the decision. Revocation writes the same row,
   * so the two cannot both win. False where the condition does not hold.
   */
  commit(decision: NewDecision): Promise<boolean>;
}
