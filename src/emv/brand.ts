import type { Scheme } from './scheme.ts';

/** Least and greatest first six digits of PANs. */
type Range = readonly [number, number];

const IIN_DIGITS = 6;

/** Issuer identification numbers (ISO/IEC 7812-1) as the schemes have published them to acquirers. */
const RANGES: Readonly<Record<Scheme, readonly Range[]>> = {
  visa: [[400_000, 499_999]],
  mastercard: [
    [222_100, 272_099],
    [510_000, 559_999],
  ],
  'american-express': [
    [340_000, 349_999],
    [370_000, 379_999],
  ],
  jcb: [[352_800, 358_999]],
  // Diners Club's cards carry Discover's application: 300-305, 3095, 36, 38, 39.
  discover: [
    [300_000, 305_999],
    [309_500, 309_599],
    [360_000, 369_999],
    [380_000, 399_999],
    [601_100, 601_199],
    [622_126, 622_925],
    [644_000, 659_999],
  ],
  unionpay: [
    [620_000, 629_999],
    [810_000, 817_199],
  ],
  mir: [[220_000, 220_499]],
};

/** Maestro has an application of its own under Mastercard's provider identifier, and PANs of its own. */
const MAESTRO_APPLICATION = 'a0000000043060';
const MAESTRO: readonly Range[] = [
  [500_000, 509_999],
  [560_000, 589_999],
  [600_000, 699_999],
];

/**
 * U.S. Maestro, the common debit application: debit and prepaid Mastercards of the United States carry it beside Mastercard's own,
 * over one PAN (Mastercard, Choosing Chip Card Profiles for Debit, Prepaid and Credit).
 */
const COMMON_DEBIT_APPLICATION = 'a0000000042203';

/**
 * True where a PAN may belong to the application that the card was selected by: scheme and DF name (84) against the first
 * six digits. `pan` holds one digit a byte, 0 to 9; nothing of it is kept. A PAN of fewer than six digits fits nothing.
 */
export function panFitsApplication(scheme: Scheme, dfName: Uint8Array, pan: Uint8Array): boolean {
  if (pan.length < IIN_DIGITS) return false;
  let issuer = 0;
  for (let at = 0; at < IIN_DIGITS; at += 1) issuer = issuer * 10 + (pan[at] ?? 0);
  return rangesOf(scheme, dfName).some(([least, greatest]) => issuer >= least && issuer <= greatest);
}

function rangesOf(scheme: Scheme, dfName: Uint8Array): readonly Range[] {
  const name = Buffer.from(dfName).toString('hex');
  if (name.startsWith(MAESTRO_APPLICATION)) return MAESTRO;
  return name.startsWith(COMMON_DEBIT_APPLICATION) ? [...RANGES.mastercard, ...MAESTRO] : RANGES[scheme];
}
