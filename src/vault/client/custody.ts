import type { KeySlot } from '../../gen/tapgate/v1/key_slot.ts';
import type {
  ExportKeyAnswer,
  ImportKeyAnswer,
  ImportKeyCall,
  ListKeysAnswer,
  Tr34CredentialAnswer,
} from '../../gen/tapgate/vault/v1/vault_service.ts';
import type { ExportedKey, ImportedSlot, IncomingKey, Tr34Credential } from '../../keys/custody.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { slotFromWire } from '../../wire/key-slot.ts';

/** Answers of a list, at the most: of all slots that a keystore may have, changed once while they are told. */
const MOST_LISTS = 256;

/**
 * Asks for slots until all of one generation were told; where the keystore changes in between, from the first one again.
 * A keystore that changes all the time, or a vault that tells nothing, is VAULT_UNAVAILABLE.
 */
export async function everySlot(
  ask: (from: number) => Promise<Result<ListKeysAnswer>>,
): Promise<Result<readonly KeySlot[]>> {
  let told: KeySlot[] = [];
  let of: bigint | null = null;
  for (let asked = 0; asked < MOST_LISTS; asked += 1) {
    const answer = await ask(told.length);
    if (!answer.ok) return answer;
    const { slots, total, generation } = answer.value;
    if (told.length > 0 && generation !== of) {
      told = [];
      continue;
    }
    of = generation;
    told.push(...slots);
    if (told.length >= total) return ok(told);
    if (slots.length === 0) break;
  }
  return refuse('VAULT_UNAVAILABLE', 'slots');
}

/** The call that takes a key in. */
export function importCall({ series, source, tolerate, keyCheckValue }: IncomingKey, by: string): ImportKeyCall {
  const { kind, acquirer = '' } = series;
  const carried =
    'keyBlock' in source
      ? ({ $case: 'keyBlock', value: source.keyBlock } as const)
      : ({ $case: 'tr34KeyToken', value: source.tr34KeyToken } as const);
  return { kind, acquirer, source: carried, tolerate: [...tolerate], keyCheckValue, by };
}

/** The key that came in; KEY_DEVIATION with its name where a departure kept it out. */
export function importedKey({ slot, tolerated, notTolerated }: ImportKeyAnswer): Result<ImportedSlot> {
  if (notTolerated !== '') return refuse('KEY_DEVIATION', notTolerated);
  const shown = slotFromWire(slot);
  return shown.ok ? ok({ slot: shown.value, tolerated }) : refuse('VAULT_UNAVAILABLE', 'slot');
}

/** The key that goes out; KEY_DEVIATION with its name where a departure keeps it in. */
export function exportedKey(answer: ExportKeyAnswer): Result<ExportedKey> {
  if (answer.notTolerated !== '') return refuse('KEY_DEVIATION', answer.notTolerated);
  const slot = slotFromWire(answer.slot);
  if (!slot.ok) return refuse('VAULT_UNAVAILABLE', 'slot');
  const { keyBlock, tr34KeyToken, tolerated } = answer;
  return ok({ slot: slot.value, keyBlock, tr34KeyToken, tolerated });
}

/** A credential of TR-34, and both ends of its binding. */
export function tr34Credential(answer: Tr34CredentialAnswer): Tr34Credential {
  const { credentialToken: token, ownFingerprint, ownNotAfter, boundFingerprint, boundNotAfter } = answer;
  return {
    token,
    own: { fingerprint: ownFingerprint, notAfter: new Date(Number(ownNotAfter)) },
    bound: { fingerprint: boundFingerprint, notAfter: new Date(Number(boundNotAfter)) },
  };
}
