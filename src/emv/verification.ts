import { ok, type Result, refuse } from '../reasons/result.ts';
import type { CardholderVerification } from '../sessions/transaction.ts';
import type { IccData } from './elements.ts';
import type { Scheme } from './scheme.ts';

/**
 * How card and kernel say that the cardholder is verified. `incomplete`: they asked for a verification that did not take
 * place, or that this service does not take: a signature, an offline PIN, a device's word that the scheme's data does not
 * show.
 */
export type CardVerification = CardholderVerification | 'incomplete';

/** Byte 3 of the terminal verification results, 95 (EMV Book 3 C5). */
const TVR = { failed: 0x80, noPinPad: 0x10, pinNotEntered: 0x08, onlinePinEntered: 0x04 } as const;
/** Method in byte 1 of the CVM results, 9F34, without the bit of a fallback rule (EMV Book 3 C3, Book 4 A4). */
const METHOD_BITS = 0x3f;
const METHOD = { device: 0x01, onlinePin: 0x02, notRequired: 0x1f, notPerformed: 0x3f } as const;
/** Byte 3 of the CVM results. */
const RESULT = { failed: 0x01, successful: 0x02 } as const;
/** Byte 2 of the terminal capabilities, 9F33 (EMV Book 4 A2). */
const CAN_ONLINE_PIN = 0x40;
/** Byte 1 of the application interchange profile, 82: on-device cardholder verification (Book C-2). */
const HAS_DEVICE = 0x02;
/** Terminal transaction qualifiers, 9F66, bytes 1 and 2 (Books C-3 and C-7). */
const TTQ = { onlinePin: 0x04, required: 0x40 } as const;
/** Card transaction qualifiers, 9F6C, bytes 1 and 2. */
const CTQ = { onlinePin: 0x80, device: 0x80 } as const;

/** Schemes whose kernel takes the card's qualifiers for an answer, and computes no CVM results. */
const BY_QUALIFIERS: ReadonlySet<Scheme> = new Set<Scheme>(['visa', 'unionpay']);
/** Schemes whose kernel notes an online PIN in the terminal verification results before the card signs them. */
const NOTES_ONLINE_PIN: ReadonlySet<Scheme> = new Set<Scheme>(['mastercard', 'american-express']);

/**
 * True where a card signs, with its application interchange profile, that it is a device which verifies its holder. The
 * qualifiers of Visa and UnionPay are under no cryptogram: a relay can set "device" for a plastic card.
 */
export function signsDeviceClaim(scheme: Scheme): boolean {
  return scheme === 'mastercard';
}

const byteOf = (icc: IccData, tag: string, at: number): number => icc.get(tag)?.[at] ?? 0;
const methodOf = (icc: IccData): number => byteOf(icc, '9F34', 0) & METHOD_BITS;

/**
 * The cardholder verification that card and kernel claim, of ICC data that has the scheme's tags. It is a claim: the
 * card's qualifiers are not authenticated, so whoever relays a tap can set them. Refuses with EMV_CONTRADICTORY and the
 * tag where the claims do not go together.
 */
export function cardVerification(icc: IccData, scheme: Scheme): Result<CardVerification> {
  const claimed = BY_QUALIFIERS.has(scheme) ? byQualifiers(icc) : byResults(icc, scheme);
  if (!claimed.ok) return claimed;
  const pin = claimed.value === 'online-pin';
  const results = byteOf(icc, '95', 2);
  const noted = (results & TVR.onlinePinEntered) !== 0;
  const notEntered = (results & (TVR.noPinPad | TVR.pinNotEntered)) !== 0;
  if (noted && (!pin || notEntered)) return refuse('EMV_CONTRADICTORY', '95');
  if (pin && !noted && NOTES_ONLINE_PIN.has(scheme)) return refuse('EMV_CONTRADICTORY', '95');
  if (pin && (byteOf(icc, '9F33', 1) & CAN_ONLINE_PIN) === 0) return refuse('EMV_CONTRADICTORY', '9F33');
  return notEntered || (results & TVR.failed) !== 0 ? ok('incomplete') : claimed;
}

/** CVM results. Only Mastercard's kernel is known to write a device's verification there, if the application has one. */
function byResults(icc: IccData, scheme: Scheme): Result<CardVerification> {
  const result = byteOf(icc, '9F34', 2);
  if (result === RESULT.failed) return ok('incomplete');
  const method = methodOf(icc);
  if (method === METHOD.onlinePin) return ok('online-pin');
  if (method === METHOD.notRequired || method === METHOD.notPerformed) return ok('none');
  if (method !== METHOD.device || scheme !== 'mastercard') return ok('incomplete');
  const shown = result === RESULT.successful && (byteOf(icc, '82', 0) & HAS_DEVICE) !== 0;
  return shown ? ok('device') : refuse('EMV_CONTRADICTORY', '9F34');
}

/**
 * Qualifiers: nothing is asked where the terminal requires nothing; a PIN goes before the device. CVM results, where a
 * terminal adds them, count for nothing, but may not name another method.
 */
function byQualifiers(icc: IccData): Result<CardVerification> {
  const claimed = qualified(icc);
  const method = methodOf(icc);
  const named = method === METHOD.onlinePin ? 'online-pin' : method === METHOD.device ? 'device' : claimed;
  return named === claimed ? ok(claimed) : refuse('EMV_CONTRADICTORY', '9F34');
}

function qualified(icc: IccData): CardVerification {
  if ((byteOf(icc, '9F66', 1) & TTQ.required) === 0) return 'none';
  const canPin = (byteOf(icc, '9F66', 0) & TTQ.onlinePin) !== 0;
  if (canPin && (byteOf(icc, '9F6C', 0) & CTQ.onlinePin) !== 0) return 'online-pin';
  return (byteOf(icc, '9F6C', 1) & CTQ.device) !== 0 ? 'device' : 'incomplete';
}
