import type { SignedBytes } from '../encoding/signed.ts';
import {
  BeginTransaction,
  type Directive as WireDirective,
  DirectiveKind as WireKind,
} from '../gen/tapgate/v1/session_service.ts';
import { isReason, toldToPhone } from '../reasons/catalogue.ts';
import { ok, type Result } from '../reasons/result.ts';
import type { Directive, DirectiveKind } from '../sessions/directive.ts';
import type { TransactionRequest } from '../sessions/grant.ts';
import { decodeMessage, exactBytes } from './decode.ts';
import { termsFromWire, termsToWire } from './transaction.ts';

/** Serialises the wish to begin a transaction: the bytes that the phone signs. */
export function encodeBeginTransaction(request: Omit<TransactionRequest, 'signed'>): Buffer {
  const { nonce, pinKsn, accountDataKsn } = request;
  const parentGrantId = request.parentGrantId ?? '';
  const message = { nonce, pinKsn, accountDataKsn, terms: termsToWire(request.terms), parentGrantId };
  return Buffer.from(BeginTransaction.encode(message).finish());
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
  const parentGrantId = decoded.value.parentGrantId === '' ? null : decoded.value.parentGrantId;
  const value = { nonce: nonce.value, terms: terms.value, pinKsn: pinKsn.value, accountDataKsn: accountDataKsn.value };
  return ok({ ...value, parentGrantId, signed });
}

const KINDS = new Map<DirectiveKind, WireKind>([
  ['attest-again', WireKind.ATTEST_AGAIN],
  ['rotate-keys', WireKind.ROTATE_KEYS],
  ['suspend', WireKind.SUSPEND],
  ['policy-changed', WireKind.POLICY_CHANGED],
  ['pin-off', WireKind.PIN_OFF],
  ['enforcement-coming', WireKind.ENFORCEMENT_COMING],
]);

/** A directive as a message; a reason that is not for phones is disguised. */
export function directiveToWire({ kind, reason, at, detail }: Directive): WireDirective {
  return {
    kind: KINDS.get(kind) ?? WireKind.UNSPECIFIED,
    reason: reason === undefined ? '' : toldToPhone(reason),
    at,
    detail: detail ?? '',
  };
}

/** A directive out of a message; null for a kind that this version does not know. */
export function directiveFromWire({ kind, reason, at, detail }: WireDirective): Directive | null {
  for (const [known, wire] of KINDS) {
    if (wire !== kind) continue;
    return {
      kind: known,
      ...(isReason(reason) && { reason }),
      ...(at !== undefined && { at }),
      ...(detail !== '' && { detail }),
    };
  }
  return null;
}
