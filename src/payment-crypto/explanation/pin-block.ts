import type { Random } from '../../ports/random.ts';
import { ok } from '../../reasons/result.ts';
import { hexOf } from '../hex.ts';
import type { ClearPin } from '../pin-block/clear-pin.ts';
import type { PinBlockFormat } from '../pin-block/encipherment.ts';
import { encipherPin } from '../pin-block/encipherment.ts';
import { encodePinBlock, formatBindsPan } from '../pin-block/format0to3.ts';
import { format4PanField } from '../pin-block/format4.ts';
import type { Pan } from '../pin-block/pan.ts';
import type { PaymentResult, PinBlockReason } from '../reason.ts';
import type { SecretKey } from '../secret-key.ts';
import type { ExplainedField } from './key-block.ts';

const SHORT_FIELDS: Readonly<Record<0 | 1 | 2 | 3, string>> = {
  0: 'PIN field filled with F, XOR 0000 and the 12 rightmost PAN digits less the check digit',
  1: 'PIN field filled at random; no PAN: for a PIN whose account is not known yet',
  2: 'PIN field filled with F; no PAN: for chip cards only, never enciphered under a zone key',
  3: 'as format 0, but filled with A to F at random',
};

/** What a format is made of (ISO 9564-1:2017 9.3, 9.4). */
export function explainFormat(format: PinBlockFormat): string {
  if (format !== 4) return SHORT_FIELDS[format];
  return 'E(K, E(K, PIN field) XOR PAN field) under AES; PIN field filled with A, then 8 random bytes; the whole PAN';
}

/** The PAN field of a format for a test PAN, hexadecimal; undefined where the format has none. */
function panFieldOf(format: PinBlockFormat, pan: Pan | undefined): string | undefined {
  if (pan === undefined || !formatBindsPan(format)) return undefined;
  if (format !== 4) {
    const digits = pan.use((values) => [...values].join(''));
    return `0000${digits.slice(0, -1).slice(-12).padStart(12, '0')}`;
  }
  const field = format4PanField(pan);
  const text = hexOf(field);
  field.fill(0);
  return text;
}

/** A test PIN block that was made. */
export interface MadePinBlock {
  /** The block, hexadecimal: enciphered where a key was given, else clear. */
  readonly block: string;
  readonly enciphered: boolean;
}

/**
 * Makes a test PIN block: under a key where one is given, else clear. Format 4 exists under a key only. Refuses as
 * {@link encipherPin} does.
 */
export function makeTestPinBlock(
  format: PinBlockFormat,
  { pin, pan, key }: { readonly pin: ClearPin; readonly pan?: Pan; readonly key?: SecretKey },
  random: Random,
): PaymentResult<MadePinBlock, PinBlockReason | 'KEY_ALGORITHM'> {
  if (key === undefined) {
    if (format === 4) return { ok: false, reason: 'KEY_ALGORITHM', detail: 'format 4 needs an AES key' };
    const clear = encodePinBlock(format, pin, pan, random);
    if (!clear.ok) return clear;
    const block = clear.value.use(hexOf);
    clear.value.wipe();
    return ok({ block, enciphered: false });
  }
  const made = encipherPin({ format, key, ...(pan && { pan }) }, pin, random);
  return made.ok ? ok({ block: hexOf(made.value), enciphered: true }) : made;
}

/** Format, PAN field and what is known of the PIN, for people; the PIN itself only where `reveal` says so. */
export function pinBlockFields(
  format: PinBlockFormat,
  pan: Pan | undefined,
  pin: ClearPin | undefined,
  reveal: boolean,
): ExplainedField[] {
  const fields: ExplainedField[] = [{ field: 'format', value: String(format), meaning: explainFormat(format) }];
  const panField = panFieldOf(format, pan);
  if (panField !== undefined)
    fields.push({ field: 'PAN field', value: panField, meaning: 'of the PAN that was given' });
  if (pin !== undefined) {
    const value = reveal ? pin.use((digits) => [...digits].join('')) : '*'.repeat(pin.length);
    fields.push({ field: 'PIN', value, meaning: `${pin.length} digits` });
  }
  return fields;
}
