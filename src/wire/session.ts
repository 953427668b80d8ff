import type { SignedBytes } from '../encoding/signed.ts';
import { BeginTransaction } from '../gen/tapgate/v1/session_service.ts';
import { ok, type Result } from '../reasons/result.ts';
import type { TransactionRequest } from '../sessions/grant.ts';
import { decodeMessage, exactBytes } from './decode.ts';
import { termsFromWire, termsToWire } from './transaction.ts';

/** Serialises the wish to begin a transaction: the bytes that the phone signs. */
export function encodeBeginTransaction(request: Omit<TransactionRequest, 'signed'>): Buffer {
  const { nonce, pinKsn, accountDataKsn } = request;
  return Buffer.from(
    BeginTransaction.encode({ nonce, pinKsn, accountDataKsn, terms: termsToWire(request.terms) }).finish(),
  );
}

/** Parses the signed bytes of the wish to begin a transaction. */
export function decodeBeginTransaction(signed: SignedBytes): Result<TransactionRequest, 'MALFORMED_MESSAGE'> {
  const decoded = decodeMessage(BeginTransaction, signed.payload);
  if (!decoded.ok) return decoded;
  const nonce = exactBytes(decoded.value.nonce, 16, 'nonce');
  if (!nonce.ok) return nonce;
  const terms = termsFromWire(decoded.value.terms);
  if (!terms.ok) return terms;
  const pinKsn = exactBytes(decoded.value.pinKsn, 12, 'pin_ksn');
  if (!pinKsn.ok) return pinKsn;
  const accountDataKsn = exactBytes(decoded.value.accountDataKsn, 12, 'account_data_ksn');
  if (!accountDataKsn.ok) return accountDataKsn;
  const value = { nonce: nonce.value, terms: terms.value, pinKsn: pinKsn.value, accountDataKsn: accountDataKsn.value };
  return ok({ ...value, signed });
}
