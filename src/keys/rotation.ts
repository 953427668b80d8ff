import { secondsAfter } from '../ports/clock.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { ruleOf, type SlotKind } from './kind.ts';
import type { RotationPolicy } from './policy.ts';
import { type KeySlot, type SlotSeries, seriesOf, sinceOf } from './slots.ts';
import type { KeySetsResting } from './use.ts';

/** Replicas of the service hear of a new key within this time; they look every second. */
export const PROPAGATION_SECONDS = 5;

/** The longest-lived token, whatever policy says now: policy may have been shortened since it was signed. */
export const LONGEST_TOKEN_SECONDS = 3_600;
/** The longest-lived grant, as above. */
export const LONGEST_GRANT_SECONDS = 900;
/** For so long processing may come back for a receipt, and has to find the key that verifies it. */
export const RECEIPT_SECONDS = 86_400;

const SIGNING_DRAIN: Partial<Readonly<Record<SlotKind, number>>> = {
  'device-token': LONGEST_TOKEN_SECONDS,
  grant: LONGEST_GRANT_SECONDS,
  receipt: RECEIPT_SECONDS,
};

/** Why a step is not taken. */
export type RotationFault = 'KEY_SLOT_UNKNOWN' | 'KEY_STATE_NOT_ALLOWED' | 'KEY_NOT_YET_PUBLISHED' | 'KEY_STILL_IN_USE';

/** A step that is refused for now, and the instant from which it is not. */
export interface TooEarly {
  readonly ok: false;
  readonly reason: 'KEY_NOT_YET_PUBLISHED' | 'KEY_STILL_IN_USE';
  readonly detail: string;
  readonly possibleAt: Date;
}

/** How long a slot of this kind drains at least, in seconds. */
export function drainSeconds(kind: SlotKind, policy: RotationPolicy): number {
  if (ruleOf(kind).family === 'derivation') return policy.maximumAgeHours * 3_600 + LONGEST_GRANT_SECONDS;
  return SIGNING_DRAIN[kind] ?? 0;
}

/** What is known to rest on draining base derivation keys, by slot id; of a slot that is not there nothing is known. */
export type Resting = ReadonlyMap<string, KeySetsResting>;

const NOTHING_KNOWN: Resting = new Map();

/**
 * The instant from which the slot's next step may be taken: a prepared signing key is activated once everybody who keeps
 * published keys has fetched it, a draining key is retired once nothing that lives may rest on it. Where no phone's keys
 * come from a base derivation key any more, it does not have to wait for the longest life of any, but still for the grants
 * of the last phone that left it. Null where there is no next step, and where nothing is known of the slot's past and no
 * time has to pass.
 */
export function nextStepAt(slot: KeySlot, policy: RotationPolicy, resting: Resting = NOTHING_KNOWN): Date | null {
  const since = sinceOf(slot);
  if (since === null) return null;
  const { family } = ruleOf(slot.kind);
  if (slot.state === 'prepared')
    return family === 'signing' ? secondsAfter(since, policy.publishSeconds + PROPAGATION_SECONDS) : since;
  if (slot.state !== 'draining') return null;
  const rests = family === 'derivation' ? resting.get(slot.id) : undefined;
  const isLeft = rests !== undefined && rests.live === 0 && rests.unsettled === 0;
  return secondsAfter(since, isLeft ? LONGEST_GRANT_SECONDS : drainSeconds(slot.kind, policy));
}

/** Says whether a slot may be activated now. */
export function mayActivate(slot: KeySlot, policy: RotationPolicy, now: Date): Result<null, RotationFault> | TooEarly {
  if (slot.state === 'active') return ok(null);
  if (slot.state !== 'prepared') return refuse('KEY_STATE_NOT_ALLOWED', `${slot.state} to active`);
  return notBefore(nextStepAt(slot, policy), now, 'KEY_NOT_YET_PUBLISHED');
}

/** Says whether a slot may be retired now. */
export function mayRetire(
  slot: KeySlot,
  policy: RotationPolicy,
  now: Date,
  resting: Resting = NOTHING_KNOWN,
): Result<null, RotationFault> | TooEarly {
  if (slot.state === 'retired') return ok(null);
  if (slot.state !== 'draining') return refuse('KEY_STATE_NOT_ALLOWED', `${slot.state} to retired`);
  return notBefore(nextStepAt(slot, policy, resting), now, 'KEY_STILL_IN_USE');
}

function notBefore(at: Date | null, now: Date, reason: TooEarly['reason']): Result<null, never> | TooEarly {
  if (at === null || now >= at) return ok(null);
  return { ok: false, reason, detail: `possible from ${at.toISOString()}`, possibleAt: at };
}

/** When a new key may be generated: never, where no rotation is under way, or also while earlier keys drain. */
export type RotationStart = 'no' | 'if-complete' | 'while-draining';

/** The step that a rotation takes next. */
export type RotationStep =
  | { readonly step: 'generate' }
  | { readonly step: 'complete' }
  | { readonly step: 'activate'; readonly slot: KeySlot }
  | { readonly step: 'retire'; readonly slot: KeySlot }
  | { readonly step: 'wait'; readonly slot: KeySlot; readonly until: Date };

function waitFor(steps: readonly RotationStep[], state: KeySlot['state']): RotationStep | undefined {
  return steps.find((step) => step.step === 'wait' && step.slot.state === state);
}

/**
 * The next step of a series' rotation, read off its slots alone: a rotation that was cut off goes on where it was. A
 * prepared slot is activated; draining ones are retired; and where nothing can be done, a new rotation begins if it may.
 */
export function nextRotationStep(
  slots: readonly KeySlot[],
  series: SlotSeries,
  policy: RotationPolicy,
  now: Date,
  start: RotationStart,
  resting: Resting = NOTHING_KNOWN,
): RotationStep {
  const own = seriesOf(slots, series);
  const steps: RotationStep[] = own
    .filter(({ state }) => state === 'prepared' || state === 'draining')
    .map((slot) => {
      const until = nextStepAt(slot, policy, resting);
      if (until !== null && now < until) return { step: 'wait', slot, until };
      return { step: slot.state === 'prepared' ? 'activate' : 'retire', slot };
    });
  const first = (step: RotationStep['step']) => steps.find((candidate) => candidate.step === step);
  const waiting = waitFor(steps, 'prepared');
  const begin: RotationStep = { step: 'generate' };
  return (
    first('activate') ??
    first('retire') ??
    waiting ??
    (start === 'while-draining' ? begin : waitFor(steps, 'draining')) ??
    (start === 'no' ? { step: 'complete' } : begin)
  );
}
