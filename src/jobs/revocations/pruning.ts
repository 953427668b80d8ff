import { secondsAfter } from '../../ports/clock.ts';
import type { RevocationFeed } from '../../tokens/revocation.ts';

/** Entries are kept this long: far beyond the longest life of a token, so that a late verifier misses nothing. */
const KEPT_SECONDS = 86_400;

/** Removes revocations that are older than a day; answers how many. */
export function pruneRevocations(feed: Pick<RevocationFeed, 'prune'>, now: Date): Promise<number> {
  return feed.prune(secondsAfter(now, -KEPT_SECONDS));
}
