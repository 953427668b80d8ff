import { equalBytes } from '../../encoding/digest.ts';
import type { PinGrant } from '../../pin/vault.ts';
import type { TransactionGrant } from '../../sessions/transaction.ts';

/** Why a PIN grant is not one for this transaction grant: another id, session, counter or a longer life; or null. */
export function pinGrantMismatch(
  pinGrant: PinGrant,
  grant: TransactionGrant,
): 'PIN_GRANT_MISMATCH' | 'PIN_NOT_EXPECTED' | null {
  const same =
    pinGrant.grantId === grant.id &&
    pinGrant.thumbprint === grant.thumbprint &&
    equalBytes(pinGrant.pinKsn, grant.pinKsn) &&
    pinGrant.expiresAt <= grant.expiresAt;
  if (!same) return 'PIN_GRANT_MISMATCH';
  return grant.pinAllowed ? null : 'PIN_NOT_EXPECTED';
}
