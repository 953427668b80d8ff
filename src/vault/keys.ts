import type { KeyObject } from 'node:crypto';
import type { KeyEndorsement } from '../encoding/published-key.ts';
import type { SignedBytes } from '../encoding/signed.ts';
import type { SlotKind } from '../keys/kind.ts';
import type { SlotState, SlotUse } from '../keys/state.ts';
import type { DerivationKey } from '../payment-crypto/aes-dukpt/derivation.ts';
import { SecretKey } from '../payment-crypto/secret-key.ts';
import type { EndorsedKey } from './keystore/service-key.ts';
import type { SigningKey } from './keystore/signing-key.ts';

/** A base derivation key and its identifier: the first four bytes of every initial key id that comes from it. */
export interface BaseDerivationKey {
  /** 4 bytes. */
  readonly id: Buffer;
  /** In this process, or in a token that never gives it away. */
  readonly key: DerivationKey;
}

/** What a base derivation key is for. */
export type KeyDomain = 'pin' | 'account-data';

/**
 * What a key that signed or gave keys before is wanted for: `serves`: work under it goes on; `verifiesRepeats`: an answer
 * that was given is given again.
 */
export type KeyUse = Extract<keyof SlotUse, 'serves' | 'verifiesRepeats'>;

/** A base derivation key that gave initial keys before the active one, or will after it. */
export interface OtherBdk {
  readonly domain: KeyDomain;
  readonly state: Exclude<SlotState, 'active'>;
  /** When it entered that state. */
  readonly since: Date;
  /** Held in states in which phones still pay with what came from it, or answers are given again; null in others. */
  readonly bdk: BaseDerivationKey | null;
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

/** A signing key's public side, with the state of its slot. */
export interface PublicKey {
  readonly slotId: string;
  /** RFC 7638 thumbprint. */
  readonly keyId: string;
  readonly kind: SlotKind;
  readonly state: SlotState;
  readonly publicKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer;
  /** Of a service key. */
  readonly endorsed: EndorsedKey | null;
  /** The active anchor's word that the key is this vault's; null where its slot is of before that. */
  readonly endorsement: KeyEndorsement | null;
}

/** Every key that the vault works with. It never leaves the vault's process. */
export interface VaultKeys {
  /** How often the keystore has been changed. */
  readonly generation: number;
  /** SubjectPublicKeyInfo, DER; its private key is used in ceremonies only and is not held. */
  readonly anchor: Buffer;
  /** What leads phones that ship an earlier anchor to this one: ServiceAnchor messages, each signed by the one before. */
  readonly anchorLinks: readonly SignedBytes[];
  /** The active ones: new initial keys come from them. */
  readonly pinBdk: BaseDerivationKey;
  readonly accountDataBdk: BaseDerivationKey;
  /** The others by BDK id, upper-case hexadecimal. */
  readonly otherBdks: ReadonlyMap<string, OtherBdk>;
  readonly deviceToken: SigningKey;
  readonly receipt: SigningKey;
  /** Signs checkpoints of the audit log; null where none is active. */
  readonly audit: SigningKey | null;
  /** The service key: signs grants, PIN grants and key offers. */
  readonly grant: SigningKey & EndorsedKey;
  /** Public sides of all signing keys whose bytes are held, active ones included. */
  readonly publicKeys: readonly PublicKey[];
  /** Key ids of signing keys that are known to be compromised. */
  readonly compromised: ReadonlySet<string>;
  /** Key ids of signing keys whose bytes were destroyed. */
  readonly destroyed: ReadonlySet<string>;
  readonly cardReference: SecretKey;
  /** AES-256: the MAC of the record of derivation ids that were offered. */
  readonly derivationLedger: SecretKey;
  /** By acquirer. */
  readonly zones: ReadonlyMap<string, ZoneKeys>;
}

/** Every symmetric key that this process holds; one in a token is none. */
export function secretsOf(keys: VaultKeys): SecretKey[] {
  const others = [...keys.otherBdks.values()].flatMap(({ bdk }) => (bdk === null ? [] : [bdk.key]));
  const zones = [...keys.zones.values()].flatMap(({ pin, data }) => [pin.key, data.key]);
  return [
    keys.pinBdk.key,
    keys.accountDataBdk.key,
    keys.cardReference,
    keys.derivationLedger,
    ...others,
    ...zones,
  ].filter((key) => key instanceof SecretKey);
}

/** Wipes every symmetric key that this process holds; the vault cannot work with them afterwards. */
export function wipeKeys(keys: VaultKeys): void {
  for (const key of secretsOf(keys)) key.wipe();
}
