import type { Appraiser } from '../attestation/appraiser.ts';
import { type GateRules, gateRulesOf } from '../gate/policy.ts';
import type { PinPolicy } from '../pin/policy.ts';
import type { PolicySubject } from '../policy/resolve.ts';
import type { Shadow, ShadowVerdict } from '../policy/shadow.ts';
import type { PolicyVersion } from '../policy/version.ts';
import type { Reason } from '../reasons/catalogue.ts';
import type { Result } from '../reasons/result.ts';
import type { GrantPolicy } from '../sessions/grant.ts';
import type { CardholderVerification } from '../sessions/transaction.ts';
import type { Appraisers } from './appraisers.ts';
import { grantPolicyOf } from './phone-policy.ts';
import type { Policy } from './policy.ts';

const ALLOWED: ShadowVerdict = { reasons: [] };

function verdictOf(result: Result<unknown>, terms?: string): ShadowVerdict {
  if (!result.ok) return { reasons: [result.reason] };
  return terms === undefined ? ALLOWED : { reasons: [], terms };
}

/** An appraiser of the version in force whose verdicts the phone's candidate is compared with. */
export function watchedAppraiser(
  subject: PolicySubject,
  inForce: PolicyVersion<Policy>,
  appraisers: Appraisers,
  shadow: Pick<Shadow<Policy>, 'compare'>,
): Appraiser {
  const appraiser = appraisers.appraiser(inForce.document);
  return {
    appraise: (evidence) => {
      const appraisal = appraiser.appraise(evidence);
      shadow.compare('attestation', subject, ({ version, document }) =>
        version === inForce.version ? appraisal : appraisers.appraiser(document).appraise(evidence),
      );
      return appraisal;
    },
  };
}

/** What the points of decision tell of their judgement, turned into comparisons. */
export function watchedDecisions(shadow: Pick<Shadow<Policy>, 'compare'>) {
  return {
    onGrant: (
      subject: PolicySubject,
      judge: (policy: Pick<GrantPolicy, 'sessions' | 'pinAllowed'>) => Result<CardholderVerification>,
    ): void =>
      shadow.compare('grant', subject, (version) => {
        const judged = judge(grantPolicyOf(version));
        return verdictOf(judged, judged.ok ? judged.value : undefined);
      }),
    onPin: (subject: PolicySubject, judge: (policy: PinPolicy) => Result<null>): void =>
      shadow.compare('pin', subject, ({ document }) => verdictOf(judge(document.pin))),
    onPayment: (subject: PolicySubject, judge: (policy: GateRules) => Reason | null): void =>
      shadow.compare('payment', subject, ({ document }) => {
        const reason = judge(gateRulesOf(document));
        return reason === null ? ALLOWED : { reasons: [reason] };
      }),
  };
}
