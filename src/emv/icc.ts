import { readTlv, type TlvLimits } from '../encoding/tlv.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { TransactionTerms, TransactionType } from '../sessions/transaction.ts';

/** Bounds of ICC data: what a contactless kernel gives fits many times over. */
const LIMITS: TlvLimits = { maximumBytes: 2048, maximumDepth: 4, maximumElements: 128 };

/** Tags that every payment carries, with their least and greatest length in bytes (EMV Book 3 Annex A). */
const REQUIRED = [
  ['82', 2, 2],
  ['84', 5, 16],
  ['95', 5, 5],
  ['9A', 3, 3],
  ['9C', 1, 1],
  ['5F2A', 2, 2],
  ['9F02', 6, 6],
  ['9F10', 1, 32],
  ['9F1A', 2, 2],
  ['9F26', 8, 8],
  ['9F27', 1, 1],
  ['9F36', 2, 2],
  ['9F37', 4, 4],
] as const;

/** Account data: never in clear. */
const FORBIDDEN = ['56', '57', '5A', '5F20', '5F24', '99', '9F0B', '9F1F', '9F20', '9F6B'] as const;

/** ISO 8583 processing codes that tag 9C begins with. */
const TYPE_CODE: Readonly<Record<TransactionType, string>> = {
  sale: '00',
  refund: '20',
  void: '02',
  'zero-amount': '00',
};

/** The ICC data of one tap, by tag in upper-case hex. */
export type IccData = ReadonlyMap<string, Uint8Array>;

/** Reads ICC data: well formed, complete, each required tag of its length, no account data in clear at any depth. */
export function readIccData(bytes: Uint8Array): Result<IccData> {
  const elements = readTlv(bytes, LIMITS);
  if (!elements.ok) return refuse('EMV_MALFORMED', elements.reason);
  const icc = new Map<string, Uint8Array>();
  const pending = [...elements.value];
  for (let element = pending.pop(); element !== undefined; element = pending.pop()) {
    if ((FORBIDDEN as readonly string[]).includes(element.tag)) return refuse('EMV_TAG_FORBIDDEN', element.tag);
    if (icc.has(element.tag)) return refuse('EMV_MALFORMED', `TLV_DUPLICATE ${element.tag}`);
    icc.set(element.tag, element.value);
    pending.push(...element.children);
  }
  for (const [tag, least, greatest] of REQUIRED) {
    const value = icc.get(tag);
    if (value === undefined) return refuse('EMV_TAG_MISSING', tag);
    if (value.length < least || value.length > greatest) return refuse('EMV_MALFORMED', tag);
  }
  return ok(icc);
}

/** Digits of a numeric (BCD) element, or null where a nibble is no digit or the length is not the expected one. */
function digits(value: Uint8Array | undefined, length: number): string | null {
  if (value === undefined || value.length !== length) return null;
  const text = Buffer.from(value).toString('hex');
  return /^\d+$/.test(text) ? text : null;
}

/** Cryptogram type in 9F27 (EMV Book 3 §6.5.5.4): 00 AAC, the card has declined. */
const CRYPTOGRAM_TYPE = 0xc0;
const DECLINED = 0x00;

/**
 * Compares what the card signed with what the intent says: the card has not declined (9F27), amount (9F02), currency
 * (5F2A), type (9C).
 */
export function compareWithTerms(icc: IccData, terms: TransactionTerms): Result<null> {
  if (((icc.get('9F27')?.[0] ?? DECLINED) & CRYPTOGRAM_TYPE) === DECLINED) return refuse('EMV_CARD_DECLINED');
  const amount = digits(icc.get('9F02'), 6);
  if (amount === null) return refuse('EMV_MALFORMED', '9F02');
  if (BigInt(amount) !== terms.amountMinor) return refuse('EMV_AMOUNT_MISMATCH');
  const currency = digits(icc.get('5F2A'), 2);
  if (currency === null) return refuse('EMV_MALFORMED', '5F2A');
  if (Number(currency) !== terms.currency) return refuse('EMV_CURRENCY_MISMATCH');
  const type = digits(icc.get('9C'), 1);
  if (type === null) return refuse('EMV_MALFORMED', '9C');
  return type === TYPE_CODE[terms.type] ? ok(null) : refuse('EMV_TYPE_MISMATCH');
}
