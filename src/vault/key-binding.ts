import { canonicalBytes } from '../encoding/canonical.ts';
import { equalBytes } from '../encoding/digest.ts';
import { cmac } from '../payment-crypto/cmac.ts';
import { INITIAL_KEY_ID_BYTES } from '../payment-crypto/ksn.ts';
import type { VaultKeys } from './keys.ts';

/** What one injection binds together. */
export interface BoundKeys {
  /** Initial key ids, 8 bytes each. */
  readonly pinInitialKeyId: Uint8Array;
  readonly accountDataInitialKeyId: Uint8Array;
  readonly deviceId: string;
  /** The only acquirer that payments under these keys are translated for. */
  readonly acquirer: string;
}

/** Key serial numbers, 12 bytes each, with whom they are used for. */
export interface BoundCounters extends Pick<BoundKeys, 'deviceId' | 'acquirer'> {
  readonly pinKsn: Uint8Array;
  readonly accountDataKsn: Uint8Array;
}

/**
 * Binds the two initial keys of an offer to each other, to their device and to its acquirer: AES-CMAC, 16 bytes, under the
 * key of the record of derivation ids. That record lets an initial key id be offered once: so there is one binding of it
 * and never another, and whoever keeps bindings can neither make one nor change its acquirer.
 */
export function keyBinding(bound: BoundKeys, { derivationLedger }: Pick<VaultKeys, 'derivationLedger'>): Buffer {
  const { pinInitialKeyId, accountDataInitialKeyId, deviceId, acquirer } = bound;
  const fields = [pinInitialKeyId, accountDataInitialKeyId, deviceId, acquirer] as const;
  return cmac(derivationLedger, canonicalBytes('tapgate/v1/key-binding', ...fields));
}

/** True where the binding is the one of both serial numbers' initial keys, of this device and this acquirer. */
export function isBound(
  binding: Uint8Array,
  { pinKsn, accountDataKsn, deviceId, acquirer }: BoundCounters,
  keys: Pick<VaultKeys, 'derivationLedger'>,
): boolean {
  const pinInitialKeyId = pinKsn.subarray(0, INITIAL_KEY_ID_BYTES);
  const accountDataInitialKeyId = accountDataKsn.subarray(0, INITIAL_KEY_ID_BYTES);
  return equalBytes(binding, keyBinding({ pinInitialKeyId, accountDataInitialKeyId, deviceId, acquirer }, keys));
}
