import type { SignedBytes } from '../encoding/signed.ts';
import {
  PinEntryAbortCause,
  PinBlock as WireBlock,
  PinGrant as WireGrant,
  PinEntryRequest as WireRequest,
} from '../gen/tapgate/v1/pin_entry_service.ts';
import { type PinBlock, type PinEntryRequest, USUAL_LAYOUT } from '../pin/entry.ts';
import type { PinGrant } from '../pin/vault.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { decodeMessage, exactBytes, instantOf, malformed } from './decode.ts';
import { postureFromWire, postureToWire } from './posture.ts';
import { accountDataFromWire, accountDataToWire } from './transaction.ts';

/** Serialises the wish to enter a PIN: the bytes that the phone signs. */
export function encodePinEntryRequest(request: Omit<PinEntryRequest, 'signed'>): Buffer {
  return Buffer.from(
    WireRequest.encode({
      grantId: request.grantId,
      accountData: accountDataToWire(request.accountData),
      posture: postureToWire(request.posture),
      accessibleLayout: request.accessibleLayout,
    }).finish(),
  );
}

/** Parses the signed bytes of the wish to enter a PIN. */
export function decodePinEntryRequest(signed: SignedBytes): Result<PinEntryRequest, 'MALFORMED_MESSAGE'> {
  const decoded = decodeMessage(WireRequest, signed.payload);
  if (!decoded.ok) return decoded;
  const accountData = accountDataFromWire(decoded.value.accountData);
  if (!accountData.ok) return accountData;
  if (decoded.value.posture === undefined) return malformed('posture');
  const posture = postureFromWire(decoded.value.posture);
  const { grantId, accessibleLayout } = decoded.value;
  return ok({ grantId, accountData: accountData.value, posture, accessibleLayout, signed });
}

/** Serialises a PIN grant: the bytes that the service signs. */
export function encodePinGrant(grant: PinGrant): Buffer {
  return Buffer.from(
    WireGrant.encode({
      pinGrantId: grant.id,
      grantId: grant.grantId,
      sessionKeyThumbprint: grant.thumbprint,
      accountDataHash: grant.accountDataHash,
      pinKsn: grant.pinKsn,
      layout: grant.layout,
      accessibleLayout: grant.accessibleLayout,
      minimumLength: grant.minimumLength,
      maximumLength: grant.maximumLength,
      reportIntervalMilliseconds: grant.reportIntervalMilliseconds,
      expiresAt: grant.expiresAt,
      nonce: grant.nonce,
    }).finish(),
  );
}

/** Parses a PIN grant's signed bytes. */
export function decodePinGrant(payload: Uint8Array): Result<PinGrant, 'MALFORMED_MESSAGE'> {
  const decoded = decodeMessage(WireGrant, payload);
  if (!decoded.ok) return decoded;
  const message = decoded.value;
  const expiresAt = instantOf(message.expiresAt);
  if (expiresAt === null) return malformed('expires_at');
  if (!/^\d{10}$/.test(message.layout) || new Set(message.layout).size !== 10) return malformed('layout');
  if (message.accessibleLayout && message.layout !== USUAL_LAYOUT) return malformed('accessible_layout');
  return ok({
    id: message.pinGrantId,
    grantId: message.grantId,
    thumbprint: message.sessionKeyThumbprint,
    accountDataHash: message.accountDataHash,
    pinKsn: message.pinKsn,
    layout: message.layout,
    accessibleLayout: message.accessibleLayout,
    minimumLength: message.minimumLength,
    maximumLength: message.maximumLength,
    reportIntervalMilliseconds: message.reportIntervalMilliseconds,
    expiresAt,
    nonce: message.nonce,
  });
}

/** Serialises a PIN block with what it is bound to: the bytes that the phone signs. */
export function encodePinBlock(pin: Omit<PinBlock, 'signed'>): Buffer {
  return Buffer.from(WireBlock.encode({ ...pin }).finish());
}

/** Blocks of formats 0 to 3 (ISO 9564-1), 8 bytes under TDES. */
const OLDER_FORMATS_BYTES = 8;

/** Parses the signed bytes of a PIN block. One of an older format is refused as such. */
export function decodePinBlock(signed: SignedBytes): Result<PinBlock, 'MALFORMED_MESSAGE' | 'PIN_FORMAT_REFUSED'> {
  const decoded = decodeMessage(WireBlock, signed.payload);
  if (!decoded.ok) return decoded;
  const { pinGrantId, grantId } = decoded.value;
  const pinKsn = exactBytes(decoded.value.pinKsn, 12, 'pin_ksn');
  if (!pinKsn.ok) return pinKsn;
  if (decoded.value.block.length === OLDER_FORMATS_BYTES) return refuse('PIN_FORMAT_REFUSED');
  const block = exactBytes(decoded.value.block, 16, 'block');
  if (!block.ok) return block;
  const hash = exactBytes(decoded.value.accountDataHash, 32, 'account_data_hash');
  if (!hash.ok) return hash;
  return ok({ pinGrantId, grantId, pinKsn: pinKsn.value, block: block.value, accountDataHash: hash.value, signed });
}

const ABORT_REASONS: Readonly<Record<number, Reason>> = {
  [PinEntryAbortCause.USER]: 'PIN_ABORTED_BY_CUSTOMER',
  [PinEntryAbortCause.OVERLAY]: 'PIN_ABORTED_OVERLAY',
  [PinEntryAbortCause.FOCUS_LOST]: 'PIN_ABORTED_FOCUS_LOST',
  [PinEntryAbortCause.SCREEN_CAPTURE]: 'PIN_ABORTED_SCREEN_CAPTURE',
  [PinEntryAbortCause.ACCESSIBILITY]: 'PIN_ABORTED_ACCESSIBILITY',
  [PinEntryAbortCause.TIMEOUT]: 'PIN_TIMEOUT',
  [PinEntryAbortCause.DEBUGGER]: 'PIN_ABORTED_DEBUGGER',
  [PinEntryAbortCause.HOOKING]: 'PIN_ABORTED_HOOKING',
  [PinEntryAbortCause.BACKGROUND]: 'PIN_ABORTED_BACKGROUND',
};

/** The reason of a phone's own abort; PIN_ABORTED for a cause that this version does not know. */
export function abortReason(cause: PinEntryAbortCause): Reason {
  return ABORT_REASONS[cause] ?? 'PIN_ABORTED';
}
