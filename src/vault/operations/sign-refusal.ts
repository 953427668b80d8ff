import type { SignRefusalAnswer, SignRefusalCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { ok, type Result } from '../../reasons/result.ts';
import type { VaultKeys } from '../keys.ts';
import type { Timed } from './clock.ts';
import { grantLineage, readRefusalClaims, signRefusalClaims } from './receipt.ts';
import { verifyEvidence } from './verify-payment.ts';

/**
 * Signs the receipt of a refusal. The grant is one of this vault's own and names the session key; the reasons are the
 * caller's word: whoever holds the service can refuse payments, and a receipt of a refusal lets nobody submit one. So the
 * grant may have expired, and its key be retired: payments of such are refused with a receipt too.
 *
 * Refuses with MALFORMED_MESSAGE, GRANT_UNKNOWN, GRANT_KEY_COMPROMISED, SESSION_KEY_MISMATCH, RECEIPT_MISMATCH, VAULT_CLOCK.
 */
export function signRefusal(call: SignRefusalCall, keys: VaultKeys, ports: Timed): Result<SignRefusalAnswer> {
  const evidence = verifyEvidence(call, keys, 'verifiesRepeats');
  if (!evidence.ok) return evidence;
  const claims = readRefusalClaims(call.receiptClaims, evidence.value, ports);
  if (!claims.ok) return claims;
  const { grant, grantKeyId } = evidence.value;
  return ok({ receipt: signRefusalClaims(claims.value, grantLineage(grant, grantKeyId), keys) });
}
