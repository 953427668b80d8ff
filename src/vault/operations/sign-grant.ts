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
import { type BdkFault, bdkRefusal, locateKsn } from '../working-key.ts';
import { isThumbprint } from './thumbprint.ts';

/** Name of the first field that a grant must not be signed with, or null. */
function malformedField(grant: TransactionGrant): string | null {
  if (!isUuid(grant.id)) return 'grant_id';
  if (grant.nonce.length !== 16) return 'nonce';
  if (grant.deviceId.length === 0 || grant.deviceId.length > 64) return 'device_id';
  if (!isThumbprint(grant.thumbprint)) return 'session_key_thumbprint';
  if (!NAME_FORM.test(grant.acquirer)) return 'acquirer';
  if (grant.terms.amountMinor < 0n) return 'terms.amount_minor';
  return grant.expiresAt > grant.issuedAt ? null : 'expires_at';
}

/**
 * Signs a transaction grant with the service key. Refuses with MALFORMED_MESSAGE a payload that is not exactly the one
 * serialisation of a whole grant: nothing is signed that was not read here. Also SERVICE_KEY_EXPIRED,
 * and BASE_KEY_RETIRED or BASE_KEY_COMPROMISED for counters of keys that no longer serve.
 */
export function signGrant(
  { payload }: SignGrantCall,
  keys: VaultKeys,
  ports: VaultPorts,
): Result<SignedMessage, 'MALFORMED_MESSAGE' | 'SERVICE_KEY_EXPIRED' | Exclude<BdkFault, 'BDK_UNKNOWN'>> {
  const grant = decodeGrant(payload);
  if (!grant.ok) return grant;
  const field = malformedField(grant.value);
  if (field !== null) return refuse('MALFORMED_MESSAGE', field);
  const pinKsn = locateKsn(grant.value.pinKsn, 'pin', keys);
  if (!pinKsn.ok) return bdkRefusal(pinKsn, 'MALFORMED_MESSAGE', 'pin_ksn');
  const accountDataKsn = locateKsn(grant.value.accountDataKsn, 'account-data', keys);
  if (!accountDataKsn.ok) return bdkRefusal(accountDataKsn, 'MALFORMED_MESSAGE', 'account_data_ksn');
  if (!equalBytes(encodeGrant(grant.value), payload)) return refuse('MALFORMED_MESSAGE', 'another serialisation');
  return signAsService(CONTEXT.grant, payload, keys, ports);
}
