import type { Logger } from 'pino';
import { RevocationFollower } from '../jobs/revocations/follower.ts';
import { RevocationPruning } from '../jobs/revocations/pruning.ts';
import { systemTimer } from '../jobs/timer.ts';
import type { Presence } from '../sessions/presence.ts';
import type { FeedPolicy } from '../tokens/policy.ts';
import type { FollowedFeeds, RevocationFeed } from '../tokens/revocation.ts';
import { systemClock, systemRandom } from './system.ts';

/** The feeds of revocations as this replica follows and prunes them. */
export interface OpenRevocationFeed {
  readonly followed: FollowedFeeds;
  stop(): Promise<void>;
}

/** Follows the feed: sessions that are open here end when any replica revokes their tokens. */
export async function openRevocationFeed(
  feed: RevocationFeed,
  presence: Presence,
  policy: () => FeedPolicy,
  logger: Logger,
): Promise<OpenRevocationFeed> {
  let failing = false;
  const follower = new RevocationFollower({
    feed,
    clock: systemClock,
    timer: systemTimer,
    policy,
    onRevocation: (_acquirer, { deviceId, revokedAt, reason }) => presence.endIssuedBy(deviceId, revokedAt, reason),
    onRead: (error) => {
      if (error !== null && !failing) logger.error({ err: error }, 'the feed of revocations cannot be read');
      if (error === null && failing) logger.info('the feed of revocations is read again');
      failing = error !== null;
    },
  });
  const pruning = new RevocationPruning({
    feed,
    clock: systemClock,
    timer: systemTimer,
    random: systemRandom,
    onPruned: (outcome) => {
      if ('error' in outcome) logger.warn({ err: outcome.error }, 'revocations not pruned');
      else logger.info({ removed: outcome.removed }, 'revocations pruned');
    },
  });
  await follower.start();
  pruning.start();
  return {
    followed: follower,
    stop: async () => {
      await pruning.stop();
      await follower.stop();
    },
  };
}
