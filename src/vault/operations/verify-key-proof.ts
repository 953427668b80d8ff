import { keyProofInput } from '../../encoding/contexts.ts';
import type { VerifyKeyProofAnswer, VerifyKeyProofCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { verifyCmac } from '../../payment-crypto/cmac.ts';
import { AesKsn } from '../../payment-crypto/ksn.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { VaultKeys } from '../keys.ts';
import { type BdkFault, bdkRefusal, type LocatedInitialKey, locateInitialKey, workingKeyAt } from '../working-key.ts';

const CMAC_BYTES = 16;
const MAX_OFFER_BYTES = 16_384;
/** The transaction that a proof uses up in each domain. */
const PROOF_COUNTER = 1;

/** True where the CMAC was made under the MAC generation working key (X9.24-3 usage 2000) at counter 1. */
function proves({ initialKeyId, bdk }: LocatedInitialKey, offer: Uint8Array, mac: Uint8Array): boolean {
  const ksn = AesKsn.of(initialKeyId, PROOF_COUNTER);
  if (!ksn.ok) throw new TypeError(ksn.reason);
  const key = workingKeyAt({ ksn: ksn.value, bdk }, 'macGeneration');
  try {
    return verifyCmac(key, keyProofInput(offer), mac);
  } finally {
    key.wipe();
  }
}

/**
 * Says whether a phone proved that it holds both initial keys of an offer. Both proofs are always looked at, so that time
 * does not tell which one failed. Refuses with MALFORMED_MESSAGE what cannot be looked at, and keys of a
 * base derivation key that serves no longer.
 */
export function verifyKeyProof(
  call: VerifyKeyProofCall,
  keys: VaultKeys,
): Result<VerifyKeyProofAnswer, 'MALFORMED_MESSAGE' | Exclude<BdkFault, 'BDK_UNKNOWN'>> {
  const pinKey = locateInitialKey(call.pinInitialKeyId, 'pin', keys);
  if (!pinKey.ok) return bdkRefusal(pinKey, 'MALFORMED_MESSAGE', 'pin_initial_key_id');
  const accountDataKey = locateInitialKey(call.accountDataInitialKeyId, 'account-data', keys);
  if (!accountDataKey.ok) return bdkRefusal(accountDataKey, 'MALFORMED_MESSAGE', 'account_data_initial_key_id');
  if (call.offer.length === 0 || call.offer.length > MAX_OFFER_BYTES) return refuse('MALFORMED_MESSAGE', 'offer');
  // A shorter CMAC is easier to guess; the primitive would accept half of one.
  if (call.pinCmac.length !== CMAC_BYTES) return refuse('MALFORMED_MESSAGE', 'pin_cmac');
  if (call.accountDataCmac.length !== CMAC_BYTES) return refuse('MALFORMED_MESSAGE', 'account_data_cmac');
  const pin = proves(pinKey.value, call.offer, call.pinCmac);
  const accountData = proves(accountDataKey.value, call.offer, call.accountDataCmac);
  return ok({ valid: pin && accountData });
}
