import { tlv } from '../encoding/tlv.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { readIccData } from './icc.ts';

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

/** What is kept of the ICC data of a tap. Data that is malformed or carries account data in clear leaves its reason only. */
export function recordedTap(emvData: Uint8Array): RecordedTap {
  const icc = readIccData(emvData);
  if (!icc.ok) return { unreadable: icc.reason };
  const elements = RECORDED.flatMap((tag) => {
    const value = icc.value.get(tag);
    return value === undefined ? [] : [tlv(tag, value)];
  });
  return { emvData: Buffer.concat(elements) };
}
