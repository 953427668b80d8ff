import { NAME_FORM } from '../../certs/uri-name.ts';
import { equalBytes } from '../../encoding/digest.ts';
import { CONTEXT } from '../../encoding/signed.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { SignGrantCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { INITIAL_KEY_ID_BYTES } from '../../payment-crypto/ksn.ts';
import { isUuid } from '../../ports/random.ts';
import { type Result, refuse } from '../../reasons/result.ts';
import { type SameTap, sameTerms, type TransactionGrant } from '../../sessions/transaction.ts';
import { decodeGrant, encodeGrant } from '../../wire/transaction.ts';
import { isBound } from '../key-binding.ts';
import type { VaultKeys } from '../keys.ts';
import type { VaultPorts } from '../ports.ts';
import { readSignedGrant, type SignedGrant } from '../signed-grant.ts';
import { signAsService } from '../signing.ts';
import { type BdkFault, bdkRefusal, locateKsn } from '../working-key.ts';
import { isGrantLife, isNow } from './clock.ts';
import { isThumbprint } from './thumbprint.ts';

type SignGrantFault =
  | 'MALFORMED_MESSAGE'
  | 'SERVICE_KEY_EXPIRED'
  | 'VAULT_CLOCK'
  | 'KEYS_NOT_BOUND'
  | 'REPEAT_NOT_ALLOWED'
  | 'GRANT_UNKNOWN'
  | 'GRANT_KEY_COMPROMISED'
  | 'GRANT_KEY_DESTROYED'
  | Exclude<BdkFault, 'BDK_UNKNOWN'>;

/** Name of the first field that a grant must not be signed with, or null. */
function malformedField(grant: TransactionGrant): string | null {
  if (!isUuid(grant.id)) return 'grant_id';
  if (grant.nonce.length !== 16) return 'nonce';
  if (grant.deviceId.length === 0 || grant.deviceId.length > 64) return 'device_id';
  if (!isThumbprint(grant.thumbprint)) return 'session_key_thumbprint';
  if (!NAME_FORM.test(grant.acquirer)) return 'acquirer';
  if (grant.terms.amountMinor < 0n) return 'terms.amount_minor';
  return isGrantLife(grant) ? null : 'expires_at';
}

/**
 * Signs a transaction grant with the service key. Refuses with MALFORMED_MESSAGE a payload that is not exactly the one
 * serialisation of a whole grant: nothing is signed that was not read here; also a life of more than 900 seconds. With
 * VAULT_CLOCK one that was issued at another time than now. Also SERVICE_KEY_EXPIRED, and BASE_KEY_RETIRED or BASE_KEY_COMPROMISED for counters of keys that no longer serve.
 *
 * Refuses with KEYS_NOT_BOUND unless both counters are of initial keys that were offered together to the grant's device for
 * the grant's acquirer; of a tap that is paid again, with REPEAT_NOT_ALLOWED unless it repeats the grant before it, and with
 * GRANT_UNKNOWN or GRANT_KEY_COMPROMISED where that one is not this vault's.
 */
export function signGrant(
  { payload, keyBinding, parent }: SignGrantCall,
  keys: VaultKeys,
  ports: VaultPorts,
): Result<SignedMessage, SignGrantFault> {
  const read = decodeGrant(payload);
  if (!read.ok) return read;
  const grant = read.value;
  const field = malformedField(grant);
  if (field !== null) return refuse('MALFORMED_MESSAGE', field);
  const pinKsn = locateKsn(grant.pinKsn, 'pin', keys);
  if (!pinKsn.ok) return bdkRefusal(pinKsn, 'MALFORMED_MESSAGE', 'pin_ksn');
  const accountDataKsn = locateKsn(grant.accountDataKsn, 'account-data', keys);
  if (!accountDataKsn.ok) return bdkRefusal(accountDataKsn, 'MALFORMED_MESSAGE', 'account_data_ksn');
  if (!equalBytes(encodeGrant(grant), payload)) return refuse('MALFORMED_MESSAGE', 'another serialisation');
  if (!isNow(grant.issuedAt.getTime(), ports)) return refuse('VAULT_CLOCK');
  if (!isBound(keyBinding, grant, keys)) return refuse('KEYS_NOT_BOUND');
  if (grant.sameTap !== null) {
    const before = readSignedGrant(parent, keys, 'parent', 'verifiesRepeats');
    if (!before.ok) return before;
    if (!repeats(grant, grant.sameTap, before.value)) return refuse('REPEAT_NOT_ALLOWED', 'not what its parent grants');
  } else if (parent !== undefined) return refuse('MALFORMED_MESSAGE', 'parent');
  return signAsService(CONTEXT.grant, payload, keys, ports);
}

/**
 * True where a grant differs from the one before it in nothing but the PIN that is entered anew, under a later counter. What
 * it says of the tap's first grant is what the one before it says, or is; so each grant of a tap names the first one's hash.
 */
function repeats(grant: TransactionGrant, sameTap: SameTap, { grant: before, tapGrantHash }: SignedGrant): boolean {
  const first = before.sameTap ?? { rootId: before.id, attempt: 1, hash: sameTap.hash };
  return (
    sameTap.parentId === before.id &&
    sameTap.rootId === first.rootId &&
    sameTap.attempt === first.attempt + 1 &&
    sameTap.rootHash !== null &&
    tapGrantHash !== null &&
    equalBytes(sameTap.rootHash, tapGrantHash) &&
    equalBytes(sameTap.hash, first.hash) &&
    grant.acquirer === before.acquirer &&
    grant.deviceId === before.deviceId &&
    grant.thumbprint === before.thumbprint &&
    sameTerms(grant.terms, before.terms) &&
    equalBytes(grant.accountDataKsn, before.accountDataKsn) &&
    isLater(grant.pinKsn, before.pinKsn)
  );
}

/** True for a KSN of the same initial key at a higher counter. */
function isLater(ksn: Buffer, before: Buffer): boolean {
  const sameKey = equalBytes(ksn.subarray(0, INITIAL_KEY_ID_BYTES), before.subarray(0, INITIAL_KEY_ID_BYTES));
  return sameKey && ksn.readUInt32BE(INITIAL_KEY_ID_BYTES) > before.readUInt32BE(INITIAL_KEY_ID_BYTES);
}
