import { readTlv, type TlvLimits } from '../encoding/tlv.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';

/** Bounds of ICC data: what a contactless kernel gives fits many times over. */
const LIMITS: TlvLimits = { maximumBytes: 2048, maximumDepth: 4, maximumElements: 128 };

/** Account data, names of cardholder and account, PIN data: never in clear. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  '56',
  '57',
  '5A',
  '5F20',
  '5F24',
  '5F53',
  '99',
  '9F0B',
  '9F1F',
  '9F20',
  '9F6B',
  'DF812A',
  'DF812B',
]);

/** The ICC data of one tap, by tag in upper-case hex. */
export type IccData = ReadonlyMap<string, Uint8Array>;

/**
 * Reads ICC data by tag, whatever it says: well-formed BER-TLV within bounds, no account data in clear at any depth, no tag
 * twice at any depth.
 */
export function readElements(bytes: Uint8Array): Result<IccData> {
  const elements = readTlv(bytes, LIMITS);
  if (!elements.ok) return refuse('EMV_MALFORMED', elements.reason);
  const icc = new Map<string, Uint8Array>();
  const pending = [...elements.value];
  for (let element = pending.pop(); element !== undefined; element = pending.pop()) {
    if (FORBIDDEN.has(element.tag)) return refuse('EMV_TAG_FORBIDDEN', element.tag);
    if (icc.has(element.tag)) return refuse('EMV_MALFORMED', `TLV_DUPLICATE ${element.tag}`);
    icc.set(element.tag, element.value);
    pending.push(...element.children);
  }
  return ok(icc);
}
