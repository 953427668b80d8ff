import type { Reason } from '../../reasons/catalogue.ts';
import type { Result } from '../../reasons/result.ts';
import { type Check, type Finding, fail, PASS, skipped, tolerated } from '../check.ts';
import { appAccessOf, INTEGRITY_RULES, type IntegrityTerms } from './checks.ts';
import type { IntegrityFailure } from './decoder.ts';
import type { PlayIntegrityPolicy } from './policy.ts';
import type { IntegrityVerdict } from './verdict.ts';

/** What an appraisal leaves for later decisions. */
export interface IntegrityFacts {
  /** Another application can see, cover or operate the screen, or it is not known and policy takes that for the same. */
  readonly forbidsPin: boolean;
  /** What Google said, for the record; null where it said nothing. */
  readonly verdict: IntegrityVerdict | null;
}

/** The appraisal of what Google Play says of a phone. One failed check refuses; the whole list is kept. */
export type IntegrityAppraisal =
  | {
      /** `accepted`: nothing speaks against the phone. Where policy is off or bears with a missing token, nothing for it. */
      readonly verdict: 'accepted';
      readonly reasons: readonly [];
      readonly checks: readonly Check[];
      readonly facts: IntegrityFacts;
    }
  | {
      readonly verdict: 'refused';
      /** At least one, in the order of the checks, each once. */
      readonly reasons: readonly [Reason, ...Reason[]];
      readonly checks: readonly Check[];
      readonly facts: IntegrityFacts;
    };

/** What came of a phone's token; null where it sent none. */
export type DecodedToken = Result<IntegrityVerdict, IntegrityFailure> | null;

const TOKEN_PRESENT = 'PLAY_TOKEN_PRESENT';
const TOKEN_GENUINE = 'PLAY_TOKEN_GENUINE';

/** Codes of all checks in the order of every appraisal. */
export const INTEGRITY_CHECK_CODES: readonly string[] = [
  TOKEN_PRESENT,
  TOKEN_GENUINE,
  ...INTEGRITY_RULES.map(({ code }) => code),
];

const REASON_OF: Readonly<Record<IntegrityFailure, Reason>> = {
  TOKEN_TOO_LARGE: 'PLAY_INTEGRITY_MALFORMED',
  TOKEN_MALFORMED: 'PLAY_INTEGRITY_MALFORMED',
  TOKEN_ALGORITHM: 'PLAY_INTEGRITY_TOKEN_INVALID',
  TOKEN_NOT_DECRYPTED: 'PLAY_INTEGRITY_TOKEN_INVALID',
  TOKEN_SIGNATURE: 'PLAY_INTEGRITY_TOKEN_INVALID',
  TOKEN_REFUSED: 'PLAY_INTEGRITY_TOKEN_INVALID',
  DECODER_UNAVAILABLE: 'PLAY_INTEGRITY_UNAVAILABLE',
  VERDICT_TOO_LARGE: 'PLAY_INTEGRITY_MALFORMED',
  VERDICT_NOT_JSON: 'PLAY_INTEGRITY_MALFORMED',
  VERDICT_TOO_COMPLEX: 'PLAY_INTEGRITY_MALFORMED',
  VERDICT_FIELD_INVALID: 'PLAY_INTEGRITY_MALFORMED',
};

function judgePresence(decoded: DecodedToken, { mode }: PlayIntegrityPolicy): Finding {
  if (decoded !== null) return PASS;
  return mode === 'preferred' ? tolerated('no token') : fail('PLAY_INTEGRITY_MISSING', 'no token');
}

function judgeDecoding(decoded: DecodedToken, { mode }: PlayIntegrityPolicy): Finding {
  if (decoded === null) return skipped('no token');
  if (decoded.ok) return PASS;
  const detail = decoded.detail === undefined ? decoded.reason : `${decoded.reason}: ${decoded.detail}`;
  const isUnavailable = decoded.reason === 'DECODER_UNAVAILABLE';
  return isUnavailable && mode === 'preferred' ? tolerated(detail) : fail(REASON_OF[decoded.reason], detail);
}

function judgeAll(decoded: DecodedToken, terms: IntegrityTerms): Check[] {
  const verdict = decoded?.ok ? decoded.value : null;
  return [
    { code: TOKEN_PRESENT, ...judgePresence(decoded, terms.policy) },
    { code: TOKEN_GENUINE, ...judgeDecoding(decoded, terms.policy) },
    ...INTEGRITY_RULES.map(({ code, judge }) => ({
      code,
      ...(verdict === null ? skipped('no verdict') : judge(verdict, terms)),
    })),
  ];
}

/** The appraisal where policy does not ask for Play Integrity: every check skipped, and nothing forbidden. */
export function integrityNotAsked(): IntegrityAppraisal {
  const checks = INTEGRITY_CHECK_CODES.map((code): Check => ({ code, ...skipped('off by policy') }));
  return { verdict: 'accepted', reasons: [], checks, facts: { forbidsPin: false, verdict: null } };
}

/**
 * Appraises what came of a phone's integrity token against policy and against what its key attests.
 *
 * Every check runs and is listed. `required` refuses without a token and where none can be decoded now, the latter as
 * unavailable; `preferred` bears with both. A verdict that speaks against the phone refuses in both.
 */
export function appraiseIntegrity(decoded: DecodedToken, terms: IntegrityTerms): IntegrityAppraisal {
  if (terms.policy.mode === 'off') return integrityNotAsked();
  const checks = judgeAll(decoded, terms);
  const verdict = decoded?.ok ? decoded.value : null;
  const [reason, ...others] = new Set(checks.flatMap((check) => check.reason ?? []));
  const facts = { forbidsPin: appAccessOf(verdict, terms.policy).forbidsPin, verdict };
  if (reason === undefined) return { verdict: 'accepted', reasons: [], checks, facts };
  return { verdict: 'refused', reasons: [reason, ...others], checks, facts: { ...facts, forbidsPin: true } };
}
