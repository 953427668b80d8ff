import type { SignedBytes } from '../encoding/signed.ts';
import type { SignedMessage } from '../gen/tapgate/v1/signed.ts';
import { ok, type Result } from '../reasons/result.ts';
import { malformed } from './decode.ts';

/** Signed bytes as a message. */
export function signedToWire(signed: SignedBytes): SignedMessage {
  return { payload: Buffer.from(signed.payload), signature: Buffer.from(signed.signature), keyId: signed.keyId };
}

/** Signed bytes out of a message; refused where the field is missing or empty. */
export function signedFromWire(
  message: SignedMessage | undefined,
  field: string,
): Result<SignedBytes, 'MALFORMED_MESSAGE'> {
  if (message === undefined || message.payload.length === 0 || message.signature.length === 0) return malformed(field);
  return ok({ payload: message.payload, signature: message.signature, keyId: message.keyId });
}
