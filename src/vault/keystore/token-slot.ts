import { canonicalBytes } from '../../encoding/canonical.ts';
import { equalBytes } from '../../encoding/digest.ts';
import type { DerivationKey } from '../../payment-crypto/aes-dukpt/derivation.ts';
import { cmac } from '../../payment-crypto/cmac.ts';
import { checkValueByEncipherment } from '../../payment-crypto/kcv.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { KeystoreFault } from './fault.ts';
import type { KeyToken } from './key-token.ts';
import type { SigningKey } from './signing-key.ts';
import { checkValueOfPublicKey, type Slot, type SlotDescription, shown } from './slot.ts';

/** Size of base derivation keys in bits. */
export const BDK_BITS = 128;

type Sealed = Omit<Slot, 'block' | 'token'> & { readonly publicKey: string | undefined };

/**
 * CMAC under the KEK over everything that a slot says: what a key block's MAC is to a key in a file. The KEK's other use
 * of CMAC, to derive the keys of key blocks, is over 8 bytes (X9.143), which no canonical message has.
 */
function sealOf(slot: Sealed, kek: SecretKey): Buffer {
  const { id, kind, state, history, acquirer, bdkId, endorsement, keyId, kcv, publicKey, entered, published } = slot;
  const changes = history?.map((change) => [change.state, change.at, change.by]) ?? null;
  const endorsed = endorsement === undefined ? null : [endorsement.payload, endorsement.signature];
  const said = [
    id,
    kind,
    state,
    changes,
    acquirer ?? null,
    bdkId ?? null,
    endorsed,
    keyId ?? null,
    kcv,
    publicKey ?? null,
    ...(entered === undefined ? [] : [[entered.by, entered.exportability]]),
    ...(published === undefined ? [] : [published]),
  ];
  return cmac(kek, canonicalBytes('tapgate/v1/token-slot', JSON.stringify(said)));
}

function seal(slot: Omit<Slot, 'block' | 'token'>, publicKey: string | undefined, kek: SecretKey): Slot {
  const made = sealOf({ ...slot, publicKey }, kek).toString('base64url');
  return { ...slot, token: { seal: made, ...(publicKey !== undefined && { publicKey }) } };
}

/** The slot of a signing key that a token keeps under the slot's id. */
export function sealSigningSlot(description: SlotDescription, key: SigningKey, kek: SecretKey): Slot {
  return seal({ ...description, kcv: shown(checkValueOfPublicKey(key.spki)) }, key.spki.toString('base64url'), kek);
}

/** The slot of a base derivation key that a token keeps under the slot's id. Throws TokenError. */
export function sealDerivationSlot(description: SlotDescription, key: DerivationKey, kek: SecretKey): Slot {
  return seal({ ...description, kcv: shown(checkValueByEncipherment((block) => key.encipher(block))) }, undefined, kek);
}

/** The same slot in another state, or under another KEK. Refuses with KEYSTORE_CORRUPT where its seal does not hold. */
export function resealSlot(
  slot: Slot,
  turned: SlotDescription,
  kek: SecretKey,
  newKek: SecretKey = kek,
): Result<Slot, KeystoreFault> {
  const held = checkSeal(slot, kek);
  return held.ok ? ok(seal({ ...turned, kcv: slot.kcv }, slot.token?.publicKey, newKek)) : held;
}

/** Refuses with KEYSTORE_CORRUPT a slot that was edited. */
export function checkSeal({ block: _none, token, ...slot }: Slot, kek: SecretKey): Result<null, KeystoreFault> {
  if (token === undefined) return refuse('KEYSTORE_CORRUPT', `${slot.id}: no seal`);
  const expected = sealOf({ ...slot, publicKey: token.publicKey }, kek);
  const holds = equalBytes(expected, Buffer.from(token.seal, 'base64url'));
  return holds ? ok(null) : refuse('KEYSTORE_CORRUPT', `${slot.id}: seal`);
}

/**
 * The key of a slot, in the token: seal, the key's attributes on the token and its check value are looked at, and a
 * signing key signs. Anything else than it should be is KEYSTORE_CORRUPT. Throws TokenError.
 */
export function openTokenSlot(
  slot: Slot,
  kek: SecretKey,
  token: KeyToken,
): Result<DerivationKey | SigningKey, KeystoreFault> {
  const held = checkSeal(slot, kek);
  if (!held.ok) return held;
  const publicKey = slot.token?.publicKey;
  const key =
    publicKey === undefined
      ? token.derivationKey(slot.id, BDK_BITS, slot.entered === undefined ? 'made-there' : 'entered')
      : token.signingKey(slot.id, Buffer.from(publicKey, 'base64url'));
  if (key === null) return refuse('KEYSTORE_CORRUPT', `${slot.id}: not on the token, or not as it was made`);
  const checkValue =
    'spki' in key ? checkValueOfPublicKey(key.spki) : checkValueByEncipherment((block) => key.encipher(block));
  const agrees = equalBytes(checkValue, Buffer.from(slot.kcv, 'hex'));
  return agrees ? ok(key) : refuse('KEYSTORE_CORRUPT', `${slot.id}: check value`);
}
