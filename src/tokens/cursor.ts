import { canonicalBytes } from '../encoding/canonical.ts';
import { equalBytes, sha256 } from '../encoding/digest.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { PublishedRevocation, RevocationFeed } from './revocation.ts';

/** The form of cursors: a byte, so that another may follow. */
const VERSION = 1;
const TAG_BYTES = 8;
const CURSOR_BYTES = 1 + TAG_BYTES + 8 + TAG_BYTES;

/** A place in one acquirer's feed, and the entry that stands there; null before the first one, or where it is unknown. */
export interface FeedPlace {
  readonly sequence: bigint;
  readonly entry: PublishedRevocation | null;
}

/** Before everything. */
export const FEED_BEGINNING: FeedPlace = { sequence: 0n, entry: null };

function acquirerTag(acquirer: string): Buffer {
  return sha256(canonicalBytes('tapgate/v1/revocation-cursor', acquirer)).subarray(0, TAG_BYTES);
}

function entryTag(entry: PublishedRevocation | null): Buffer {
  if (entry === null) return Buffer.alloc(TAG_BYTES);
  const { sequence, deviceId, reason, revokedAt } = entry;
  const instant = BigInt(revokedAt.getTime());
  return sha256(canonicalBytes('tapgate/v1/revocation-entry', sequence, deviceId, reason, instant)).subarray(
    0,
    TAG_BYTES,
  );
}

/**
 * The cursor of a place: version, tag of the acquirer, sequence number, tag of the entry; base64url. It is no secret and
 * grants nothing: the tags find out cursors of another acquirer, and of a feed that has since become another one.
 */
export function encodeCursor(acquirer: string, { sequence, entry }: FeedPlace): string {
  const number = Buffer.alloc(8);
  number.writeBigUInt64BE(sequence);
  return Buffer.concat([Buffer.from([VERSION]), acquirerTag(acquirer), number, entryTag(entry)]).toString('base64url');
}

function decodeCursor(acquirer: string, cursor: string): { readonly sequence: bigint; readonly tag: Buffer } | null {
  if (cursor.length !== Math.ceil((CURSOR_BYTES * 4) / 3)) return null;
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.length !== CURSOR_BYTES || bytes.toString('base64url') !== cursor || bytes[0] !== VERSION) return null;
  if (!equalBytes(bytes.subarray(1, 1 + TAG_BYTES), acquirerTag(acquirer))) return null;
  return { sequence: bytes.readBigUInt64BE(1 + TAG_BYTES), tag: bytes.subarray(CURSOR_BYTES - TAG_BYTES) };
}

/** Postgres' INT8 ends here; a greater number is none that the feed gave. */
const GREATEST_SEQUENCE = 2n ** 63n - 1n;

/**
 * Where to go on from a cursor; an empty one means everything that is kept. A place whose entry is no longer kept means
 * the same: what was told before may be told again.
 */
export async function placeOf(
  acquirer: string,
  cursor: string,
  feed: Pick<RevocationFeed, 'since' | 'last'>,
): Promise<Result<FeedPlace, 'REVOCATION_CURSOR_INVALID' | 'REVOCATION_FEED_RESET'>> {
  if (cursor === '') return ok(FEED_BEGINNING);
  const decoded = decodeCursor(acquirer, cursor);
  if (decoded === null || decoded.sequence > GREATEST_SEQUENCE) return refuse('REVOCATION_CURSOR_INVALID');
  const { sequence, tag } = decoded;
  if (sequence === 0n) return ok(FEED_BEGINNING);
  if (sequence > (await feed.last(acquirer))) return refuse('REVOCATION_FEED_RESET', 'the cursor is ahead');
  const [entry] = await feed.since(acquirer, sequence - 1n, 1);
  if (entry?.sequence !== sequence) return ok(FEED_BEGINNING);
  if (equalBytes(tag, entryTag(entry))) return ok({ sequence, entry });
  return refuse('REVOCATION_FEED_RESET', 'another entry stands there');
}
