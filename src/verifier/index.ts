/**
 * What processing needs to rely on Tapgate's device tokens: verification offline, revocation online, and the session
 * key's signature without which a token proves nothing. See docs/integration-processing.md.
 */
export { CONTEXT, type SigningContext } from '../encoding/signed.ts';
export type { Refusal, Result } from '../reasons/result.ts';
export type { DeviceTokenClaims } from '../tokens/claims.ts';
export type { Revocation, RevocationReason } from '../tokens/revocation.ts';
export type { TrustTier, TrustVector } from '../tokens/trust-vector.ts';
export { httpJwks } from './http-jwks.ts';
export { type JwksSource, type PublishedKey, parseJwks, receiptKeysOf } from './jwks.ts';
export type { VerifierPorts } from './ports.ts';
export { connectProcessing, type ProcessingAddress, type ProcessingConnection } from './processing.ts';
export { type ReceiptFault, type ReceiptStatement, type ReceiptTrust, verifyReceipt } from './receipt.ts';
export type { RevocationSource, RevocationUpdate, WatchEnd } from './revocation-keeper.ts';
export { verifySessionSignature } from './session-signature.ts';
export {
  createVerifier,
  type Verifier,
  type VerifierEvent,
  type VerifierOptions,
  type VerifierRefusal,
} from './verifier.ts';
