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
  /** Removes what was revoked before an instant; answers how many. */
  prune(before: Date): Promise<number>;
}
