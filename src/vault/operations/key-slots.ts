import { NAME_FORM } from '../../certs/uri-name.ts';
import type {
  ChangeKeyStateAnswer,
  ChangeKeyStateCall,
  GenerateKeyAnswer,
  GenerateKeyCall,
  ListKeysAnswer,
  ListKeysCall,
} from '../../gen/tapgate/vault/v1/vault_service.ts';
import { isOfAcquirer, isSlotKind } from '../../keys/kind.ts';
import { isReason } from '../../reasons/catalogue.ts';
import { ok, type Refusal, type Result, refuse } from '../../reasons/result.ts';
import { slotStateFromWire, slotsThatFit, slotToWire } from '../../wire/key-slot.ts';
import type { Custodian } from '../keystore/custodian.ts';

const MAX_BY = 128;

/** True where the text may stand in a slot's history for who changed it. */
export function isPerson(by: string): boolean {
  return by.length > 0 && by.length <= MAX_BY;
}

/** The custodian's fault as a reason of the catalogue; a fault of the folder itself is told in the log alone. */
export function custodyRefusal({ reason, detail }: Refusal<string>): Refusal {
  if (reason === 'TOKEN_UNAVAILABLE') return refuse('VAULT_UNAVAILABLE', detail);
  return isReason(reason) ? refuse(reason, detail) : refuse('KEYSTORE_NOT_CHANGED', `${reason} ${detail ?? ''}`);
}

/** Lists slots from a place on, without their keys: as many as a message takes. */
export function listKeys({ from }: ListKeysCall, custodian: Custodian): Result<ListKeysAnswer> {
  const listed = custodian.listed();
  if (!listed.ok) return custodyRefusal(listed);
  const { slots: all, generation } = listed.value;
  const slots = slotsThatFit(all.slice(from).map((slot) => slotToWire(slot)));
  return ok({ slots, total: all.length, generation: BigInt(generation) });
}

/** Makes a key in a prepared slot; refuses with MALFORMED_MESSAGE, and as the rules of slots do. */
export function generateKey({ kind, acquirer, by }: GenerateKeyCall, custodian: Custodian): Result<GenerateKeyAnswer> {
  if (!isSlotKind(kind)) return refuse('MALFORMED_MESSAGE', 'kind');
  if (!isPerson(by)) return refuse('MALFORMED_MESSAGE', 'by');
  const named = acquirer !== '';
  if (named !== isOfAcquirer(kind) || (named && !NAME_FORM.test(acquirer)))
    return refuse('MALFORMED_MESSAGE', 'acquirer');
  const made = custodian.generate(named ? { kind, acquirer } : { kind }, by);
  if (!made.ok) return custodyRefusal(made);
  return ok({ slot: slotToWire(made.value.slot), keyBlock: made.value.keyBlock });
}

/** Takes a slot to another state; refuses with MALFORMED_MESSAGE, and as the rules of slots do. */
export function changeKeyState(
  { slotId, to, by }: ChangeKeyStateCall,
  custodian: Custodian,
): Result<ChangeKeyStateAnswer> {
  const state = slotStateFromWire(to);
  if (state === null) return refuse('MALFORMED_MESSAGE', 'to');
  if (!isPerson(by)) return refuse('MALFORMED_MESSAGE', 'by');
  const changed = custodian.change(slotId, state, by);
  return changed.ok ? ok({ changed: changed.value.map((slot) => slotToWire(slot)) }) : custodyRefusal(changed);
}
