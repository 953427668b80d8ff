import type { DerivationKey } from '../../payment-crypto/aes-dukpt/derivation.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { SigningKey } from './signing-key.ts';

/** Where a key in a token comes from: it was never anywhere else, or it was brought there. */
export type KeyOrigin = 'made-there' | 'entered';

/**
 * A token that makes and keeps keys which never leave it. Each key has the id of its slot. Every method throws where the
 * token does not do what it is asked, as of any lost dependency.
 */
export interface KeyToken {
  /** Serial number: a keystore belongs to one token. */
  readonly serial: string;
  /** True while a call to it has not returned and was given up: the process does not end by ordinary means then. */
  readonly isStuck: boolean;
  /** Makes the key from which a keystore's master key is derived. */
  makeRoot(id: string): void;
  /** Derives 32 bytes from a root key and an input (HMAC-SHA-256). The caller wipes them. */
  deriveFromRoot(id: string, input: Uint8Array): Buffer;
  /** Makes a base derivation key (AES) of so many bits. */
  makeDerivationKey(id: string, bits: number): DerivationKey;
  /** Takes a base derivation key (AES) in: from then on it never leaves the token. The key stays the caller's. */
  enterDerivationKey(id: string, key: SecretKey): DerivationKey;
  /** Makes a P-256 key that signs. */
  makeSigningKey(id: string): SigningKey;
  /**
   * A base derivation key; one that is missing, or that could leave the token or do anything else, is refused with null,
   * and so is one of another origin: made in the token, or entered.
   */
  derivationKey(id: string, bits: number, origin?: KeyOrigin): DerivationKey | null;
  /** A key that signs for this SubjectPublicKeyInfo; null as of derivation keys, and where the key is another one. */
  signingKey(id: string, spki: Uint8Array): SigningKey | null;
  /** Destroys the key; one that is not there stays so. */
  destroy(id: string): void;
}
