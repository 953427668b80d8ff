import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result } from '../../reasons/result.ts';
import type { KeystoreFault } from './fault.ts';
import { openSlot, type Slot, wrapSlot } from './slot.ts';

/** The slot in state `retired`: wrapped anew, since its key block binds the state. */
export function retireSlot(slot: Slot, kek: SecretKey, random: Random): Result<Slot, KeystoreFault> {
  const key = openSlot(slot, kek);
  if (!key.ok) return key;
  try {
    const { kcv: _, block: __, ...description } = slot;
    return ok(wrapSlot({ ...description, state: 'retired' }, key.value, kek, random));
  } finally {
    key.value.wipe();
  }
}
