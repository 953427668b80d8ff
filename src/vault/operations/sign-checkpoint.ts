import { decodeCheckpoint } from '../../audit/checkpoint.ts';
import { CONTEXT, signingInput } from '../../encoding/signed.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { SignCheckpointCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { VaultKeys } from '../keys.ts';
import type { VaultPorts } from '../ports.ts';
import type { CheckpointFault, SignedCheckpoints } from '../signed-checkpoints/ledger.ts';

/** Milliseconds by which a checkpoint's time may differ from the vault's. */
const CLOCKS_APART = 300_000;

/**
 * Signs a checkpoint of the log with the audit key: one that follows the last one that this vault has signed. One of the same
 * number in the same place as that is answered by that, signed again. Refuses with MALFORMED_MESSAGE whatever is not the one
 * serialisation of a checkpoint, says that the log was taken up, or is dated otherwise than now; with AUDIT_KEY_MISSING where
 * no audit key is active; with AUDIT_LOG_REPLACED what does not follow.
 */
export function signCheckpoint(
  { payload }: SignCheckpointCall,
  keys: VaultKeys,
  ports: VaultPorts,
  signed: SignedCheckpoints,
): Result<SignedMessage, 'MALFORMED_MESSAGE' | 'AUDIT_KEY_MISSING' | CheckpointFault> {
  const { audit } = keys;
  if (audit === null) return refuse('AUDIT_KEY_MISSING');
  const checkpoint = decodeCheckpoint(payload);
  if (!checkpoint.ok) return checkpoint;
  if (checkpoint.value.takenUp !== null) return refuse('MALFORMED_MESSAGE', 'checkpoint: taken up');
  const apart = Math.abs(checkpoint.value.at.getTime() - ports.clock.now().getTime());
  if (apart > CLOCKS_APART) return refuse('MALFORMED_MESSAGE', 'checkpoint: at another time');
  const taken = signed.take(payload);
  if (!taken.ok) return taken;
  const signature = audit.sign(signingInput(CONTEXT.auditCheckpoint, taken.value));
  return ok({ payload: taken.value, signature, keyId: audit.keyId });
}
