import { equalBytes } from '../../encoding/digest.ts';
import { CONTEXT } from '../../encoding/signed.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { SignPinGrantCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import type { PinGrant } from '../../pin/vault.ts';
import { isUuid } from '../../ports/random.ts';
import { type Result, refuse } from '../../reasons/result.ts';
import { decodePinGrant, encodePinGrant } from '../../wire/pin.ts';
import type { VaultKeys } from '../keys.ts';
import { arePermitted } from '../pin-lengths.ts';
import type { VaultPorts } from '../ports.ts';
import { readSignedGrant } from '../signed-grant.ts';
import { signAsService } from '../signing.ts';
import { bdkRefusal, locateKsn } from '../working-key.ts';
import { grantTimeReason } from './clock.ts';
import { pinGrantMismatch } from './pin-grant-mismatch.ts';
import { isThumbprint } from './thumbprint.ts';

/** Name of the first field that a PIN grant must not be signed with, or null. */
function malformedField(grant: PinGrant): string | null {
  if (!isUuid(grant.id)) return 'pin_grant_id';
  if (!isUuid(grant.grantId)) return 'grant_id';
  if (!isThumbprint(grant.thumbprint)) return 'session_key_thumbprint';
  if (grant.accountDataHash.length !== 32) return 'account_data_hash';
  return grant.nonce.length === 16 ? null : 'nonce';
}

/**
 * Signs a PIN grant with the service key. Refuses with MALFORMED_MESSAGE what is not the one serialisation of a whole PIN
 * grant, with PIN_LENGTHS_REFUSED bounds of the PIN's length that the vault's own configuration does not permit, with
 * PIN_GRANT_MISMATCH and PIN_NOT_EXPECTED unless it is for the transaction grant, which is one of this vault's
 * (GRANT_UNKNOWN, GRANT_KEY_COMPROMISED) and lives by the vault's clock (GRANT_EXPIRED, VAULT_CLOCK); also SERVICE_KEY_EXPIRED, BASE_KEY_RETIRED, BASE_KEY_COMPROMISED.
 */
export function signPinGrant(call: SignPinGrantCall, keys: VaultKeys, ports: VaultPorts): Result<SignedMessage> {
  const { payload } = call;
  const pinGrant = decodePinGrant(payload);
  if (!pinGrant.ok) return pinGrant;
  const field = malformedField(pinGrant.value);
  if (field !== null) return refuse('MALFORMED_MESSAGE', field);
  const { minimumLength, maximumLength, pinKsn } = pinGrant.value;
  if (!arePermitted(minimumLength, maximumLength, ports.pinLengths)) return refuse('PIN_LENGTHS_REFUSED');
  const located = locateKsn(pinKsn, 'pin', keys);
  if (!located.ok) return bdkRefusal(located, 'MALFORMED_MESSAGE', 'pin_ksn');
  if (!equalBytes(encodePinGrant(pinGrant.value), payload)) return refuse('MALFORMED_MESSAGE', 'another serialisation');
  const grant = readSignedGrant(call.grant, keys, 'grant', 'serves');
  if (!grant.ok) return grant;
  const mismatch = pinGrantMismatch(pinGrant.value, grant.value.grant);
  if (mismatch !== null) return refuse(mismatch);
  const untimely = grantTimeReason(grant.value.grant, ports);
  if (untimely !== null) return refuse(untimely);
  return signAsService(CONTEXT.pinGrant, payload, keys, ports);
}
