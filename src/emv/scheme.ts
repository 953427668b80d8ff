import { ok, type Result, refuse } from '../reasons/result.ts';
import type { IccData } from './elements.ts';

/** Payment schemes whose cards this service takes. */
export const SCHEMES = ['visa', 'mastercard', 'american-express', 'jcb', 'discover', 'unionpay', 'mir'] as const;

/** A payment scheme whose cards this service takes. */
export type Scheme = (typeof SCHEMES)[number];

/** Length of a registered application provider identifier in bytes (ISO/IEC 7816-5). */
const RID_BYTES = 5;

/** Registered application provider identifiers (ISO/IEC 7816-5), with which each application identifier begins. */
const SCHEME_OF_RID: ReadonlyMap<string, Scheme> = new Map([
  ['A000000003', 'visa'],
  ['A000000004', 'mastercard'],
  ['A000000025', 'american-express'],
  ['A000000065', 'jcb'],
  ['A000000152', 'discover'],
  ['A000000333', 'unionpay'],
  ['A000000658', 'mir'],
]);

const hexOf = (value: Uint8Array): string => Buffer.from(value).toString('hex').toUpperCase();

/** The scheme of an application identifier of 5 to 16 bytes, or null where this service knows none. */
export function schemeOf(applicationId: Uint8Array): Scheme | null {
  return SCHEME_OF_RID.get(hexOf(applicationId.subarray(0, RID_BYTES))) ?? null;
}

/** What card and kernel name the selected application by, beside its DF name (84): ADF name, terminal's identifier. */
const OTHER_NAMES = ['4F', '9F06'] as const;

/**
 * The scheme of the application that was selected, by its DF name (84). An ADF name (4F) and the terminal's application
 * identifier (9F06), where present, are heads of it: selection may be partial (EMV Book 1 12.3.1).
 *
 * Refuses with EMV_TAG_MISSING, EMV_SCHEME_UNKNOWN, and EMV_CONTRADICTORY where the names are of different applications.
 */
export function selectedScheme(icc: IccData): Result<Scheme> {
  const name = icc.get('84');
  if (name === undefined) return refuse('EMV_TAG_MISSING', '84');
  const selected = hexOf(name);
  for (const tag of OTHER_NAMES) {
    const other = icc.get(tag);
    if (other !== undefined && !selected.startsWith(hexOf(other))) return refuse('EMV_CONTRADICTORY', tag);
  }
  const scheme = schemeOf(name);
  return scheme === null ? refuse('EMV_SCHEME_UNKNOWN') : ok(scheme);
}
