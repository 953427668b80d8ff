import { checkValues } from '../diagnosis/kcv.ts';
import { hexOf } from '../hex.ts';
import type { SecretKey } from '../secret-key.ts';

/** What is shown of a test key: never the key, unless it is to be revealed. */
export interface ShownKey {
  readonly algorithm: string;
  readonly bits: number;
  /** Encryption of zeros, 3 bytes, hexadecimal; absent for an HMAC key. */
  readonly legacyKcv?: string;
  /** CMAC over a block of zeros, 5 bytes, hexadecimal. */
  readonly cmacKcv?: string;
  /** The key itself, hexadecimal. */
  readonly key?: string;
}

/** A test key with its check values by every method, and itself where `reveal` says so. */
export function shownKey(key: SecretKey, reveal: boolean): ShownKey {
  const { algorithm, bits } = key;
  const revealed = reveal ? { key: key.use(hexOf) } : {};
  if (algorithm === 'HMAC') return { algorithm, bits, ...revealed };
  const { legacy, cmac } = checkValues(key);
  return { algorithm, bits, legacyKcv: hexOf(legacy), cmacKcv: hexOf(cmac), ...revealed };
}
