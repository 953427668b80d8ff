import { createHmac } from 'node:crypto';
import type { DerivationKey } from '../../../src/payment-crypto/aes-dukpt/derivation.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import type { KeyOrigin, KeyToken } from '../../../src/vault/keystore/key-token.ts';
import { generateSigningKey, type SigningKey, signingKeyOf } from '../../../src/vault/keystore/signing-key.ts';
import { TokenError } from '../../../src/vault/pkcs11/token-error.ts';
import { random } from './keystore.ts';

/** A token in memory, that a test may draw. */
export class MemoryToken implements KeyToken {
  readonly serial = '0123456789abcdef';
  readonly isStuck = false;
  /** While it is drawn, everything throws. */
  drawn = false;
  readonly roots = new Map<string, Buffer>();
  /** Ids of the keys that were brought. */
  readonly entered = new Set<string>();
  readonly derivationKeys = new Map<string, SecretKey>();
  readonly signingKeys = new Map<string, SigningKey>();

  makeRoot(id: string): void {
    this.#present();
    this.roots.set(id, random.bytes(32));
  }

  deriveFromRoot(id: string, input: Uint8Array): Buffer {
    this.#present();
    const key = this.roots.get(id);
    if (key === undefined) throw new TokenError('no root');
    return createHmac('sha256', key).update(input).digest();
  }

  makeDerivationKey(id: string, bits: number): DerivationKey {
    this.#present();
    this.derivationKeys.set(id, SecretKey.generate('AES', bits, random));
    return this.derivationKey(id)!;
  }

  enterDerivationKey(id: string, key: SecretKey): DerivationKey {
    this.#present();
    this.derivationKeys.set(
      id,
      key.use((bytes) => SecretKey.ofOwned('AES', new Uint8Array(bytes))),
    );
    this.entered.add(id);
    return this.derivationKey(id, key.bits, 'entered')!;
  }

  makeSigningKey(id: string): SigningKey {
    this.#present();
    this.signingKeys.set(id, signingKeyOf(generateSigningKey()));
    return this.signingKey(id)!;
  }

  derivationKey(id: string, _bits = 128, origin: KeyOrigin = 'made-there'): DerivationKey | null {
    this.#present();
    const key = this.derivationKeys.get(id);
    if (key === undefined || this.entered.has(id) !== (origin === 'entered')) return null;
    const encipher = (blocks: Uint8Array): Buffer => {
      this.#present();
      return key.encipher(blocks);
    };
    return { algorithm: 'AES', bits: key.bits, encipher };
  }

  signingKey(id: string): SigningKey | null {
    this.#present();
    const key = this.signingKeys.get(id);
    if (key === undefined) return null;
    const sign = (input: Uint8Array): Buffer => {
      this.#present();
      return key.sign(input);
    };
    return { ...key, sign };
  }

  destroy(id: string): void {
    this.#present();
    this.derivationKeys.delete(id);
    this.signingKeys.delete(id);
    this.roots.delete(id);
  }

  /** Ids of the keys that it keeps. */
  get ids(): string[] {
    return [...this.derivationKeys.keys(), ...this.signingKeys.keys()].sort();
  }

  #present(): void {
    if (this.drawn) throw new TokenError('drawn');
  }
}
