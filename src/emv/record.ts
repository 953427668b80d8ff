import { tlv } from '../encoding/tlv.ts';
import type { Reason } from '../reasons/catalogue.ts';
import type { Result } from '../reasons/result.ts';
import { type IccData, readIccData } from './icc.ts';
import { namingElement } from './kernel.ts';
import { selectedScheme } from './scheme.ts';

/**
 * Elements of a tap that are kept with a decision, so that it can be judged again: those that a rule looks at, and the
 * inputs of the cryptogram. What no rule names is not kept, for nobody knows what it holds.
 */
const RECORDED: readonly string[] = [
  '4F',
  '5F2A',
  '5F34',
  '82',
  '84',
  '94',
  '95',
  '9A',
  '9C',
  '9F02',
  '9F03',
  '9F06',
  '9F10',
  '9F1A',
  '9F26',
  '9F27',
  '9F33',
  '9F34',
  '9F35',
  '9F36',
  '9F37',
  '9F39',
  '9F66',
  '9F6C',
  '9F6E',
];

/** A tap as it is kept: elements as BER-TLV in a fixed order, or why there are none. */
export type RecordedTap = { readonly emvData: Buffer } | { readonly unreadable: Reason };

/** The ICC data of a tap as it came, beside what was read of it: bytes of a payment are taken apart once. */
export interface ReadTap {
  readonly emvData: Buffer;
  readonly icc: Result<IccData>;
}

/** Reads the ICC data of a tap, whatever is to be said of it. */
export function readTap(emvData: Buffer): ReadTap {
  return { emvData, icc: readIccData(emvData) };
}

/** What is kept of a tap. Data that is malformed, carries account data in clear or names the cardholder leaves its reason only. */
export function recordedTap({ icc }: Pick<ReadTap, 'icc'>): RecordedTap {
  if (!icc.ok) return { unreadable: icc.reason };
  const scheme = selectedScheme(icc.value);
  if (scheme.ok && namingElement(icc.value, scheme.value) !== null) return { unreadable: 'EMV_TAG_FORBIDDEN' };
  const elements: Buffer[] = [];
  for (const tag of RECORDED) {
    const value = icc.value.get(tag);
    if (value !== undefined) elements.push(tlv(tag, value));
  }
  return { emvData: Buffer.concat(elements) };
}
