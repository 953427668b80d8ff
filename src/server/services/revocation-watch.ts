import {
  TokenRevocationReason,
  type WatchRevocationsRequest,
  type WatchRevocationsResponse,
} from '../../gen/tapgate/v1/device_token_service.ts';
import { type Random, randomFraction } from '../../ports/random.ts';
import { encodeCursor, type FeedPlace, placeOf } from '../../tokens/cursor.ts';
import type { FeedPolicy } from '../../tokens/policy.ts';
import type { FollowedFeeds, PublishedRevocation, RevocationFeed, RevocationReason } from '../../tokens/revocation.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import type { Answers } from '../transport/service.ts';

/** What watching stands on. */
export interface RevocationWatchParts {
  readonly feed: Pick<RevocationFeed, 'since' | 'last'>;
  readonly followed: FollowedFeeds;
  readonly policy: () => FeedPolicy;
  readonly random: Random;
}

/** Entries of one message: about 30 KiB. */
const BATCH = 500;
/** A stream ends well at this age, or up to a tenth before it, so that verifiers spread over replicas anew. */
const LIFETIME_MILLISECONDS = 3_600_000;

/** Bounds of the stream; its own end comes first. */
export const WATCH_LIMITS = {
  maximumLifetimeMilliseconds: LIFETIME_MILLISECONDS + 60_000,
  maximumUnsent: 16,
  sendWithinMilliseconds: 10_000,
};

const REASONS: Readonly<Record<RevocationReason, TokenRevocationReason>> = {
  DEVICE_SUSPENDED: TokenRevocationReason.DEVICE_SUSPENDED,
  DEVICE_REVOKED: TokenRevocationReason.DEVICE_REVOKED,
  SESSION_ENDED: TokenRevocationReason.SESSION_ENDED,
};

/** Tells one watcher what is kept after its cursor, then each revocation as it comes, with a heartbeat in between. */
export async function watchRevocations(
  request: WatchRevocationsRequest,
  acquirer: string,
  answers: Answers<WatchRevocationsResponse>,
  { feed, followed, policy, random }: RevocationWatchParts,
): Promise<void> {
  // The first `as_of` comes of a reading that began after the call: a verifier may count it from when it called.
  await followed.refresh();
  const { resets } = followed.position(acquirer);
  let place = orRefuse(await placeOf(acquirer, request.cursor, feed));
  const news = new News(followed, acquirer, answers.signal);
  const end = performance.now() + LIFETIME_MILLISECONDS * (1 - randomFraction(random) / 10);
  try {
    while (performance.now() < end) {
      if (followed.position(acquirer).resets !== resets) throw new CallRefused(['REVOCATION_FEED_RESET']);
      const known = followed.after(acquirer, place.sequence, BATCH);
      const before = followed.position(acquirer).last;
      const entries = known ?? (await feed.since(acquirer, place.sequence, BATCH));
      place = placeAfter(place, entries, known === null ? before : null);
      const { last, asOf } = followed.position(acquirer);
      const caughtUp = place.sequence >= last;
      await answers.send(messageOf(acquirer, place, entries, caughtUp ? asOf : null, policy()));
      if (caughtUp) await news.wait(policy().heartbeatSeconds * 1000);
    }
  } finally {
    news.end();
  }
}

/** The place of the last entry. Where the store kept none up to what was given `before` it was read, they are moot. */
function placeAfter(place: FeedPlace, entries: readonly PublishedRevocation[], before: bigint | null): FeedPlace {
  const entry = entries.at(-1);
  if (entry !== undefined) return { sequence: entry.sequence, entry };
  return before === null ? place : { sequence: before, entry: null };
}

function messageOf(
  acquirer: string,
  place: FeedPlace,
  entries: readonly PublishedRevocation[],
  asOf: Date | null,
  { heartbeatSeconds, maximumStalenessSeconds }: FeedPolicy,
): WatchRevocationsResponse {
  return {
    entries: entries.map(({ deviceId, revokedAt, reason }) => ({ deviceId, revokedAt, reason: REASONS[reason] })),
    cursor: encodeCursor(acquirer, place),
    asOf: asOf ?? undefined,
    heartbeatSeconds,
    maximumStalenessSeconds,
  };
}

/** News of one acquirer for one watcher: what comes while it sends is not lost. */
class News {
  readonly #signal: AbortSignal;
  readonly #leave: () => void;
  #missed = false;
  #wake: (() => void) | null = null;

  constructor(followed: FollowedFeeds, acquirer: string, signal: AbortSignal) {
    this.#signal = signal;
    this.#leave = followed.onNews(acquirer, this.#tell);
    signal.addEventListener('abort', this.#tell);
  }

  /** Resolves at news, or after the time. Rejects with the cause when the call has ended or the service drains. */
  async wait(milliseconds: number): Promise<void> {
    this.#signal.throwIfAborted();
    if (!this.#missed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = resolve;
      await promise;
      clearTimeout(timer);
      this.#wake = null;
      this.#signal.throwIfAborted();
    }
    this.#missed = false;
  }

  end(): void {
    this.#leave();
    this.#signal.removeEventListener('abort', this.#tell);
  }

  readonly #tell = (): void => {
    this.#missed = true;
    this.#wake?.();
  };
}
