import { MAXIMUM_TOKEN_SECONDS } from './claims.ts';

/** Why the tokens of a phone count no longer. */
export type RevocationReason = 'DEVICE_SUSPENDED' | 'DEVICE_REVOKED' | 'SESSION_ENDED';

/**
 * Every token of the device that was issued at or before `revokedAt` is void. Tokens issued later are not: whatever
 * lifts a suspension asks for a new attestation first. An entry is moot once the longest-lived token of its instant has
 * expired, so that neither the feed nor a verifier has to keep it for ever.
 */
export interface Revocation {
  readonly deviceId: string;
  readonly reason: RevocationReason;
  readonly revokedAt: Date;
}

/** Whether a revocation voids a token that was issued at `iat`, in seconds since the epoch. */
export function voids(revocation: Pick<Revocation, 'revokedAt'>, iat: number): boolean {
  return iat * 1000 <= revocation.revokedAt.getTime();
}

/** The earliest instant of issue that a revocation does not void: tokens state whole seconds. */
export function firstIssueAfter(revokedAt: Date): Date {
  return new Date((Math.floor(revokedAt.getTime() / 1000) + 1) * 1000);
}

/** Whether every token that a revocation voids has expired. */
export function isMoot(revocation: Pick<Revocation, 'revokedAt'>, now: Date): boolean {
  return now.getTime() - revocation.revokedAt.getTime() > MAXIMUM_TOKEN_SECONDS * 1000;
}

/** A revocation at its place in the feed of one acquirer. Sequence numbers rise by one, in the order of commits. */
export interface PublishedRevocation extends Revocation {
  readonly sequence: bigint;
}

/** The durable feed of revocations, one an acquirer. */
export interface RevocationFeed {
  /** What was published after this sequence number (0n: everything that is kept), oldest first. */
  since(acquirer: string, sequence: bigint, limit: number): Promise<readonly PublishedRevocation[]>;
  /** The last sequence number that was given; 0n where none was. */
  last(acquirer: string): Promise<bigint>;
  /** The last sequence number of every acquirer that has one. */
  heads(): Promise<ReadonlyMap<string, bigint>>;
  /** Removes what was revoked before an instant; answers how many. */
  prune(before: Date): Promise<number>;
}

/** Where one acquirer's feed stands, as this process knows it. */
export interface FeedPosition {
  readonly last: bigint;
  /** Everything that was revoked before this instant is at or before `last`; null where nothing was read yet. */
  readonly asOf: Date | null;
  /** Rises when the feed is found behind what it was: the database was restored, and cursors mean nothing any more. */
  readonly resets: number;
}

/** The feeds as one process follows them, for all who watch in it. */
export interface FollowedFeeds {
  position(acquirer: string): FeedPosition;
  /** What follows a sequence number, oldest first; null where that is no longer in memory and has to be read. */
  after(acquirer: string, sequence: bigint, limit: number): readonly PublishedRevocation[] | null;
  /** Resolves once the feeds were read, or tried, by a reading that began after this call. Never rejects. */
  refresh(): Promise<void>;
  /** Tells of each change of an acquirer's position but for `asOf`; the answer ends it. */
  onNews(acquirer: string, tell: () => void): () => void;
}
