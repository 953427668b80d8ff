import type { AesKsn } from '../ksn.ts';
import type { PaymentResult } from '../reason.ts';
import type { SecretKey } from '../secret-key.ts';
import { deriveWorkingKey } from './host.ts';
import type { DerivedKeyType, WorkingKeyUsage } from './key-type.ts';

/** One transaction of a device: its KSN, and the key from which its working keys come. Wiped after use. */
export class DukptTransaction {
  readonly ksn: AesKsn;
  readonly #key: SecretKey;

  /** Takes the transaction key over: `wipe` wipes it. */
  constructor(ksn: AesKsn, key: SecretKey) {
    this.ksn = ksn;
    this.#key = key;
  }

  /** A working key of this transaction. Refuses with KEY_STRONGER_THAN_PARENT. The caller wipes it. */
  workingKey(usage: WorkingKeyUsage, type: DerivedKeyType): PaymentResult<SecretKey, 'KEY_STRONGER_THAN_PARENT'> {
    return deriveWorkingKey(this.#key, this.ksn, usage, type);
  }

  wipe(): void {
    this.#key.wipe();
  }

  [Symbol.dispose](): void {
    this.wipe();
  }
}
