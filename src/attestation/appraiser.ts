import type { AnchorSet } from './android/anchors.ts';
import type { StatusList } from './android/revocation.ts';
import type { VerifiedIssuers } from './android/verified-issuers.ts';
import { appraiseKey, type ExpectedKey, type KeyAppraisal } from './appraise.ts';
import type { AttestationPolicy } from './policy.ts';

/** Appraises attested keys under the policy and the status list in force. */
export interface Appraiser {
  appraise(evidence: {
    /** DER, leaf first. */
    readonly chain: readonly Uint8Array[];
    readonly at: Date;
    /** When the evidence was given, where that was earlier: see AppraisalTerms. */
    readonly attestedAt?: Date;
    readonly expected: ExpectedKey;
  }): KeyAppraisal;
}

/** What an appraiser stands on. Policy and list are asked for anew in each appraisal. */
export interface AppraiserPorts {
  readonly policy: () => AttestationPolicy;
  readonly statusList: () => StatusList | null;
  readonly anchors: AnchorSet;
  readonly issuers: VerifiedIssuers;
}

/** An appraiser that keeps nothing of its own. */
export function createAppraiser({ policy, statusList, anchors, issuers }: AppraiserPorts): Appraiser {
  return {
    appraise: (evidence) => appraiseKey({ ...evidence, policy: policy(), statusList: statusList(), anchors, issuers }),
  };
}
