import { accountDataHash } from '../../encoding/contexts.ts';
import { equalBytes } from '../../encoding/digest.ts';
import { CONTEXT } from '../../encoding/signed.ts';
import type { CheckPinBlockAnswer, CheckPinBlockCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { decipherFormat4 } from '../../payment-crypto/pin-block/format4.ts';
import type { PinGrant } from '../../pin/vault.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { decodePinGrant } from '../../wire/pin.ts';
import { accountDataFromWire } from '../../wire/transaction.ts';
import { openAccountData, wipeAccountData } from '../account-data.ts';
import type { VaultKeys } from '../keys.ts';
import type { VaultPorts } from '../ports.ts';
import { readSignedGrant } from '../signed-grant.ts';
import { verifyAsService } from '../signing.ts';
import { bdkRefusal, locateKsn, workingKeyAt } from '../working-key.ts';
import { pinGrantMismatch } from './pin-grant-mismatch.ts';

/** Reads a PIN grant that this vault has signed and that has not expired; the signature comes first. */
function readPinGrant(call: CheckPinBlockCall, keys: VaultKeys, { clock }: VaultPorts): Result<PinGrant> {
  const signed = verifyAsService(CONTEXT.pinGrant, call.pinGrant, keys, 'pin_grant', 'verifiesRepeats');
  if (!signed.ok) return signed;
  const grant = decodePinGrant(signed.value.payload);
  if (!grant.ok) return grant;
  return clock.now() < grant.value.expiresAt ? grant : refuse('GRANT_EXPIRED');
}

/**
 * Checks that a block is ISO 9564-1 format 4 under the PIN encryption working key (X9.24-3 usage 1000) at the KSN of a PIN
 * grant, for the PAN of the account data that the grant is bound to, with a PIN of the length that it allows. Nothing of
 * the PIN comes out: one reason for whatever is wrong with it, and no bound is taken from who asks, so that nobody
 * learns a length by moving it.
 *
 * The account data opens under the transaction grant that the PIN grant is for, at the counter that it names, and under no
 * other: so one tap's block is asked about with that tap's card alone.
 *
 * Refuses with MALFORMED_MESSAGE, GRANT_UNKNOWN, GRANT_EXPIRED, GRANT_KEY_COMPROMISED, PIN_GRANT_MISMATCH, PIN_NOT_EXPECTED,
 * ACCOUNT_DATA_INVALID, PIN_BLOCK_MALFORMED, BASE_KEY_RETIRED, BASE_KEY_COMPROMISED.
 */
export function checkPinBlock(
  call: CheckPinBlockCall,
  keys: VaultKeys,
  ports: VaultPorts,
): Result<CheckPinBlockAnswer> {
  const pinGrant = readPinGrant(call, keys, ports);
  if (!pinGrant.ok) return pinGrant;
  const { accountDataHash: boundHash, minimumLength, maximumLength } = pinGrant.value;
  const read = readSignedGrant(call.grant, keys, 'grant', 'verifiesRepeats');
  if (!read.ok) return read;
  const { grant, tapGrantHash } = read.value;
  const mismatch = pinGrantMismatch(pinGrant.value, grant);
  if (mismatch !== null) return refuse(mismatch);
  const accountData = accountDataFromWire(call.accountData);
  if (!accountData.ok) return accountData;
  const { ksn, initializationVector, ciphertext } = accountData.value;
  const bound =
    equalBytes(ksn, grant.accountDataKsn) &&
    equalBytes(accountDataHash(ksn, initializationVector, ciphertext), boundHash);
  if (!bound) return refuse('PIN_GRANT_MISMATCH');
  const pinKsn = locateKsn(grant.pinKsn, 'pin', keys);
  if (!pinKsn.ok) return bdkRefusal(pinKsn, 'PIN_BLOCK_MALFORMED');
  const opened = openAccountData(accountData.value, tapGrantHash, keys);
  if (!opened.ok) return opened;
  const key = workingKeyAt(pinKsn.value, 'pinEncryption');
  try {
    const pin = decipherFormat4(key, call.block, opened.value.pan);
    if (!pin.ok) return refuse('PIN_BLOCK_MALFORMED');
    const { length } = pin.value;
    pin.value.wipe();
    return length >= minimumLength && length <= maximumLength ? ok({}) : refuse('PIN_BLOCK_MALFORMED');
  } finally {
    key.wipe();
    wipeAccountData(opened.value);
  }
}
