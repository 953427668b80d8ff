import { type KeyObject, verify } from 'node:crypto';
import { canonicalBytes } from './canonical.ts';

/** Exact bytes and an ECDSA P-256 / SHA-256 signature (ASN.1 DER) over them under a context. */
export interface SignedBytes {
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** Names the service key where the service signed; empty where a phone signed. */
  readonly keyId: string;
}

/** The contexts that separate what one key signs for different purposes. */
export const CONTEXT = {
  evidence: 'tapgate/v1/evidence',
  deviceKey: 'tapgate/v1/device-key',
  resume: 'tapgate/v1/resume',
  serviceKey: 'tapgate/v1/service-key',
  serviceAnchor: 'tapgate/v1/service-anchor',
  publishedKey: 'tapgate/v1/published-key',
  keyRequest: 'tapgate/v1/key-request',
  keyOffer: 'tapgate/v1/key-offer',
  keyConfirmation: 'tapgate/v1/key-confirmation',
  postureReport: 'tapgate/v1/posture-report',
  beginTransaction: 'tapgate/v1/begin-transaction',
  grant: 'tapgate/v1/grant',
  pinEntry: 'tapgate/v1/pin-entry',
  pinGrant: 'tapgate/v1/pin-grant',
  pinBlock: 'tapgate/v1/pin-block',
  paymentIntent: 'tapgate/v1/payment-intent',
  auditCheckpoint: 'tapgate/v1/audit-checkpoint',
} as const;

/** A purpose that a signature is made for. */
export type SigningContext = (typeof CONTEXT)[keyof typeof CONTEXT];

/** The bytes that are signed: context and payload, length-prefixed. */
export function signingInput(context: SigningContext, payload: Uint8Array): Buffer {
  return canonicalBytes(context, payload);
}

/** Verifies a signature of at most 80 bytes; false for anything that is not a valid signature, never an exception. */
export function verifySigned(context: SigningContext, signed: SignedBytes, key: KeyObject): boolean {
  if (signed.signature.length === 0 || signed.signature.length > 80) return false;
  return verify('sha256', signingInput(context, signed.payload), key, signed.signature);
}
