import type { Random } from '../../ports/random.ts';
import { ok, refuse } from '../../reasons/result.ts';
import type { PaymentResult, PinBlockReason } from '../reason.ts';
import { decipherPin, encipherPin, type PinBlockEnd, type PinBlockFormat } from './encipherment.ts';
import type { Pan } from './pan.ts';

/** When a translation between two formats is allowed. */
export type TranslationRule = 'allowed' | 'same PAN' | 'to a chip' | 'forbidden';

const BOUND: Readonly<Record<PinBlockFormat, TranslationRule>> = {
  0: 'same PAN',
  1: 'forbidden',
  2: 'to a chip',
  3: 'same PAN',
  4: 'same PAN',
};
const UNBOUND: Readonly<Record<PinBlockFormat, TranslationRule>> = {
  0: 'allowed',
  1: 'allowed',
  2: 'to a chip',
  3: 'allowed',
  4: 'allowed',
};
const CHIP: Readonly<Record<PinBlockFormat, TranslationRule>> = {
  0: 'forbidden',
  1: 'forbidden',
  2: 'to a chip',
  3: 'forbidden',
  4: 'forbidden',
};

/** Translation rules of PCI PIN requirement 3-3: from a format (first) to a format (second). */
export const TRANSLATION_RULES: Readonly<Record<PinBlockFormat, Readonly<Record<PinBlockFormat, TranslationRule>>>> = {
  0: BOUND,
  1: UNBOUND,
  2: CHIP,
  3: BOUND,
  4: BOUND,
};

function samePan(from: Pan | undefined, to: Pan | undefined): boolean {
  return from !== undefined && to !== undefined && from.equals(to);
}

/**
 * Says whether a translation of an online PIN is allowed. Refuses with PIN_TRANSLATION_FORBIDDEN a pair of formats that
 * the table forbids, one for a chip card (nothing is sent to a chip here), and a change of PAN.
 */
export function checkTranslation(
  from: Pick<PinBlockEnd, 'format' | 'pan'>,
  to: Pick<PinBlockEnd, 'format' | 'pan'>,
): PaymentResult<true, 'PIN_TRANSLATION_FORBIDDEN'> {
  const rule = TRANSLATION_RULES[from.format][to.format];
  const allowed = rule === 'allowed' || (rule === 'same PAN' && samePan(from.pan, to.pan));
  return allowed ? ok(true) : refuse('PIN_TRANSLATION_FORBIDDEN');
}

/**
 * Translates an enciphered PIN block from one format and key to another in one step; the clear PIN is wiped before it
 * returns. Refuses with PIN_TRANSLATION_FORBIDDEN before anything is deciphered, and as enciphering and deciphering do.
 */
export function translatePin(
  block: Uint8Array,
  from: PinBlockEnd,
  to: PinBlockEnd,
  random: Random,
): PaymentResult<Buffer, PinBlockReason> {
  const allowed = checkTranslation(from, to);
  if (!allowed.ok) return allowed;
  const pin = decipherPin(from, block);
  if (!pin.ok) return pin;
  try {
    return encipherPin(to, pin.value, random);
  } finally {
    pin.value.wipe();
  }
}
