import { ok, refuse } from '../../reasons/result.ts';
import type { PaymentResult } from '../reason.ts';
import { SecretBytes } from '../secret.ts';

/** Shortest and longest PIN in digits (ISO 9564-1). */
export const PIN_DIGITS = { least: 4, most: 12 } as const;

const ZERO = 0x30;

/** A clear PIN: 4 to 12 digits, held as a secret. It exists only between two blocks, and is wiped. */
export class ClearPin extends SecretBytes {
  private constructor(digits: Uint8Array) {
    super(digits, 'own');
  }

  /** Copies a PIN of ASCII digits; the caller wipes its own. Refuses with PIN_MALFORMED, and says no more. */
  static parse(ascii: Uint8Array): PaymentResult<ClearPin, 'PIN_MALFORMED'> {
    if (ascii.length < PIN_DIGITS.least || ascii.length > PIN_DIGITS.most) return refuse('PIN_MALFORMED');
    const digits = new Uint8Array(new ArrayBuffer(ascii.length));
    let wrong = 0;
    for (let at = 0; at < ascii.length; at++) {
      const digit = (ascii[at] ?? 0) - ZERO;
      wrong |= outsideDigits(digit);
      digits[at] = digit;
    }
    if (wrong !== 0) {
      digits.fill(0);
      return refuse('PIN_MALFORMED');
    }
    return ok(new ClearPin(digits));
  }

  /** Takes over digits by value, 0 to 9 each, that a decoder has checked; anything else is a bug and throws RangeError. */
  static ofDigits(digits: Uint8Array): ClearPin {
    let wrong = 0;
    for (const digit of digits) wrong |= outsideDigits(digit);
    if (wrong !== 0 || digits.length < PIN_DIGITS.least || digits.length > PIN_DIGITS.most)
      throw new RangeError('not the digits of a PIN');
    return new ClearPin(digits);
  }

  protected override get placeholder(): string {
    return '[clear PIN]';
  }
}

/** 0 for 0 to 9, else not 0; without a branch, so that time does not tell one digit from another. */
export function outsideDigits(value: number): number {
  return (value | (9 - value)) & ~0xff;
}
