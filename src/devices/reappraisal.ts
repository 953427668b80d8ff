import type { Check } from '../attestation/appraise.ts';
import type { Appraiser } from '../attestation/appraiser.ts';
import { meaningOf, type Reason } from '../reasons/catalogue.ts';
import { decodeChain } from './stored-chain.ts';

/** Why all devices are appraised again. */
export type ReappraisalPrompt = 'status-list' | 'policy' | 'person';

/** How far a re-appraisal has come. */
export interface ReappraisalCounts {
  /** Devices whose evidence was looked at. */
  readonly examined: number;
  /** Devices whose session was ended since their evidence is not good enough any more. */
  readonly refused: number;
  /** Devices whose session was ended since no evidence of them is kept. */
  readonly withoutEvidence: number;
  /** Devices of which nothing could be decided, since something was unavailable: left as they are. */
  readonly undecided: number;
}

/** One walk over all active devices. */
export interface Reappraisal extends ReappraisalCounts {
  readonly id: string;
  readonly prompt: ReappraisalPrompt;
  /** A person, or the service itself. */
  readonly requestedBy: string;
  readonly requestedAt: Date;
  readonly policyVersion: string;
  /** Active devices when it began; null before. */
  readonly devices: number | null;
  readonly begunAt: Date | null;
  readonly finishedAt: Date | null;
}

/** One attested chain as it was accepted. */
export interface KeptChain {
  /** As `encodeChain` made it. */
  readonly chain: Uint8Array;
  readonly appraisedAt: Date;
  /** The challenge that it answered; null where that is not kept. */
  readonly challenge: Uint8Array | null;
}

/** An active device with the evidence of its latest accepted attestation. */
export interface KeptEvidence {
  readonly deviceId: string;
  readonly acquirer: string;
  readonly merchant: string;
  /** The current session, which this evidence opened. */
  readonly thumbprint: string;
  readonly session: KeptChain | null;
  /** The chain of the device key, from its enrolment; null where it is not kept. */
  readonly deviceKey: Omit<KeptChain, 'challenge'> | null;
}

/** What an appraisal of kept evidence came to. */
export type Reappraised =
  | { readonly outcome: 'stands' }
  | { readonly outcome: 'undecided'; readonly reasons: readonly Reason[] }
  | {
      readonly outcome: 'refused' | 'without-evidence';
      readonly reasons: readonly Reason[];
      readonly checks: readonly Check[];
    };

const NOT_KEPT: Reappraised = { outcome: 'without-evidence', reasons: ['EVIDENCE_NOT_KEPT'], checks: [] };

/**
 * Appraises kept evidence as of now: the policy and the status list in force, today's patch floors. Only certificates'
 * dates are judged as of the attestation. Patch levels and application are judged by the session key's chain, which is
 * the latest; the device key's chain may be years old and is asked only whether its key may still be trusted.
 */
export function reappraise({ session, deviceKey }: KeptEvidence, at: Date, appraiser: Appraiser): Reappraised {
  const sessionChain = session === null ? null : decodeChain(session.chain);
  const deviceChain = deviceKey === null ? [] : decodeChain(deviceKey.chain);
  if (session === null || sessionChain === null || deviceChain === null) return NOT_KEPT;
  const appraisals = [
    appraiser.appraise({
      chain: sessionChain,
      at,
      attestedAt: session.appraisedAt,
      expected: { challenge: session.challenge, purpose: 'sign' },
    }),
  ];
  if (deviceKey !== null) {
    appraisals.push(
      appraiser.appraise({
        chain: deviceChain,
        at,
        attestedAt: deviceKey.appraisedAt,
        expected: { challenge: null, purpose: 'sign', application: 'skip', patches: 'skip' },
      }),
    );
  }
  const reasons = [...new Set(appraisals.flatMap((appraisal) => appraisal.reasons))];
  if (reasons.length === 0) return { outcome: 'stands' };
  // A list that cannot be had says nothing of a phone; ending every session for it would be an outage of our own making.
  const decided = reasons.filter((reason) => meaningOf(reason).category !== 'unavailable');
  if (decided.length === 0) return { outcome: 'undecided', reasons };
  return { outcome: 'refused', reasons: decided, checks: appraisals.flatMap(({ checks }) => checks) };
}

/** A re-appraisal that this replica works on until the lease ends. */
export interface LeasedReappraisal {
  readonly run: Reappraisal;
  /** The last device of the pages that are done; null at the beginning. */
  readonly position: string | null;
}

/** Who works on which re-appraisal. */
export interface Lease {
  readonly runId: string;
  readonly holder: string;
}

/** A phone whose session ends, and why. */
export interface EndedSession {
  readonly deviceId: string;
  readonly acquirer: string;
  /** The session that was examined: one that the phone opened since stays. */
  readonly thumbprint: string;
  readonly appraisalId: string;
  readonly policyVersion: string;
  readonly outcome: 'refused' | 'without-evidence';
  readonly reasons: readonly Reason[];
  readonly checks: readonly Check[];
}

/** Re-appraisals and their progress, durable; at most one is worked on at a time. */
export interface ReappraisalStore {
  /** Notes a re-appraisal; answers its id, or the id of one that was noted and has not begun, which serves as well. */
  request(noted: {
    readonly id: string;
    readonly prompt: ReappraisalPrompt;
    readonly by: string;
    readonly at: Date;
    readonly policyVersion: string;
  }): Promise<string>;
  /** The policy version of the latest re-appraisal; null where there was none. */
  lastPolicyVersion(): Promise<string | null>;
  /** Takes the oldest unfinished re-appraisal, unless another holder's lease on it goes on. Null where none is to be had. */
  claim(holder: string, policyVersion: string, now: Date, until: Date): Promise<LeasedReappraisal | null>;
  /** Active devices by id, after one. */
  evidence(after: string | null, limit: number): Promise<readonly KeptEvidence[]>;
  /**
   * Ends every session of a device, keeps the refused appraisal, publishes the revocation and counts it, all or nothing.
   * `moved-on`: the phone attested anew meanwhile, is not active, or has no session to end: nothing is written.
   * `now` is asked while the device's row is held.
   */
  end(lease: Lease, ended: EndedSession, now: () => Date): Promise<'ended' | 'moved-on' | 'lease-lost'>;
  /** Notes that a page is done; false where the lease is lost. */
  advance(
    lease: Lease,
    done: { readonly position: string; readonly examined: number; readonly undecided: number },
    until: Date,
  ): Promise<boolean>;
  finish(lease: Lease, at: Date): Promise<boolean>;
  /** Gives the lease up, so that another replica goes on at once. */
  release(lease: Lease): Promise<void>;
  reappraisal(id: string): Promise<Reappraisal | null>;
  /** The latest first. */
  latest(limit: number): Promise<readonly Reappraisal[]>;
}
