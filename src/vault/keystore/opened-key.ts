import type { DerivationKey } from '../../payment-crypto/aes-dukpt/derivation.ts';
import { SecretBytes } from '../../payment-crypto/secret.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { KeystoreFault } from './fault.ts';
import type { KeyToken } from './key-token.ts';
import { generateSigningKey, type SigningKey, signingKeyOf } from './signing-key.ts';
import { openSlot, type Slot, type SlotDescription, wrapSlot } from './slot.ts';
import { openTokenSlot, sealDerivationSlot, sealSigningSlot } from './token-slot.ts';

/** A key of a slot: bytes in this process (of a private key, PKCS#8), or a key that a token keeps. */
export type OpenedKey = SecretBytes | DerivationKey | SigningKey;

/** What slots are opened with, and made. */
export interface SlotRoom {
  readonly kek: SecretKey;
  /** Keeps base derivation and signing keys; null where they are key blocks. */
  readonly token: KeyToken | null;
}

/** Opens a slot that holds a key. The caller wipes bytes. Refuses with KEYSTORE_CORRUPT; throws TokenError. */
export function openKey(slot: Slot, { kek, token }: SlotRoom): Result<OpenedKey, KeystoreFault> {
  if (slot.token === undefined) return openSlot(slot, kek);
  return token === null ? refuse('KEYSTORE_CORRUPT', `${slot.id}: without its token`) : openTokenSlot(slot, kek, token);
}

/** Overwrites key bytes; a key in a token is left where it is. */
export function wipeKey(key: OpenedKey): void {
  if (key instanceof SecretBytes) key.wipe();
}

/** An opened key as one that signs. Another kind of key is a bug: slots are opened as what they say. */
export function asSigningKey(key: OpenedKey | undefined): SigningKey {
  if (key instanceof SecretBytes) return signingKeyOf(key);
  if (key !== undefined && 'spki' in key) return key;
  throw new TypeError('not a signing key');
}

/** An opened key as one that derives. Another kind of key is a bug. */
export function asDerivationKey(key: OpenedKey | undefined): DerivationKey {
  if (key instanceof SecretKey) return key;
  if (key !== undefined && 'encipher' in key) return key;
  throw new TypeError('not a derivation key');
}

/** Makes a base derivation key (AES) and its slot. Throws TokenError. */
export function makeDerivationSlot(
  description: SlotDescription,
  bits: number,
  { kek, token }: SlotRoom,
  random: Random,
): Slot {
  if (token !== null) return sealDerivationSlot(description, token.makeDerivationKey(description.id, bits), kek);
  const key = SecretKey.generate('AES', bits, random);
  try {
    return wrapSlot(description, key, kek, random);
  } finally {
    key.wipe();
  }
}

/** Makes a P-256 key and its slot; `more` adds what the slot says of that very key. Throws TokenError. */
export function makeSigningSlot<R extends string = never>(
  description: SlotDescription,
  { kek, token }: SlotRoom,
  random: Random,
  more: (key: SigningKey) => Result<Partial<SlotDescription>, R> = () => ok({}),
): Result<Slot, R> {
  if (token !== null) {
    const key = token.makeSigningKey(description.id);
    const said = more(key);
    return said.ok ? ok(sealSigningSlot({ ...description, ...said.value }, key, kek)) : said;
  }
  const bytes = generateSigningKey();
  try {
    const said = more(signingKeyOf(bytes));
    return said.ok ? ok(wrapSlot({ ...description, ...said.value }, bytes, kek, random)) : said;
  } finally {
    bytes.wipe();
  }
}
