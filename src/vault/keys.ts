import type { SecretKey } from '../payment-crypto/secret-key.ts';
import type { EndorsedKey } from './keystore/service-key.ts';
import type { SigningKey } from './keystore/signing-key.ts';

/** A base derivation key and its identifier: the first four bytes of every initial key id that comes from it. */
export interface BaseDerivationKey {
  /** 4 bytes. */
  readonly id: Buffer;
  readonly key: SecretKey;
}

/** A key shared with one acquirer, under the identifier that both sides know it by. */
export interface ZoneKey {
  readonly keyId: string;
  readonly key: SecretKey;
}

/** The keys under which one acquirer is sent what the vault translates. */
export interface ZoneKeys {
  readonly acquirer: string;
  readonly pin: ZoneKey;
  readonly data: ZoneKey;
}

/** Every key that the vault works with. It never leaves the vault's process. */
export interface VaultKeys {
  /** SubjectPublicKeyInfo, DER; its private key is used in ceremonies only and is not held. */
  readonly anchor: Buffer;
  readonly pinBdk: BaseDerivationKey;
  readonly accountDataBdk: BaseDerivationKey;
  readonly deviceToken: SigningKey;
  readonly receipt: SigningKey;
  /** The service key: signs grants, PIN grants and key offers. */
  readonly grant: SigningKey & EndorsedKey;
  readonly cardReference: SecretKey;
  /** By acquirer. */
  readonly zones: ReadonlyMap<string, ZoneKeys>;
}

/** Wipes every symmetric key; the vault cannot work with them afterwards. */
export function wipeKeys(keys: VaultKeys): void {
  for (const key of [keys.pinBdk.key, keys.accountDataBdk.key, keys.cardReference]) key.wipe();
  for (const { pin, data } of keys.zones.values()) {
    pin.key.wipe();
    data.key.wipe();
  }
}
