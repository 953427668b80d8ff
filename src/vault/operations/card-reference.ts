import { createHmac } from 'node:crypto';
import type { Pan } from '../../payment-crypto/pin-block/pan.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';

const REFERENCE_BYTES = 16;
const ZERO = 0x30;

/** Card reference, 16 bytes: the first half of HMAC-SHA-256 over the PAN's ASCII digits. The same card, the same value. */
export function cardReference(pan: Pan, key: SecretKey): Buffer {
  return pan.use((digits) => {
    const ascii = new Uint8Array(new ArrayBuffer(digits.length));
    for (let at = 0; at < digits.length; at++) ascii[at] = ZERO + (digits[at] ?? 0);
    const reference = createHmac('sha256', key.keyObject).update(ascii).digest().subarray(0, REFERENCE_BYTES);
    ascii.fill(0);
    return reference;
  });
}
