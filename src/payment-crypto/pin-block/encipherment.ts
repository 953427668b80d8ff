import type { Random } from '../../ports/random.ts';
import { ok, refuse } from '../../reasons/result.ts';
import type { PaymentResult, PinBlockReason } from '../reason.ts';
import type { SecretKey } from '../secret-key.ts';
import type { ClearPin } from './clear-pin.ts';
import { decodePinBlock, encodePinBlock } from './format0to3.ts';
import { decipherFormat4, encipherFormat4 } from './format4.ts';
import type { Pan } from './pan.ts';

/** Formats of ISO 9564-1. */
export type PinBlockFormat = 0 | 1 | 2 | 3 | 4;

/** Where a PIN block lives: its format, its PIN encryption key, and the PAN for the formats that bind it. */
export interface PinBlockEnd {
  readonly format: PinBlockFormat;
  /** TDEA for formats 0, 1 and 3; AES for format 4. */
  readonly key: SecretKey;
  readonly pan?: Pan;
}

/**
 * Enciphers a PIN: formats 0, 1 and 3 under a TDEA key (8 bytes), format 4 under an AES key (16 bytes). Refuses with
 * PIN_BLOCK_FORMAT format 2, which is for chip cards only, with KEY_ALGORITHM, and with PAN_REQUIRED.
 */
export function encipherPin(
  { format, key, pan }: PinBlockEnd,
  pin: ClearPin,
  random: Random,
): PaymentResult<Buffer, PinBlockReason> {
  if (format === 4) return pan === undefined ? refuse('PAN_REQUIRED') : encipherFormat4(key, pin, pan, random);
  if (format === 2) return refuse('PIN_BLOCK_FORMAT');
  if (key.algorithm !== 'TDES') return refuse('KEY_ALGORITHM');
  const clear = encodePinBlock(format, pin, pan, random);
  if (!clear.ok) return clear;
  const block = clear.value.use((bytes) => key.encipher(bytes));
  clear.value.wipe();
  return ok(block);
}

/**
 * Deciphers a PIN block. Refuses as {@link encipherPin} does, and with PIN_BLOCK_INVALID where what is found is no PIN of
 * this format, key and PAN. The caller wipes the PIN.
 */
export function decipherPin(
  { format, key, pan }: PinBlockEnd,
  block: Uint8Array,
): PaymentResult<ClearPin, PinBlockReason> {
  if (format === 4) return pan === undefined ? refuse('PAN_REQUIRED') : decipherFormat4(key, block, pan);
  if (format === 2) return refuse('PIN_BLOCK_FORMAT');
  if (key.algorithm !== 'TDES') return refuse('KEY_ALGORITHM');
  if (block.length !== 8) return refuse('PIN_BLOCK_INVALID');
  const clear = key.decipher(block);
  const pin = decodePinBlock(format, clear, pan);
  clear.fill(0);
  return pin;
}
