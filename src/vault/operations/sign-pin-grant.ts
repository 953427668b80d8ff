import { equalBytes } from '../../encoding/digest.ts';
import { CONTEXT } from '../../encoding/signed.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { SignPinGrantCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import type { PinGrant } from '../../pin/vault.ts';
import { isUuid } from '../../ports/random.ts';
import { type Result, refuse } from '../../reasons/result.ts';
import { decodePinGrant, encodePinGrant } from '../../wire/pin.ts';
import type { VaultKeys } from '../keys.ts';
import type { VaultPorts } from '../ports.ts';
import { signAsService } from '../signing.ts';
import { type BdkFault, bdkRefusal, locateKsn } from '../working-key.ts';
import { pinLengthsAllowed } from './pin-lengths.ts';
import { isThumbprint } from './thumbprint.ts';

/** Name of the first field that a PIN grant must not be signed with, or null. */
function malformedField(grant: PinGrant): string | null {
  if (!isUuid(grant.id)) return 'pin_grant_id';
  if (!isUuid(grant.grantId)) return 'grant_id';
  if (!isThumbprint(grant.thumbprint)) return 'session_key_thumbprint';
  if (grant.accountDataHash.length !== 32) return 'account_data_hash';
  if (!pinLengthsAllowed(grant.minimumLength, grant.maximumLength)) return 'maximum_length';
  return grant.nonce.length === 16 ? null : 'nonce';
}

/** Signs a PIN grant with the service key; refuses as `signGrant` does. */
export function signPinGrant(
  { payload }: SignPinGrantCall,
  keys: VaultKeys,
  ports: VaultPorts,
): Result<SignedMessage, 'MALFORMED_MESSAGE' | 'SERVICE_KEY_EXPIRED' | Exclude<BdkFault, 'BDK_UNKNOWN'>> {
  const grant = decodePinGrant(payload);
  if (!grant.ok) return grant;
  const field = malformedField(grant.value);
  if (field !== null) return refuse('MALFORMED_MESSAGE', field);
  const pinKsn = locateKsn(grant.value.pinKsn, 'pin', keys);
  if (!pinKsn.ok) return bdkRefusal(pinKsn, 'MALFORMED_MESSAGE', 'pin_ksn');
  if (!equalBytes(encodePinGrant(grant.value), payload)) return refuse('MALFORMED_MESSAGE', 'another serialisation');
  return signAsService(CONTEXT.pinGrant, payload, keys, ports);
}
