import { decodeCheckpoint } from '../../audit/checkpoint.ts';
import { CONTEXT, signingInput } from '../../encoding/signed.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { SignCheckpointCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { VaultKeys } from '../keys.ts';
import type { VaultPorts } from '../ports.ts';

/** Milliseconds by which a checkpoint's time may differ from the vault's. */
const CLOCKS_APART = 300_000;

/**
 * Signs a checkpoint of the log with the audit key. Refuses with MALFORMED_MESSAGE whatever is not the one serialisation of
 * a checkpoint, or is dated otherwise than now; with AUDIT_KEY_MISSING where no audit key is active.
 */
export function signCheckpoint(
  { payload }: SignCheckpointCall,
  keys: VaultKeys,
  ports: VaultPorts,
): Result<SignedMessage, 'MALFORMED_MESSAGE' | 'AUDIT_KEY_MISSING'> {
  const { audit } = keys;
  if (audit === null) return refuse('AUDIT_KEY_MISSING');
  const checkpoint = decodeCheckpoint(payload);
  if (!checkpoint.ok) return checkpoint;
  const apart = Math.abs(checkpoint.value.at.getTime() - ports.clock.now().getTime());
  if (apart > CLOCKS_APART) return refuse('MALFORMED_MESSAGE', 'checkpoint: at another time');
  const signature = audit.sign(signingInput(CONTEXT.auditCheckpoint, payload));
  return ok({ payload, signature, keyId: audit.keyId });
}
