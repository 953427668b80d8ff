import { equalBytes } from '../encoding/digest.ts';
import type { Directive } from './directive.ts';
import { type KeyWear, keyDirective, type WearLimits } from './key-wear.ts';
import type { GrantStore } from './store.ts';

/**
 * What the phone of one open session is advised about its keys: to rotate them, once for each set of keys. It knows
 * their wear from the store, and counts on while transactions begin under the same set.
 */
export class KeyAdvice {
  readonly #deviceId: string;
  readonly #grants: Pick<GrantStore, 'keyWear'>;
  #wear: KeyWear | null = null;
  #given = false;

  constructor(deviceId: string, grants: Pick<GrantStore, 'keyWear'>) {
    this.#deviceId = deviceId;
    this.#grants = grants;
  }

  /** Reads how far the phone's keys are used up. */
  async look(): Promise<void> {
    this.#wear = kept(await this.#grants.keyWear(this.#deviceId));
    this.#given = false;
  }

  /** A transaction began under a PIN key, its KSN of 12 bytes: one more of the keys that are known, or the first of new ones. */
  async began(pinKsn: Uint8Array): Promise<void> {
    const known = this.#wear;
    if (known === null || !equalBytes(pinKsn.subarray(0, 8), known.pinInitialKeyId)) await this.look();
    else this.#wear = { ...known, transactions: known.transactions + 1 };
  }

  /** The advice that is due; null where there is none, and where it was given. */
  take(limits: WearLimits, now: Date): Directive | null {
    if (this.#wear === null || this.#given) return null;
    const directive = keyDirective(this.#wear, limits, now);
    this.#given = directive !== null;
    return directive;
  }
}

/**
 * Key wear that an open session can keep for hours: each of its two identifiers is a slice of a block that the driver
 * reads many rows into, and would hold all of it.
 */
function kept(wear: KeyWear | null): KeyWear | null {
  if (wear === null) return null;
  const { pinInitialKeyId, accountDataInitialKeyId } = wear;
  return {
    ...wear,
    pinInitialKeyId: Uint8Array.from(pinInitialKeyId),
    accountDataInitialKeyId: Uint8Array.from(accountDataInitialKeyId),
  };
}
