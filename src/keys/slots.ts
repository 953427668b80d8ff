import { ok, type Result, refuse } from '../reasons/result.ts';
import { ruleOf, type SlotKind } from './kind.ts';
import { mayBecome, type SlotState } from './state.ts';

/** A slot entered a state. */
export interface SlotChange {
  readonly state: SlotState;
  readonly at: Date;
  /** The person who asked for it, or the program that did it by itself. */
  readonly by: string;
}

/** One key slot without its key. */
export interface KeySlot {
  readonly id: string;
  readonly kind: SlotKind;
  /** The acquirer of a zone key. */
  readonly acquirer?: string | undefined;
  readonly state: SlotState;
  /** What happened to it, oldest first; empty where it is older than the record. */
  readonly history: readonly SlotChange[];
}

/** One series of slots of which at most one is active: a kind, and for zone keys the acquirer. */
export interface SlotSeries {
  readonly kind: SlotKind;
  readonly acquirer?: string | undefined;
}

/** Why slots stay as they are. */
export type SlotFault =
  | 'KEY_SLOT_UNKNOWN'
  | 'KEY_STATE_NOT_ALLOWED'
  | 'KEY_SUCCESSOR_MISSING'
  | 'KEY_SLOTS_FULL'
  | 'KEY_KIND_FIXED';

/** Steps that are taken together or not at all. */
export interface SlotPlan {
  readonly changes: readonly { readonly id: string; readonly to: SlotState }[];
  /** A new key of the series has to be made, and be active with the same step. */
  readonly generate: SlotSeries | null;
}

/** A series holds one prepared slot, and no more draining ones than this. */
export const MOST_DRAINING = 8;

/** The slots of one series. */
export function seriesOf<S extends KeySlot>(slots: readonly S[], { kind, acquirer }: SlotSeries): S[] {
  return slots.filter((slot) => slot.kind === kind && slot.acquirer === acquirer);
}

/** When a slot entered its present state; null where that is older than the record. */
export function sinceOf(slot: KeySlot): Date | null {
  return slot.history.findLast(({ state }) => state === slot.state)?.at ?? null;
}

/** Says whether a prepared slot may be added to a series. */
export function planGeneration(slots: readonly KeySlot[], series: SlotSeries): Result<null, SlotFault> {
  if (ruleOf(series.kind).family === 'ceremony') return refuse('KEY_KIND_FIXED', series.kind);
  const prepared = seriesOf(slots, series).some(({ state }) => state === 'prepared');
  return prepared ? refuse('KEY_SLOTS_FULL', 'a prepared slot is there already') : ok(null);
}

/**
 * What a change of one slot's state takes along. Activation sends the slot that was active to drain. A series that
 * cannot be without an active slot gets a successor at once where its active one is compromised: the prepared slot, or a
 * new one. A change to the state that the slot has is no change, so that a call whose answer was lost can be repeated.
 */
export function planChange(slots: readonly KeySlot[], id: string, to: SlotState): Result<SlotPlan, SlotFault> {
  const slot = slots.find((candidate) => candidate.id === id);
  if (slot === undefined) return refuse('KEY_SLOT_UNKNOWN', id);
  const { family, leastActive } = ruleOf(slot.kind);
  // A ceremony alone brings such a key into use; out of use goes all that the vault can be without.
  if (family === 'ceremony' && (leastActive > 0 || to === 'active')) return refuse('KEY_KIND_FIXED', slot.kind);
  if (slot.state === to) return ok({ changes: [], generate: null });
  if (!mayBecome(slot.state, to)) return refuse('KEY_STATE_NOT_ALLOWED', `${slot.state} to ${to}`);
  const series = seriesOf(slots, slot);
  const change = { id, to };
  if (to === 'active') {
    const before = series.filter(({ state }) => state === 'active');
    const draining = series.filter(({ state }) => state === 'draining').length;
    if (draining + before.length > MOST_DRAINING) return refuse('KEY_SLOTS_FULL', 'draining');
    return ok({
      changes: [...before.map((other) => ({ id: other.id, to: 'draining' as const })), change],
      generate: null,
    });
  }
  if (slot.state !== 'active' || leastActive === 0) return ok({ changes: [change], generate: null });
  if (to === 'draining') return refuse('KEY_SUCCESSOR_MISSING', slot.kind);
  const successor = series.find(({ state }) => state === 'prepared');
  return successor === undefined
    ? ok({ changes: [change], generate: { kind: slot.kind, acquirer: slot.acquirer } })
    : ok({ changes: [change, { id: successor.id, to: 'active' }], generate: null });
}
