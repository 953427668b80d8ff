import type { DerReader } from '../../encoding/der.ts';
import { TAG } from '../../encoding/der-tag.ts';
import { ok, refuse } from '../../reasons/result.ts';
import type { PaymentResult } from '../reason.ts';
import { OIDS, readTr34 } from './der.ts';
import { randomNumberFits, readSingleOctets } from './random-number.ts';
import type { SignedAttribute } from './signed-data.ts';

/** The signed attributes of a two-pass key token (TR-34:2019 B.9). */
export interface KeyAttributes {
  /** Content of the OBJECT IDENTIFIER. */
  readonly contentType: Buffer;
  readonly digest: Buffer;
  readonly randomNumber: Buffer;
  readonly header: Buffer;
  /** True where they stood in the order of DER. */
  readonly sorted: boolean;
}

function readSingleOid(der: DerReader): Buffer {
  const set = der.enter(TAG.SET);
  const oid = der.content(TAG.OBJECT_IDENTIFIER);
  der.leave(set);
  return oid;
}

/** The one value of an attribute that stands exactly once, or undefined. */
function singleValue(
  attributes: readonly SignedAttribute[],
  oid: Uint8Array,
  read: (der: DerReader) => Buffer,
): Buffer | undefined {
  const [only, ...others] = attributes.filter((attribute) => attribute.oid.equals(oid));
  if (only === undefined || others.length > 0) return undefined;
  const value = readTr34(only.values, read);
  return value.ok ? value.value : undefined;
}

function areSorted(attributes: readonly SignedAttribute[]): boolean {
  return attributes.every(
    ({ encoded }, at) => at === 0 || Buffer.compare(attributes[at - 1]?.encoded ?? encoded, encoded) <= 0,
  );
}

/**
 * Reads content type, message digest, random number and key header, each of which has to stand once; attributes of other
 * identifiers are signed too and are passed over. Refuses with TR34_ATTRIBUTE, with TR34_RANDOM_NUMBER a number of under
 * 8 or over 32 bytes, and with TR34_NOT_SUPPORTED a one-pass token, which has a signing time in the number's place.
 */
export function readKeyAttributes(
  attributes: readonly SignedAttribute[],
): PaymentResult<KeyAttributes, 'TR34_ATTRIBUTE' | 'TR34_RANDOM_NUMBER' | 'TR34_NOT_SUPPORTED'> {
  const has = (oid: Uint8Array): boolean => attributes.some((attribute) => attribute.oid.equals(oid));
  if (!has(OIDS.randomNonce) && has(OIDS.signingTime)) return refuse('TR34_NOT_SUPPORTED', 'one-pass key token');
  const contentType = singleValue(attributes, OIDS.contentType, readSingleOid);
  const digest = singleValue(attributes, OIDS.messageDigest, readSingleOctets);
  const randomNumber = singleValue(attributes, OIDS.randomNonce, readSingleOctets);
  const header = singleValue(attributes, OIDS.data, readSingleOctets);
  if (contentType === undefined) return refuse('TR34_ATTRIBUTE', 'content type');
  if (digest === undefined) return refuse('TR34_ATTRIBUTE', 'message digest');
  if (randomNumber === undefined) return refuse('TR34_ATTRIBUTE', 'random number');
  if (header === undefined) return refuse('TR34_ATTRIBUTE', 'key header');
  if (!randomNumberFits(randomNumber)) return refuse('TR34_RANDOM_NUMBER');
  return ok({ contentType, digest, randomNumber, header, sorted: areSorted(attributes) });
}
