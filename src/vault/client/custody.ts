import type {
  ExportKeyAnswer,
  ImportKeyAnswer,
  ImportKeyCall,
  Tr34CredentialAnswer,
} from '../../gen/tapgate/vault/v1/vault_service.ts';
import type { ExportedKey, ImportedSlot, IncomingKey, Tr34Credential } from '../../keys/custody.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { slotFromWire } from '../../wire/key-slot.ts';

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
