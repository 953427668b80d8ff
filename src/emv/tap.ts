import { ok, type Result, refuse } from '../reasons/result.ts';
import type { TransactionTerms } from '../sessions/transaction.ts';
import type { IccData } from './elements.ts';
import { compareWithTerms, readIccData } from './icc.ts';
import { checkKernelElements } from './kernel.ts';
import { type Scheme, selectedScheme } from './scheme.ts';
import { type CardVerification, cardVerification } from './verification.ts';

/** What the ICC data of a tap says, once it is consistent in itself and with the terms. */
export interface TapEvidence {
  readonly scheme: Scheme;
  /** The terminal's country (9F1A), ISO 3166-1 numeric. */
  readonly country: number;
  readonly verification: CardVerification;
}

const DAY_MILLISECONDS = 86_400_000;

/** YYMMDD in UTC. */
function dayOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(2, 10).replaceAll('-', '');
}

/** True where the transaction date (9A) is today somewhere on Earth: in UTC the day, the day before, or the day after. */
function isOfToday(icc: IccData, now: Date): boolean {
  const date = Buffer.from(icc.get('9A') ?? []).toString('hex');
  return [0, -1, 1].some((days) => dayOf(now.getTime() + days * DAY_MILLISECONDS) === date);
}

/**
 * Appraises the ICC data of one tap (BER-TLV) against the terms of its payment and the time: form, tags, scheme, what the
 * card signed, date, and claims of cardholder verification. Offline data authentication is the terminal's own verdict
 * and counts for nothing here; the cryptogram is the issuer's to verify.
 */
export function appraiseTap(bytes: Uint8Array, terms: TransactionTerms, now: Date): Result<TapEvidence> {
  return appraiseIcc(readIccData(bytes), terms, now);
}

/** As `appraiseTap`, of ICC data that was read already. */
export function appraiseIcc(icc: Result<IccData>, terms: TransactionTerms, now: Date): Result<TapEvidence> {
  if (!icc.ok) return icc;
  const scheme = selectedScheme(icc.value);
  if (!scheme.ok) return scheme;
  const kernel = checkKernelElements(icc.value, scheme.value);
  if (!kernel.ok) return kernel;
  const compared = compareWithTerms(icc.value, terms);
  if (!compared.ok) return compared;
  if (!isOfToday(icc.value, now)) return refuse('EMV_DATE_MISMATCH');
  const verification = cardVerification(icc.value, scheme.value);
  if (!verification.ok) return verification;
  return ok({ scheme: scheme.value, country: countryOf(icc.value), verification: verification.value });
}

/** Of ICC data that was read: two bytes of decimal digits. */
function countryOf(icc: IccData): number {
  return Number(Buffer.from(icc.get('9F1A') ?? []).toString('hex'));
}
