import { ok, refuse } from '../../reasons/result.ts';
import type { PaymentResult } from '../reason.ts';
import { SecretBytes } from '../secret.ts';

const MOST_DIGITS = 19;

/** A primary account number: 1 to 19 digits (ISO/IEC 7812-1), account data and so held as a secret. */
export class Pan extends SecretBytes {
  private constructor(digits: Uint8Array) {
    super(digits, 'own');
  }

  /** Copies a PAN of ASCII digits; the caller wipes its own. Refuses with PAN_MALFORMED. The check digit is not checked. */
  static parse(ascii: Uint8Array): PaymentResult<Pan, 'PAN_MALFORMED'> {
    if (ascii.length < 1 || ascii.length > MOST_DIGITS) return refuse('PAN_MALFORMED');
    const digits = new Uint8Array(new ArrayBuffer(ascii.length));
    for (let at = 0; at < ascii.length; at++) {
      const digit = (ascii[at] ?? 0) - 0x30;
      if (digit < 0 || digit > 9) return refuse('PAN_MALFORMED');
      digits[at] = digit;
    }
    return ok(new Pan(digits));
  }

  protected override get placeholder(): string {
    return '[PAN]';
  }
}
