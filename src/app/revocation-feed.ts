import type { Logger } from 'pino';
import { RevocationFollower } from '../jobs/revocations/follower.ts';
import { pruneRevocations } from '../jobs/revocations/pruning.ts';
import { systemTimer } from '../jobs/timer.ts';
import type { OpenCalls } from '../sessions/presence.ts';
import type { FeedPolicy } from '../tokens/policy.ts';
import type { FollowedFeeds, RevocationFeed } from '../tokens/revocation.ts';
import { startPruning } from './pruning.ts';
import { systemClock } from './system.ts';

/** The feeds of revocations as this replica follows and prunes them. */
export interface OpenRevocationFeed {
  readonly followed: FollowedFeeds;
  stop(): Promise<void>;
}

/** Follows the feed: sessions that are open here end when any replica revokes their tokens. */
export async function openRevocationFeed(
  feed: RevocationFeed,
  presence: Pick<OpenCalls, 'endIssuedBy'>,
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
  await follower.start();
  const pruning = startPruning('revocations', (now) => pruneRevocations(feed, now), logger);
  return {
    followed: follower,
    stop: async () => {
      await pruning.stop();
      await follower.stop();
    },
  };
}
