import type { SignedBytes } from '../encoding/signed.ts';
import type { Result } from '../reasons/result.ts';
import type { InitialKeyIds } from './key-set.ts';
import type { TransportName } from './policy.ts';

/** What the vault makes an offer for. */
export interface OfferRequest {
  readonly injectionId: string;
  readonly deviceId: string;
  /** The only acquirer that payments under these keys are for. */
  readonly acquirer: string;
  readonly sessionKeyThumbprint: string;
  readonly transport: TransportName;
  /** SubjectPublicKeyInfo, DER. */
  readonly transportKey: Buffer;
  readonly nonce: Buffer;
  readonly initialKeyIds: InitialKeyIds;
  readonly expiresAt: Date;
}

/** An offer as the vault made it. */
export interface BoundOffer {
  /** A KeyOffer, signed by the service key. */
  readonly offer: SignedBytes;
  /** 16 bytes, kept with the keys: without it the vault signs no grant for them. */
  readonly keyBinding: Buffer;
}

/** A phone's proof that it holds both initial keys. */
export interface KeyProof {
  readonly initialKeyIds: InitialKeyIds;
  /** Payload of the signed offer. */
  readonly offer: Uint8Array;
  /** AES-CMAC, 16 bytes each. */
  readonly pinCmac: Uint8Array;
  readonly accountDataCmac: Uint8Array;
}

/** The vault's part in an injection: initial keys are derived, wrapped and checked there, and never leave it in clear. */
export interface InjectionVault {
  offerKeys(request: OfferRequest): Promise<Result<BoundOffer>>;
  verifyKeyProof(proof: KeyProof): Promise<Result<boolean>>;
}
