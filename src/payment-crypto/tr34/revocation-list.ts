import type { DerReader } from '../../encoding/der.ts';
import { explicitTag, NO_TAG, TAG } from '../../encoding/der-tag.ts';
import { equalBytes } from '../../encoding/digest.ts';
import { ok, refuse } from '../../reasons/result.ts';
import type { PaymentResult } from '../reason.ts';
import { mayRevoke, type SignedStructure, signedBy, type Tr34Certificate } from './certificate.ts';
import { readAlgorithm, readTime, readTr34 } from './der.ts';

/** Most entries of a revocation list that are read: no host's authority comes near. */
const MOST_ENTRIES = 2000;

interface RevocationList {
  readonly issuer: Buffer;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly revoked: ReadonlySet<string>;
  readonly signed: SignedStructure;
}

/** Extensions of the list or of an entry: one that is critical may change what the list means, and is not understood. */
function skipExtensions(der: DerReader): void {
  const list = der.enter(TAG.SEQUENCE);
  while (!der.atEnd) {
    const extension = der.enter(TAG.SEQUENCE);
    der.skip(TAG.OBJECT_IDENTIFIER);
    if (der.peek() === TAG.BOOLEAN && der.boolean()) der.fail('DER_VALUE_INVALID');
    der.skip(TAG.OCTET_STRING);
    der.leave(extension);
  }
  der.leave(list);
}

function readEntries(der: DerReader): Set<string> {
  const revoked = new Set<string>();
  const list = der.enter(TAG.SEQUENCE);
  while (!der.atEnd) {
    const entry = der.enter(TAG.SEQUENCE);
    revoked.add(der.integer().toString('hex'));
    readTime(der);
    if (der.peek() === TAG.SEQUENCE) skipExtensions(der);
    der.leave(entry);
    if (revoked.size > MOST_ENTRIES) der.fail('DER_TOO_LARGE');
  }
  der.leave(list);
  return revoked;
}

const isTime = (tag: number): boolean => tag === TAG.UTC_TIME || tag === TAG.GENERALIZED_TIME;

function readList(der: DerReader): RevocationList {
  const outer = der.enter(TAG.SEQUENCE);
  const bytes = der.preview(TAG.SEQUENCE);
  const tbs = der.enter(TAG.SEQUENCE);
  if (der.peek() === TAG.INTEGER && der.unsigned() !== 1) der.fail('DER_VALUE_INVALID');
  const inner = readAlgorithm(der);
  const issuer = der.element(TAG.SEQUENCE);
  const thisUpdate = readTime(der);
  const nextUpdate = isTime(der.peek()) ? readTime(der) : Number.NEGATIVE_INFINITY;
  const revoked = der.peek() === TAG.SEQUENCE ? readEntries(der) : new Set<string>();
  if (der.peek() !== NO_TAG) {
    const tagged = der.enter(explicitTag(0));
    skipExtensions(der);
    der.leave(tagged);
  }
  der.leave(tbs);
  const algorithm = readAlgorithm(der);
  const signature = der.wholeBytes();
  der.leave(outer);
  if (!inner.oid.equals(algorithm.oid)) der.fail('DER_VALUE_INVALID');
  return { issuer, thisUpdate, nextUpdate, revoked, signed: { bytes, algorithm, signature } };
}

/**
 * Looks a certificate up in a revocation list of its authority (RFC 5280 5): DER, at most 64 KiB and 2 000 entries. A
 * list without the time of the next one is stale, and a critical extension is not understood. Refuses with
 * TR34_MALFORMED, TR34_CRL, TR34_CRL_STALE or TR34_CERTIFICATE_REVOKED.
 */
export function checkNotRevoked(
  certificate: Tr34Certificate,
  authority: Tr34Certificate,
  list: Uint8Array,
  at: Date,
): PaymentResult<true, 'TR34_MALFORMED' | 'TR34_CRL' | 'TR34_CRL_STALE' | 'TR34_CERTIFICATE_REVOKED'> {
  const read = readTr34(list, readList);
  if (!read.ok) return read;
  const { issuer, thisUpdate, nextUpdate, revoked, signed } = read.value;
  if (!equalBytes(issuer, authority.subject) || !mayRevoke(authority) || !signedBy(signed, authority))
    return refuse('TR34_CRL');
  if (revoked.has(certificate.serialNumber.toString('hex'))) return refuse('TR34_CERTIFICATE_REVOKED');
  const now = at.getTime();
  return now >= thisUpdate && now <= nextUpdate ? ok(true) : refuse('TR34_CRL_STALE');
}
