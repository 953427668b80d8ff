import type { Reason } from '../reasons/catalogue.ts';
import type { IccData } from './elements.ts';
import { schemeOf } from './scheme.ts';

/** Point-of-service entry mode (9F39, ISO 8583:1987 field 22): contactless chip, contactless in magnetic-stripe mode. */
const CONTACTLESS_CHIP = 0x07;
const CONTACTLESS_STRIPE = 0x91;

/** Dynamic card verification codes for tracks 1 and 2: what a card gives in magnetic-stripe mode (Book C-2 Annex A). */
const STRIPE_CODES = ['9F60', '9F61'] as const;
/** Byte 2 of Mastercard's application interchange profile: EMV mode is supported. */
const EMV_MODE = 0x80;

/**
 * The reason for which the way in which the card was read is not allowed, or null.
 *
 * A read in magnetic-stripe mode carries no cryptogram over the amount, and a PIN may not be entered for one (PCI MPoC):
 * it is refused with and without a PIN. Its signs are the entry mode, a dynamic code of a track, and a Mastercard
 * application that does not support EMV mode. Other entry modes than contactless are refused too.
 */
export function entryModeReason(icc: IccData): Reason | null {
  const mode = icc.get('9F39');
  if (isStripe(icc, mode?.[0])) return 'EMV_MAGNETIC_STRIPE';
  return mode === undefined || mode[0] === CONTACTLESS_CHIP ? null : 'EMV_ENTRY_MODE_NOT_ALLOWED';
}

function isStripe(icc: IccData, mode: number | undefined): boolean {
  if (mode === CONTACTLESS_STRIPE) return true;
  const name = icc.get('84');
  const scheme = name === undefined ? null : schemeOf(name);
  if (scheme !== 'unionpay' && STRIPE_CODES.some((tag) => icc.has(tag))) return true;
  const profile = icc.get('82');
  return scheme === 'mastercard' && profile?.length === 2 && ((profile[1] ?? 0) & EMV_MODE) === 0;
}
