import { p256Thumbprint } from '../../encoding/p256.ts';
import { type SlotState, useOf } from '../../keys/state.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result } from '../../reasons/result.ts';
import type { KeystoreFault } from './fault.ts';
import { publicKeyOfPkcs8 } from './signing-key.ts';
import { openSlot, type Slot, withChange, wrapSlot } from './slot.ts';
import { checkSeal, resealSlot } from './token-slot.ts';

/** Who changes a slot, and with what. */
export interface SlotTurn {
  readonly random: Random;
  readonly clock: Clock;
  /** The person, or the program. */
  readonly by: string;
}

/**
 * The slot in another state: wrapped anew, since its key block binds state and history. Where no key is held in that
 * state, the block is left out, and the key with it; a key in a token is destroyed there once the change is written.
 */
export function turnSlot(
  slot: Slot,
  state: SlotState,
  kek: SecretKey,
  { random, clock, by }: SlotTurn,
): Result<Slot, KeystoreFault> {
  const { kcv, block, token, ...description } = slot;
  const turned = { ...description, state, history: withChange(slot.history, { state, at: clock.now(), by }) };
  if (token !== undefined) {
    if (useOf(state).isHeld) return resealSlot(slot, turned, kek);
    const genuine = checkSeal(slot, kek);
    if (!genuine.ok) return genuine;
    const thumbprint = token.publicKey && p256Thumbprint(Buffer.from(token.publicKey, 'base64url'));
    return ok({ ...turned, kcv, keyId: thumbprint ?? undefined });
  }
  if (block === undefined) return ok({ ...turned, kcv });
  const key = openSlot(slot, kek);
  if (!key.ok) return key;
  try {
    if (useOf(state).isHeld) return ok(wrapSlot(turned, key.value, kek, random));
    const keyId = key.value instanceof SecretKey ? null : p256Thumbprint(publicKeyOfPkcs8(key.value));
    return ok({ ...turned, kcv, keyId: keyId ?? undefined });
  } finally {
    key.value.wipe();
  }
}
