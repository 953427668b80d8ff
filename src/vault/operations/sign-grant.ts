import { NAME_FORM } from '../../certs/uri-name.ts';
import { equalBytes } from '../../encoding/digest.ts';
import { CONTEXT } from '../../encoding/signed.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { SignGrantCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { isUuid } from '../../ports/random.ts';
import { type Result, refuse } from '../../reasons/result.ts';
import type { TransactionGrant } from '../../sessions/transaction.ts';
import { decodeGrant, encodeGrant } from '../../wire/transaction.ts';
import type { VaultKeys } from '../keys.ts';
import type { VaultPorts } from '../ports.ts';
import { signAsService } from '../signing.ts';
import { ksnOf } from '../working-key.ts';
import { isThumbprint } from './thumbprint.ts';

/** Name of the first field that a grant must not be signed with, or null. */
function malformedField(grant: TransactionGrant, keys: VaultKeys): string | null {
  if (!isUuid(grant.id)) return 'grant_id';
  if (grant.nonce.length !== 16) return 'nonce';
  if (grant.deviceId.length === 0 || grant.deviceId.length > 64) return 'device_id';
  if (!isThumbprint(grant.thumbprint)) return 'session_key_thumbprint';
  if (!NAME_FORM.test(grant.acquirer)) return 'acquirer';
  if (grant.terms.amountMinor < 0n) return 'terms.amount_minor';
  if (ksnOf(grant.pinKsn, keys.pinBdk) === null) return 'pin_ksn';
  if (ksnOf(grant.accountDataKsn, keys.accountDataBdk) === null) return 'account_data_ksn';
  return grant.expiresAt > grant.issuedAt ? null : 'expires_at';
}

/**
 * Signs a transaction grant with the service key. Refuses with MALFORMED_MESSAGE a payload that is not exactly the one
 * serialisation of a whole grant: nothing is signed that was not read here. Also SERVICE_KEY_EXPIRED.
 */
export function signGrant(
  { payload }: SignGrantCall,
  keys: VaultKeys,
  ports: VaultPorts,
): Result<SignedMessage, 'MALFORMED_MESSAGE' | 'SERVICE_KEY_EXPIRED'> {
  const grant = decodeGrant(payload);
  if (!grant.ok) return grant;
  const field = malformedField(grant.value, keys);
  if (field !== null) return refuse('MALFORMED_MESSAGE', field);
  if (!equalBytes(encodeGrant(grant.value), payload)) return refuse('MALFORMED_MESSAGE', 'another serialisation');
  return signAsService(CONTEXT.grant, payload, keys, ports);
}
