import { KeySlot as WireSlot, SlotState as WireState } from '../gen/tapgate/v1/key_slot.ts';
import { isEntry, type ShownSlot } from '../keys/custody.ts';
import { isSlotKind } from '../keys/kind.ts';
import { SLOT_STATES, type SlotState } from '../keys/state.ts';
import type { KeySetsResting } from '../keys/use.ts';
import { ok, type Result } from '../reasons/result.ts';
import { malformed } from './decode.ts';

const STATES: Readonly<Record<SlotState, WireState>> = {
  prepared: WireState.PREPARED,
  active: WireState.ACTIVE,
  draining: WireState.DRAINING,
  retired: WireState.RETIRED,
  destroyed: WireState.DESTROYED,
  compromised: WireState.COMPROMISED,
};

/** A slot's state on the wire. */
export function slotStateToWire(state: SlotState): WireState {
  return STATES[state];
}

/** A slot's state, or null for one of another version. */
export function slotStateFromWire(wire: WireState): SlotState | null {
  return SLOT_STATES.find((state) => STATES[state] === wire) ?? null;
}

/** A slot as a message. `nextStepAt` and what rests on it are left out where nothing is known of them. */
export function slotToWire(slot: ShownSlot, nextStepAt: Date | null = null, resting?: KeySetsResting): WireSlot {
  const { id, kind, acquirer = '', state, keyCheckValue, keyId, bdkId, history, enteredBy, expiresAt } = slot;
  return {
    slotId: id,
    kind,
    acquirer,
    state: STATES[state],
    keyCheckValue,
    keyId,
    bdkId,
    history: history.map(({ state: entered, at, by }) => ({ state: STATES[entered], at, by })),
    nextStepAt: nextStepAt ?? undefined,
    resting: resting && { live: BigInt(resting.live), unsettled: BigInt(resting.unsettled) },
    enteredBy: enteredBy ?? '',
    expiresAt,
  };
}

/** Bytes of slots in one message, at the most, where it is more than one: half of what any plane sends. */
const MOST_BYTES = 128 * 1024;

/** The first ones of these slots, as many as a message takes; one at least. */
export function slotsThatFit(slots: readonly WireSlot[]): WireSlot[] {
  let bytes = 0;
  const beyond = slots.findIndex((slot, at) => {
    bytes += WireSlot.encode(slot).finish().length;
    return at > 0 && bytes > MOST_BYTES;
  });
  return slots.slice(0, beyond < 0 ? undefined : beyond);
}

/** A slot out of a message; refused where kind or state are of another version. */
export function slotFromWire(wire: WireSlot | undefined): Result<ShownSlot, 'MALFORMED_MESSAGE'> {
  const state = wire === undefined ? null : slotStateFromWire(wire.state);
  if (wire === undefined || state === null || !isSlotKind(wire.kind)) return malformed('slot');
  const history: { state: SlotState; at: Date; by: string }[] = [];
  for (const change of wire.history) {
    const entered = slotStateFromWire(change.state);
    if (entered === null || change.at === undefined) return malformed('slot: history');
    history.push({ state: entered, at: change.at, by: change.by });
  }
  const { slotId: id, kind, keyCheckValue, keyId, bdkId, enteredBy, expiresAt } = wire;
  if (enteredBy !== '' && !isEntry(enteredBy)) return malformed('slot: how it entered');
  const plain = {
    id,
    kind,
    acquirer: wire.acquirer || undefined,
    state,
    history,
    keyCheckValue,
    keyId,
    bdkId,
    expiresAt,
  };
  return ok(enteredBy === '' ? plain : { ...plain, enteredBy });
}
