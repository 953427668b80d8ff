import type { DecisionFacts } from '../gate/facts.ts';
import type { Reason } from '../reasons/catalogue.ts';
import type { StoredGrant } from '../sessions/store.ts';
import type { AuditRecord } from './record.ts';

/** What the row of a decision says by itself. */
export interface KeptDecision {
  readonly grantId: string;
  readonly decidedAt: Date;
  readonly outcome: 'approved' | 'refused';
  readonly reasons: readonly Reason[];
  /** Compact JWS, or empty. */
  readonly receipt: string;
  readonly deviceId: string;
  /** Version that the gate decided by; null for decisions of before it was kept. */
  readonly gatePolicyVersion: string | null;
}

/** A decision whose grant or facts this version does not read: it is shown, and cannot be taken again. */
export interface UnreadableDecision extends KeptDecision {
  readonly unreadable: true;
}

/** A decision as it is kept, with the grant that it was taken under. */
export interface DecisionRecord extends KeptDecision {
  readonly stored: StoredGrant;
  /** Null for decisions of before facts were kept. */
  readonly facts: DecisionFacts | null;
}

/** What is kept around a decision, for an auditor: rows of other tables as records. */
export interface DecisionSurroundings {
  readonly decision: AuditRecord;
  readonly device: AuditRecord | null;
  readonly session: AuditRecord | null;
  readonly appraisal: AuditRecord | null;
  /** Changes of the device's standing, oldest first. */
  readonly deviceChanges: readonly AuditRecord[];
  /** What processing has reported. */
  readonly reported: AuditRecord | null;
  /** When and by whom the policy versions of the decision were activated. */
  readonly activations: readonly AuditRecord[];
}

/** Where a page of decisions begins. */
export interface DecisionPlace {
  readonly decidedAt: Date;
  readonly grantId: string;
}

/** Decisions as they were kept. */
export interface DecisionRecords {
  decision(grantId: string): Promise<DecisionRecord | UnreadableDecision | null>;
  surroundings(grantId: string): Promise<DecisionSurroundings | null>;
  /** Decisions from a place on (the place itself excluded) and before an instant, in the order of their times. */
  page(after: DecisionPlace, before: Date, limit: number): Promise<readonly (DecisionRecord | UnreadableDecision)[]>;
}
