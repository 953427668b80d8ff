import type { CheckPinBlockAnswer, CheckPinBlockCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { decipherFormat4 } from '../../payment-crypto/pin-block/format4.ts';
import { isUuid } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { accountDataFromWire } from '../../wire/transaction.ts';
import { openAccountData, wipeAccountData } from '../account-data.ts';
import type { VaultKeys } from '../keys.ts';
import { ksnOf, workingKeyAt } from '../working-key.ts';
import { pinLengthsAllowed } from './pin-lengths.ts';

/**
 * Checks that a block is ISO 9564-1 format 4 under the PIN encryption working key (X9.24-3 usage 1000) at its KSN, for the
 * PAN of the account data, with a PIN of allowed length. Nothing of the PIN comes out: one reason for whatever is wrong
 * with it.
 *
 * Refuses with MALFORMED_MESSAGE, ACCOUNT_DATA_INVALID, PIN_BLOCK_MALFORMED.
 */
export function checkPinBlock(
  call: CheckPinBlockCall,
  keys: VaultKeys,
): Result<CheckPinBlockAnswer, 'MALFORMED_MESSAGE' | 'ACCOUNT_DATA_INVALID' | 'PIN_BLOCK_MALFORMED'> {
  if (!isUuid(call.grantId)) return refuse('MALFORMED_MESSAGE', 'grant_id');
  const { minimumLength, maximumLength } = call;
  if (!pinLengthsAllowed(minimumLength, maximumLength)) return refuse('MALFORMED_MESSAGE', 'maximum_length');
  const accountData = accountDataFromWire(call.accountData);
  if (!accountData.ok) return accountData;
  const ksn = ksnOf(call.pinKsn, keys.pinBdk);
  if (ksn === null) return refuse('PIN_BLOCK_MALFORMED');
  const opened = openAccountData(accountData.value, call.grantId, keys.accountDataBdk);
  if (!opened.ok) return opened;
  const key = workingKeyAt(ksn, 'pinEncryption', keys.pinBdk);
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
