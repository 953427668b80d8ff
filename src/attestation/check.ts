import type { Reason } from '../reasons/catalogue.ts';
import type { ChainFacts, DescribedCertificate } from './android/chain-facts.ts';
import type { StatusList } from './android/revocation.ts';
import type { AttestationPolicy, Tolerance } from './policy.ts';

/** How a check ended. `tolerated`: policy bears with what it found; `skipped`: it was not asked for, or had no subject. */
export type CheckStatus = 'pass' | 'fail' | 'skipped' | 'tolerated';

/** One check of an appraisal. */
export interface Check {
  /** Stable name: what holds where it passes. */
  readonly code: string;
  readonly status: CheckStatus;
  /** With `fail` only. */
  readonly reason?: Reason;
  /** For operators. */
  readonly detail?: string;
}

/** What the caller expects of a key. */
export interface ExpectedKey {
  /** The attestation challenge, byte for byte. Null: not checked. */
  readonly challenge: Uint8Array | null;
  /** What the key must be for, and for nothing else. Null: its use and origin are not checked. */
  readonly purpose: 'sign' | 'agree' | 'decrypt' | 'wrap' | null;
  /** Kind of key; by default P-256 to sign or agree and RSA to decrypt or wrap. Null: not checked. */
  readonly algorithm?: 'ec-p256' | 'rsa' | null;
  /** Whether the application must be one that policy allows; by default it is checked. */
  readonly application?: 'check' | 'skip';
  /** Whether patch levels must reach policy's floors; by default they are checked. */
  readonly patches?: 'check' | 'skip';
}

/** Everything besides the chain that an appraisal depends on. */
export interface AppraisalTerms {
  readonly at: Date;
  /**
   * When the evidence was given, where that was earlier: certificates are judged as of then, since a chain that was good
   * outlives its issuers' weeks. Everything else is judged as of `at`.
   */
  readonly attestedAt?: Date;
  readonly policy: AttestationPolicy;
  readonly expected: ExpectedKey;
  readonly statusList: StatusList | null;
}

/** A check's outcome, without its name. */
export type Finding =
  | { readonly status: 'pass' }
  | { readonly status: 'fail'; readonly reason: Reason; readonly detail?: string }
  | { readonly status: 'skipped' | 'tolerated'; readonly detail: string };

/** One rule of appraisal: pure, and independent of every other rule. */
export interface Rule {
  readonly code: string;
  readonly judge: (facts: ChainFacts, terms: AppraisalTerms) => Finding;
}

/** The rule holds. */
export const PASS: Finding = { status: 'pass' };

/** The rule is broken. */
export function fail(reason: Reason, detail?: string): Finding {
  return detail === undefined ? { status: 'fail', reason } : { status: 'fail', reason, detail };
}

/** The rule was not asked for by the caller. */
export const NOT_ASKED: Finding = { status: 'skipped', detail: 'not asked for' };

/** The rule was not asked for, or has nothing to judge; another rule refuses where that is wrong. */
export function skipped(detail: string): Finding {
  return { status: 'skipped', detail };
}

/** The rule is broken in a way that policy bears with. */
export function tolerated(detail: string): Finding {
  return { status: 'tolerated', detail };
}

/** A rule about the attested key's description; skipped where the chain has none. */
export function attestedRule(
  code: string,
  judge: (attested: DescribedCertificate, terms: AppraisalTerms, facts: ChainFacts) => Finding,
): Rule {
  return {
    code,
    judge: (facts, terms) =>
      facts.attested === null ? skipped('no key description') : judge(facts.attested, terms, facts),
  };
}

/**
 * A rule that genuine phones are known to break: `find` names what is irregular, or null. Policy decides whether it
 * refuses.
 */
export function toleranceRule(
  code: Tolerance,
  find: (facts: ChainFacts, terms: AppraisalTerms) => string | null,
): Rule {
  return {
    code,
    judge: (facts, terms) => {
      const irregularity = find(facts, terms);
      if (irregularity === null) return PASS;
      return terms.policy.tolerances.includes(code) ? tolerated(irregularity) : fail('CHAIN_IRREGULAR', irregularity);
    },
  };
}
