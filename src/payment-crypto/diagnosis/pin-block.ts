import type { ClearPin } from '../pin-block/clear-pin.ts';
import { decipherPin, type PinBlockFormat } from '../pin-block/encipherment.ts';
import { decodePinBlock, formatBindsPan } from '../pin-block/format0to3.ts';
import { Pan } from '../pin-block/pan.ts';
import type { SecretKey } from '../secret-key.ts';
import { type Diagnosis, diagnose, type Fault, type Hypothesis, type Variant } from './diagnose.ts';
import { keyVariants } from './key-variant.ts';
import { textReadings } from './text.ts';

/** A PIN block that was seen, and how it is held to be made. */
export interface SeenPinBlock {
  /** Text: hexadecimal, unless it turns out to be something else. */
  readonly block: string;
  readonly format: PinBlockFormat;
  readonly pan?: Pan;
  /** The PIN that should come out, where it is known: a test PIN. */
  readonly pin?: ClearPin;
  /** How the text is read; hexadecimal where absent. */
  readonly encoding?: 'hexadecimal' | 'base64' | 'hexadecimal of hexadecimal';
  /** True where the block is held to be clear. */
  readonly clear?: boolean;
}

/** The PIN of a block under a key, or undefined where it does not read as one. The caller wipes it. */
export function readSeenPin(key: SecretKey | undefined, seen: SeenPinBlock): ClearPin | undefined {
  const { format, pan, clear = false, encoding = 'hexadecimal' } = seen;
  const bytes = textReadings(seen.block).find((reading) => reading.encoding === encoding)?.bytes;
  if (bytes === undefined) return undefined;
  if (clear) {
    if (format === 4) return undefined;
    const decoded = decodePinBlock(format, bytes, pan);
    return decoded.ok ? decoded.value : undefined;
  }
  if (key === undefined || key.algorithm === 'HMAC') return undefined;
  const deciphered = decipherPin({ format, key, ...(pan && { pan }) }, bytes);
  return deciphered.ok ? deciphered.value : undefined;
}

/** True where the block reads as a PIN, and as the known one where it is known. */
export function pinBlockFits(key: SecretKey | undefined, seen: SeenPinBlock): boolean {
  const pin = readSeenPin(key, seen);
  const fits = pin !== undefined && (seen.pin === undefined || pin.equals(seen.pin));
  pin?.wipe();
  return fits;
}

/** How many of the 16 values each nibble behind the PIN may have, by format. */
const FILL_VALUES: Readonly<Record<PinBlockFormat, number>> = { 0: 1, 1: 16, 2: 1, 3: 6, 4: 1 };

/** Probability that 8 random bytes read as a PIN of this format: control nibble, length, digits, fill. */
export function pinBlockChance({ format, pin }: SeenPinBlock): number {
  const fill = FILL_VALUES[format] / 16;
  const lengths = pin === undefined ? [4, 5, 6, 7, 8, 9, 10, 11, 12] : [pin.length];
  const digit = pin === undefined ? 10 / 16 : 1 / 16;
  return lengths.reduce((sum, length) => sum + digit ** length * fill ** (14 - length), 0) / 256;
}

interface PanVariant {
  readonly fault: Fault;
  readonly says: string;
  readonly digits: string;
}

const CHECK_DIGIT = '0';

/** PANs that give the field which a confused implementation takes from this one. */
function confusedPans(digits: string, format: PinBlockFormat): PanVariant[] {
  const without = digits.slice(0, -1);
  if (format === 4) {
    return [
      { fault: 'PAN_DIGITS', says: 'Format 4 was made with the PAN less its check digit.', digits: without },
      {
        fault: 'PAN_DIGITS',
        says: 'Format 4 was made with the 12 rightmost digits less the check digit, as formats 0 and 3 are.',
        digits: without.slice(-12),
      },
      { fault: 'PAN_DIGITS', says: 'Format 4 was made with the 12 rightmost digits.', digits: digits.slice(-12) },
      { fault: 'PAN_NOT_BOUND', says: 'Format 4 was made with a PAN of zeros.', digits: '0'.repeat(digits.length) },
    ];
  }
  // Formats 0 and 3 drop the last digit: one is added where the confused implementation dropped none.
  return [
    {
      fault: 'PAN_DIGITS',
      says: 'The 12 rightmost digits were taken with the check digit, which does not belong to them.',
      digits: `${digits}${CHECK_DIGIT}`,
    },
    {
      fault: 'PAN_DIGITS',
      says: 'The 12 leftmost digits of the PAN were taken instead of the rightmost.',
      digits: `${digits.slice(0, 12)}${CHECK_DIGIT}`,
    },
    { fault: 'PAN_NOT_BOUND', says: 'The PIN field was not combined with the PAN.', digits: '0'.repeat(13) },
  ];
}

