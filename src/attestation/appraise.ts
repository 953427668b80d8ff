import { meaningOf, type Reason } from '../reasons/catalogue.ts';
import type { AnchorSet } from './android/anchors.ts';
import { type ChainFacts, readChain } from './android/chain-facts.ts';
import { APPLICATION_RULES } from './android/checks/application.ts';
import { ENCODING_RULES } from './android/checks/encoding.ts';
import { KEY_RULES } from './android/checks/key.ts';
import { PATCH_RULES } from './android/checks/patches.ts';
import { PATH_RULES } from './android/checks/path.ts';
import { PLATFORM_RULES } from './android/checks/platform.ts';
import { POSITION_RULES } from './android/checks/position.ts';
import { REVOCATION_RULES } from './android/checks/revocation.ts';
import { type KeyFacts, keyFactsOf } from './android/key-facts.ts';
import type { StatusList } from './android/revocation.ts';
import type { VerifiedIssuers } from './android/verified-issuers.ts';
import { type AppraisalTerms, type Check, type ExpectedKey, NOT_ASKED, PASS, type Rule } from './check.ts';
import type { AttestationPolicy } from './policy.ts';

export type { KeyFacts } from './android/key-facts.ts';
export type { Check, ExpectedKey } from './check.ts';

/** The appraisal of one attested key. One failed check refuses; the whole list is kept. */
export type KeyAppraisal =
  | {
      readonly verdict: 'trusted';
      readonly reasons: readonly [];
      readonly checks: readonly Check[];
      readonly facts: KeyFacts;
    }
  | {
      readonly verdict: 'refused';
      /** At least one, the most fundamental first, each once. */
      readonly reasons: readonly [Reason, ...Reason[]];
      readonly checks: readonly Check[];
      /** What the chain claims, for the record; null where it cannot be read or attests no key. */
      readonly facts: KeyFacts | null;
    };

/** A chain, and everything that its appraisal depends on. */
export interface KeyEvidence {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly at: Date;
  /** As in AppraisalTerms. */
  readonly attestedAt?: Date;
  readonly policy: AttestationPolicy;
  readonly expected: ExpectedKey;
  readonly anchors: AnchorSet;
  readonly statusList?: StatusList | null;
  readonly issuers?: VerifiedIssuers;
}

const WELL_FORMED = 'CHAIN_WELL_FORMED';

const RULES: readonly Rule[] = [
  ...PATH_RULES,
  ...POSITION_RULES,
  ...REVOCATION_RULES,
  ...PLATFORM_RULES,
  ...KEY_RULES,
  ...APPLICATION_RULES,
  ...PATCH_RULES,
  ...ENCODING_RULES,
];

/** Codes of all checks in the order of every appraisal. */
export const CHECK_CODES: readonly string[] = [WELL_FORMED, ...RULES.map(({ code }) => code)];

/** What most checks of most phones come to; made once. */
const READ: Check = { code: WELL_FORMED, status: 'pass' };
const PASSED: readonly Check[] = RULES.map(({ code }) => ({ code, ...PASS }));
const UNASKED: readonly Check[] = RULES.map(({ code }) => ({ code, ...NOT_ASKED }));

function judgeAll(facts: ChainFacts, terms: AppraisalTerms): Check[] {
  const checks: Check[] = [READ];
  for (let index = 0; index < RULES.length; index += 1) {
    const { code, judge } = RULES[index]!;
    const finding = judge(facts, terms);
    checks.push(finding === PASS ? PASSED[index]! : finding === NOT_ASKED ? UNASKED[index]! : { code, ...finding });
  }
  return checks;
}

function malformed(detail: string | undefined): KeyAppraisal {
  const failed: Check = { code: WELL_FORMED, status: 'fail', reason: 'CHAIN_MALFORMED', detail: detail ?? '' };
  const rest = RULES.map(({ code }): Check => ({ code, status: 'skipped', detail: 'chain not read' }));
  return { verdict: 'refused', reasons: ['CHAIN_MALFORMED'], checks: [failed, ...rest], facts: null };
}

/** Reasons of the failed checks, each once. One that decides comes before one that only says "not now". */
function reasonsOf(checks: readonly Check[]): readonly Reason[] {
  const deciding: Reason[] = [];
  const unavailable: Reason[] = [];
  // A check has a reason where it failed, and only there.
  for (const { reason } of checks) {
    if (reason === undefined) continue;
    const reasons = meaningOf(reason).category === 'unavailable' ? unavailable : deciding;
    if (!reasons.includes(reason)) reasons.push(reason);
  }
  return unavailable.length === 0 ? deciding : [...deciding, ...unavailable];
}

/** Codes of the checks that policy bears with. */
function tolerancesOf(checks: readonly Check[]): readonly string[] {
  const codes: string[] = [];
  for (const { code, status } of checks) if (status === 'tolerated') codes.push(code);
  return codes;
}

/**
 * Appraises an Android key attestation chain against policy, as of a time.
 *
 * Every check runs and is listed. The chain is hostile input: what cannot be read, or is over a limit of policy, is
 * refused like everything else, and nothing is thrown.
 */
export function appraiseKey(evidence: KeyEvidence): KeyAppraisal {
  const { chain, at, attestedAt, policy, expected, anchors, statusList, issuers } = evidence;
  const read = readChain(chain, policy.limits, anchors, issuers);
  if (!read.ok) return malformed(read.detail);
  const checks = judgeAll(read.value, {
    at,
    ...(attestedAt && { attestedAt }),
    policy,
    expected,
    statusList: statusList ?? null,
  });
  const facts = keyFactsOf(read.value, tolerancesOf(checks));
  const [reason, ...others] = reasonsOf(checks);
  if (reason !== undefined) return { verdict: 'refused', reasons: [reason, ...others], checks, facts };
  // KEY_DESCRIPTION_PRESENT fails without facts; this is for the type, and should that rule ever go.
  if (facts === null) return { verdict: 'refused', reasons: ['KEY_DESCRIPTION_MISSING'], checks, facts };
  return { verdict: 'trusted', reasons: [], checks, facts };
}
