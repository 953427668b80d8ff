import { FixableBy, type Refusal, Retry } from '../gen/tapgate/v1/refusal.ts';
import { meaningOf, type Reason, toldToPhone } from '../reasons/catalogue.ts';
import type { ReasonMeaning } from '../reasons/reason.ts';

/** Who reads a refusal: a phone is told less than processing or the security team. */
export type Audience = 'phone' | 'partner';

/** A refusal carries no more reasons than this: it has to fit into trailers. */
export const MAXIMUM_REASONS = 8;

const FIXABLE_BY: Record<ReasonMeaning['fixableBy'], FixableBy> = {
  user: FixableBy.USER,
  integrator: FixableBy.INTEGRATOR,
  operator: FixableBy.OPERATOR,
  nobody: FixableBy.NOBODY,
};

const RETRY: Record<ReasonMeaning['retry'], Retry> = { no: Retry.NO, now: Retry.NOW, later: Retry.LATER };

/** The reasons that this audience may know: disguised for phones, without repetition, at most MAXIMUM_REASONS. */
export function reasonsToldTo(audience: Audience, reasons: readonly Reason[]): Reason[] {
  const told = audience === 'phone' ? reasons.map(toldToPhone) : reasons;
  return [...new Set(told)].slice(0, MAXIMUM_REASONS);
}

/** The `tapgate.v1.Refusal` of these reasons, with what the catalogue says of each, for this audience. */
export function refusalMessage(audience: Audience, reasons: readonly Reason[]): Refusal {
  return {
    reasons: reasonsToldTo(audience, reasons).map((code) => {
      const { meaning, action, fixableBy, retry } = meaningOf(code);
      return { code, meaning, action, fixableBy: FIXABLE_BY[fixableBy], retry: RETRY[retry] };
    }),
  };
}

/** The codes of a received refusal, in order. Codes of a newer service are kept: they are text, not `Reason`. */
export function codesOf(refusal: Refusal | undefined): string[] {
  return (refusal?.reasons ?? []).map((reason) => reason.code);
}
