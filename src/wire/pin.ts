import type { SignedBytes } from '../encoding/signed.ts';
import {
  PinBlock as WireBlock,
  PinGrant as WireGrant,
  PinEntryRequest as WireRequest,
} from '../gen/tapgate/v1/pin_entry_service.ts';
import type { PinBlock, PinEntryRequest } from '../pin/entry.ts';
import type { PinGrant } from '../pin/vault.ts';
import { ok, type Result } from '../reasons/result.ts';
import { decodeMessage, exactBytes, malformed } from './decode.ts';
import { postureFromWire, postureToWire } from './posture.ts';
import { accountDataFromWire, accountDataToWire } from './transaction.ts';

/** Serialises the wish to enter a PIN: the bytes that the phone signs. */
export function encodePinEntryRequest(request: Omit<PinEntryRequest, 'signed'>): Buffer {
  return Buffer.from(
    WireRequest.encode({
      grantId: request.grantId,
      accountData: accountDataToWire(request.accountData),
      posture: postureToWire(request.posture),
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
  return ok({ grantId: decoded.value.grantId, accountData: accountData.value, posture, signed });
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
  if (message.expiresAt === undefined) return malformed('expires_at');
  if (!/^\d{10}$/.test(message.layout) || new Set(message.layout).size !== 10) return malformed('layout');
  return ok({
    id: message.pinGrantId,
    grantId: message.grantId,
    thumbprint: message.sessionKeyThumbprint,
    accountDataHash: message.accountDataHash,
    pinKsn: message.pinKsn,
    layout: message.layout,
    minimumLength: message.minimumLength,
    maximumLength: message.maximumLength,
    reportIntervalMilliseconds: message.reportIntervalMilliseconds,
    expiresAt: message.expiresAt,
    nonce: message.nonce,
  });
}

/** Serialises a PIN block with what it is bound to: the bytes that the phone signs. */
export function encodePinBlock(pin: Omit<PinBlock, 'signed'>): Buffer {
  return Buffer.from(WireBlock.encode({ ...pin }).finish());
}

/** Parses the signed bytes of a PIN block. */
export function decodePinBlock(signed: SignedBytes): Result<PinBlock, 'MALFORMED_MESSAGE'> {
  const decoded = decodeMessage(WireBlock, signed.payload);
  if (!decoded.ok) return decoded;
  const { pinGrantId, grantId } = decoded.value;
  const pinKsn = exactBytes(decoded.value.pinKsn, 12, 'pin_ksn');
  if (!pinKsn.ok) return pinKsn;
  const block = exactBytes(decoded.value.block, 16, 'block');
  if (!block.ok) return block;
  const hash = exactBytes(decoded.value.accountDataHash, 32, 'account_data_hash');
  if (!hash.ok) return hash;
  return ok({ pinGrantId, grantId, pinKsn: pinKsn.value, block: block.value, accountDataHash: hash.value, signed });
}
