import { ok, type Result, refuse } from '../reasons/result.ts';
import type { IccData } from './elements.ts';
import { type KernelLengths, mismeasuredElement } from './format.ts';
import type { Scheme } from './scheme.ts';

/** What the contactless kernel of a scheme gives, beyond what every kernel gives. */
interface Kernel {
  readonly required: readonly string[];
  /** Tags that would name the cardholder, in this scheme's use of them. */
  readonly forbidden: readonly string[];
  readonly lengths: KernelLengths;
}

/** Terminal and card transaction qualifiers (EMV Contactless Books C-3 and C-7, Annex A). */
const QUALIFIERS: KernelLengths = new Map([
  ['9F66', 4],
  ['9F6C', 2],
]);
const RESULTS: Kernel = { required: ['9F34'], forbidden: [], lengths: new Map() };

/** 9F66 and 9F6C are qualifiers to Visa and UnionPay, and bit maps and a version of stripe mode to Mastercard (Book C-2). */
const KERNELS: Readonly<Record<Scheme, Kernel>> = {
  visa: { required: ['9F66'], forbidden: [], lengths: new Map([...QUALIFIERS, ['9F6E', 4]]) },
  mastercard: {
    ...RESULTS,
    lengths: new Map([
      ['9F66', 2],
      ['9F6C', 2],
    ]),
  },
  'american-express': { ...RESULTS, lengths: new Map([['9F6E', 4]]) },
  jcb: RESULTS,
  discover: RESULTS,
  // 9F61 is the cardholder's identity number in the Chinese specification.
  unionpay: { required: ['9F66'], forbidden: ['9F61'], lengths: QUALIFIERS },
  mir: { ...RESULTS, lengths: new Map([['9F6C', 2]]) },
};

/** The first tag that names the cardholder in this scheme's use of it, or null. */
export function namingElement(icc: IccData, scheme: Scheme): string | null {
  return KERNELS[scheme].forbidden.find((tag) => icc.has(tag)) ?? null;
}

/**
 * Checks what a scheme's own kernel gives: tags that it always gives, tags that would name the cardholder, lengths of
 * tags that mean something else to other schemes. Tags that no rule names are passed on unread.
 */
export function checkKernelElements(icc: IccData, scheme: Scheme): Result<null> {
  const { required, lengths } = KERNELS[scheme];
  const naming = namingElement(icc, scheme);
  if (naming !== null) return refuse('EMV_TAG_FORBIDDEN', naming);
  const missing = required.find((tag) => !icc.has(tag));
  if (missing !== undefined) return refuse('EMV_TAG_MISSING', missing);
  const malformed = mismeasuredElement(icc, lengths);
  return malformed === null ? ok(null) : refuse('EMV_MALFORMED', malformed);
}
