import { RotationStep } from '../gen/tapgate/v1/key_admin_service.ts';
import { type KeySetsResting, type KeySlot, SlotState } from '../gen/tapgate/v1/key_slot.ts';
import type { AdminOptions } from './admin.ts';
import { print, printJson, printTable, when } from './output.ts';

const STATES = new Map<SlotState, string>([
  [SlotState.PREPARED, 'prepared'],
  [SlotState.ACTIVE, 'active'],
  [SlotState.DRAINING, 'draining'],
  [SlotState.RETIRED, 'retired'],
  [SlotState.DESTROYED, 'destroyed'],
  [SlotState.COMPROMISED, 'compromised'],
]);

const STEPS = new Map<RotationStep, string>([
  [RotationStep.GENERATE, 'generate'],
  [RotationStep.ACTIVATE, 'activate'],
  [RotationStep.RETIRE, 'retire'],
  [RotationStep.WAIT, 'wait'],
  [RotationStep.COMPLETE, 'complete'],
]);

/** A slot's state in words. */
export function stateOf({ state }: Pick<KeySlot, 'state'>): string {
  return STATES.get(state) ?? '?';
}

/** A step of a rotation in words. */
export function stepOf(step: RotationStep): string {
  return STEPS.get(step) ?? '?';
}

/** What still rests on a draining base derivation key, for people; empty where nothing is known of it. */
export function restingText(resting: KeySetsResting | undefined): string {
  if (resting === undefined) return '';
  const { live, unsettled } = resting;
  const phones = live === 1n ? '1 phone' : `${live} phones`;
  return unsettled === 0n ? phones : `${phones}, ${unsettled} settling`;
}

/** A slot as JSON has it. Key sets that rest on it are named for draining base derivation keys only. */
export function plainSlot(slot: KeySlot) {
  const { slotId, kind, acquirer, keyCheckValue, keyId, bdkId, enteredBy, history, nextStepAt, resting, expiresAt } =
    slot;
  return {
    slot: slotId,
    kind,
    acquirer,
    state: stateOf(slot),
    keyCheckValue,
    keyId,
    bdkId,
    enteredBy,
    since: history.at(-1)?.at?.toISOString() ?? '',
    nextStepFrom: nextStepAt?.toISOString() ?? '',
    ...(expiresAt && { expires: expiresAt.toISOString() }),
    ...(resting && { resting: { live: Number(resting.live), unsettled: Number(resting.unsettled) } }),
    history: history.map((change) => ({
      state: stateOf(change),
      at: change.at?.toISOString() ?? '',
      by: change.by,
    })),
  };
}

/** Tells slots, one a line. */
export function printSlots(slots: readonly KeySlot[], options: AdminOptions, empty: string): void {
  if (options.json) {
    for (const slot of slots) printJson(plainSlot(slot));
    return;
  }
  printTable(
    ['slot', 'acquirer', 'state', 'check value', 'since', 'by', 'next step from', 'expires', 'still in use by'],
    slots.map((slot) => {
      const last = slot.history.at(-1);
      return [
        slot.slotId,
        slot.acquirer,
        stateOf(slot),
        slot.keyCheckValue,
        when(last?.at),
        last?.by ?? '-',
        when(slot.nextStepAt),
        slot.expiresAt === undefined ? '' : when(slot.expiresAt),
        restingText(slot.resting),
      ];
    }),
    empty,
  );
}

/** Tells a slot with all that happened to it. */
export function printSlot(slot: KeySlot, options: AdminOptions): void {
  const { history, resting, ...plain } = plainSlot(slot);
  if (options.json) {
    printJson({ ...plain, ...(resting && { resting }), history });
    return;
  }
  for (const [name, value] of Object.entries(plain)) print(`${name.padEnd(13)} ${value || '-'}`);
  if (slot.resting !== undefined) print(`${'in use by'.padEnd(13)} ${restingText(slot.resting)}`);
  print();
  printTable(
    ['state', 'since', 'by'],
    history.map(({ state, at, by }) => [state, at, by]),
    'Its past is older than the record.',
  );
}
