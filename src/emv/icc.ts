import { ok, type Result, refuse } from '../reasons/result.ts';
import type { TransactionTerms, TransactionType } from '../sessions/transaction.ts';
import { type IccData, readElements } from './elements.ts';
import { entryModeReason } from './entry-mode.ts';
import { malformedElement } from './format.ts';

export type { IccData } from './elements.ts';

/** Tags that every payment carries, whatever the scheme. */
const REQUIRED = [
  '82',
  '84',
  '95',
  '9A',
  '9C',
  '5F2A',
  '9F02',
  '9F03',
  '9F10',
  '9F1A',
  '9F26',
  '9F27',
  '9F33',
  '9F36',
  '9F37',
] as const;

/** ISO 8583 processing codes that tag 9C begins with. */
const TYPE_CODE: Readonly<Record<TransactionType, string>> = {
  sale: '00',
  refund: '20',
  void: '02',
  'zero-amount': '00',
};

/** Reads the ICC data of a payment: read from a chip without contact, complete, and each known tag of its form. */
export function readIccData(bytes: Uint8Array): Result<IccData> {
  const icc = readElements(bytes);
  if (!icc.ok) return icc;
  const mode = entryModeReason(icc.value);
  if (mode !== null) return refuse(mode);
  const missing = REQUIRED.find((tag) => !icc.value.has(tag));
  if (missing !== undefined) return refuse('EMV_TAG_MISSING', missing);
  const malformed = malformedElement(icc.value);
  return malformed === null ? icc : refuse('EMV_MALFORMED', malformed);
}

/** Digits of a numeric (BCD) element, or null where a nibble is no digit or the length is not the expected one. */
function digits(value: Uint8Array | undefined, length: number): string | null {
  if (value === undefined || value.length !== length) return null;
  const text = Buffer.from(value).toString('hex');
  return /^\d+$/.test(text) ? text : null;
}

/** Cryptogram type in 9F27 (EMV Book 3 6.5.5.4): AAC, the card has declined; TC, approved offline; ARQC, go online. */
const CRYPTOGRAM_TYPE = 0xc0;
const CRYPTOGRAM = { declined: 0x00, approvedOffline: 0x40, online: 0x80 } as const;

function checkCryptogram(icc: IccData): Result<null> {
  const type = (icc.get('9F27')?.[0] ?? CRYPTOGRAM.declined) & CRYPTOGRAM_TYPE;
  if (type === CRYPTOGRAM.declined) return refuse('EMV_CARD_DECLINED');
  if (type === CRYPTOGRAM.approvedOffline) return refuse('EMV_OFFLINE_CRYPTOGRAM');
  return type === CRYPTOGRAM.online ? ok(null) : refuse('EMV_MALFORMED', '9F27');
}

/**
 * Compares what the card signed with what the intent says: the card asks to go online (9F27), amount (9F02) without
 * cashback (9F03), currency (5F2A), type (9C).
 */
export function compareWithTerms(icc: IccData, terms: TransactionTerms): Result<null> {
  const cryptogram = checkCryptogram(icc);
  if (!cryptogram.ok) return cryptogram;
  const amount = digits(icc.get('9F02'), 6);
  if (amount === null) return refuse('EMV_MALFORMED', '9F02');
  if (BigInt(amount) !== terms.amountMinor) return refuse('EMV_AMOUNT_MISMATCH');
  const other = digits(icc.get('9F03'), 6);
  if (other === null) return refuse('EMV_MALFORMED', '9F03');
  if (BigInt(other) !== 0n) return refuse('EMV_AMOUNT_MISMATCH', '9F03');
  const currency = digits(icc.get('5F2A'), 2);
  if (currency === null) return refuse('EMV_MALFORMED', '5F2A');
  if (Number(currency) !== terms.currency) return refuse('EMV_CURRENCY_MISMATCH');
  const type = digits(icc.get('9C'), 1);
  if (type === null) return refuse('EMV_MALFORMED', '9C');
  return type === TYPE_CODE[terms.type] ? ok(null) : refuse('EMV_TYPE_MISMATCH');
}