function textOf(pan: Pan): string {
  return pan.use((digits) => [...digits].join(''));
}

/** Faults of the PAN field: check digit, wrong end, none at all. */
export const wrongPanDigits: Hypothesis<SeenPinBlock> = (seen) => {
  if (seen.pan === undefined || !formatBindsPan(seen.format)) return [];
  const digits = textOf(seen.pan);
  return confusedPans(digits, seen.format).flatMap(({ fault, says, digits: text }) => {
    const pan = text === digits ? undefined : Pan.parse(Buffer.from(text, 'latin1'));
    return pan?.ok ? [{ fault, says, state: { ...seen, pan: pan.value } }] : [];
  });
};

/** Fault: another format. */
export const wrongFormat: Hypothesis<SeenPinBlock> = (seen) =>
  ([0, 1, 2, 3, 4] as const)
    .filter((format) => format !== seen.format)
    .map((format) => ({
      fault: 'PIN_BLOCK_FORMAT',
      says: `The block is of format ${format}.`,
      state: { ...seen, format },
    }));

/** Fault: the block was never enciphered, or is no clear one. */
export const notEnciphered: Hypothesis<SeenPinBlock> = (seen) => [
  seen.clear === true
    ? { fault: 'BLOCK_NOT_ENCIPHERED', says: 'The block is enciphered.', state: { ...seen, clear: false } }
    : {
        fault: 'BLOCK_NOT_ENCIPHERED',
        says: 'The block is not enciphered: it is the clear one.',
        state: { ...seen, clear: true },
      },
];

/** Fault: the text is not the hexadecimal text of the block. */
export const wrongTextEncoding: Hypothesis<SeenPinBlock> = (seen) =>
  textReadings(seen.block)
    .filter(({ encoding }) => encoding !== (seen.encoding ?? 'hexadecimal'))
    .map(({ encoding }) => ({
      fault: 'TEXT_ENCODING',
      says: `The text of the block is ${encoding}.`,
      state: { ...seen, encoding },
    }));

/** All that may be wrong with how a block is made, its key apart. */
export const PIN_BLOCK_HYPOTHESES: readonly Hypothesis<SeenPinBlock>[] = [
  wrongPanDigits,
  wrongFormat,
  notEnciphered,
  wrongTextEncoding,
];

interface PinState {
  readonly key: SecretKey | undefined;
  readonly seen: SeenPinBlock;
}

const ofBlock =
  (hypothesis: Hypothesis<SeenPinBlock>): Hypothesis<PinState> =>
  ({ key, seen }) =>
    hypothesis(seen).map((variant): Variant<PinState> => ({ ...variant, state: { key, seen: variant.state } }));

/** Faults of the PIN key. */
const otherPinKey: Hypothesis<PinState> = ({ key, seen }) =>
  key === undefined
    ? []
    : keyVariants(key, 'PIN key').map(({ fault, says, key: variant }) => ({
        fault,
        says,
        state: { key: variant, seen },
      }));

/** Names why a PIN block does not read under a PIN key (none where it is clear) as the PIN of its format and PAN. */
export function diagnosePinBlock(key: SecretKey | undefined, seen: SeenPinBlock): Diagnosis {
  return diagnose<PinState>({
    state: { key, seen },
    fits: (state) => pinBlockFits(state.key, state.seen),
    hypotheses: [...PIN_BLOCK_HYPOTHESES.map(ofBlock), otherPinKey],
    companions: [ofBlock(wrongFormat)],
    chance: (state) => pinBlockChance(state.seen),
  });
}
