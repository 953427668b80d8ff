import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Pruning } from '../../../src/jobs/pruning.ts';
import { RevocationFollower } from '../../../src/jobs/revocations/follower.ts';
import { pruneRevocations } from '../../../src/jobs/revocations/pruning.ts';
import type { PublishedRevocation } from '../../../src/tokens/revocation.ts';
import { ManualTime, settle } from '../../support/manual-time.ts';
import { SeededRandom } from '../../support/random.ts';
import { MemoryRevocationFeed } from '../../support/revocations.ts';

let time: ManualTime;
let feed: MemoryRevocationFeed;
let heard: [string, string][];
let reads: unknown[];
beforeEach(() => {
  time = new ManualTime();
  feed = new MemoryRevocationFeed();
  heard = [];
  reads = [];
});

const followerOf = () =>
  new RevocationFollower({
    feed,
    clock: time,
    timer: time,
    policy: () => ({ revocationPollMilliseconds: 250 }),
    onRevocation: (acquirer, { deviceId }) => heard.push([acquirer, deviceId]),
    onRead: (error) => reads.push(error),
  });
const publish = (acquirer: string, deviceId: string) =>
  feed.publish(acquirer, { deviceId, reason: 'SESSION_ENDED', revokedAt: time.now() });
const devices = (entries: readonly PublishedRevocation[] | null) => entries?.map(({ deviceId }) => deviceId);

describe('the follower', () => {
  test('tells what is published after its start, at the next poll, whichever replica published it', async () => {
    publish('acme', 'before');
    const follower = followerOf();
    await follower.start();
    expect(follower.position('acme').last).toBe(1n);
    publish('acme', 'one');
    publish('new', 'two');
    expect(heard).toEqual([]);
    await time.advance(250);
    expect(heard).toEqual([
      ['acme', 'one'],
      ['new', 'two'],
    ]);
    expect(devices(follower.after('acme', 1n, 10))).toEqual(['one']);
    expect(follower.after('acme', 0n, 10)).toBeNull();
    await follower.stop();
  });

  test('reads once more for all who ask while it reads', async () => {
    const follower = followerOf();
    await follower.start();
    const { heads } = feed.readings;
    await Promise.all(Array.from({ length: 1000 }, () => follower.refresh()));
    expect(feed.readings.heads).toBe(heads + 2);
    await follower.stop();
  });

  test('tells at once what is published before a refresh', async () => {
    const follower = followerOf();
    await follower.start();
    let news = 0;
    const leave = follower.onNews('acme', () => {
      news += 1;
    });
    publish('acme', 'one');
    await follower.refresh();
    expect([heard.length, news]).toEqual([1, 1]);
    leave();
    publish('acme', 'two');
    await follower.refresh();
    expect([heard.length, news]).toEqual([2, 1]);
    await follower.stop();
  });

  test('says as of when it knows: the beginning of the last reading that succeeded', async () => {
    const follower = followerOf();
    feed.failure = new Error('lost');
    await follower.start();
    expect(follower.position('acme').asOf).toBeNull();
    feed.failure = null;
    await time.advance(250);
    const known = time.now();
    expect(follower.position('acme').asOf).toEqual(known);
    feed.failure = new Error('lost');
    await time.advance(1000);
    expect(follower.position('acme').asOf).toEqual(known);
    expect(reads.map((error) => error === null)).toEqual([false, true, false, false, false, false]);
    await follower.stop();
  });

  test('finds a feed that was put back', async () => {
    const follower = followerOf();
    await follower.start();
    publish('acme', 'one');
    const restore = feed.backup();
    publish('acme', 'two');
    await time.advance(250);
    const before = follower.position('acme').resets;
    restore();
    await time.advance(250);
    expect(follower.position('acme')).toMatchObject({ last: 1n, resets: before + 1 });
    publish('acme', 'three');
    await time.advance(250);
    expect(devices(follower.after('acme', 1n, 10))).toEqual(['three']);
    await follower.stop();
  });

  test('keeps a bounded tail', async () => {
    const follower = followerOf();
    await follower.start();
    for (let n = 0; n < 10_000; n += 1) publish('acme', `device-${n}`);
    await time.advance(250);
    await settle();
    expect(heard).toHaveLength(10_000);
    expect(follower.after('acme', 0n, 10)).toBeNull();
    expect(follower.after('acme', 9_999n, 10)).toHaveLength(1);
    expect(follower.after('acme', 5_000n, 10_000)?.length ?? 0).toBeLessThanOrEqual(8192);
    await follower.stop();
  });

  test('polls no more once it is stopped', async () => {
    const follower = followerOf();
    await follower.start();
    await follower.stop();
    expect(time.waiting).toBe(0);
  });
});

/** What may happen to a feed and those who follow it. */
type Step =
  | { readonly kind: 'publish'; readonly count: number }
  | { readonly kind: 'poll' | 'fail' | 'recover' | 'restart' | 'read' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 1500 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('poll' as const, 'read' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('fail' as const, 'recover' as const, 'restart' as const) }),
  },
);

test('whatever happens, one who reads on from his place misses nothing and sees everything in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      time = new ManualTime();
      feed = new MemoryRevocationFeed();
      let follower = followerOf();
      await follower.start();
      const seen: bigint[] = [];
      const readOn = async (): Promise<void> => {
        for (;;) {
          const place = seen.at(-1) ?? 0n;
          const entries = follower.after('acme', place, 700) ?? (await feed.since('acme', place, 700));
          if (entries.length === 0) return;
          seen.push(...entries.map(({ sequence }) => sequence));
        }
      };
      let published = 0;
      for (const one of steps) {
        if (one.kind === 'publish') {
          published += one.count;
          for (let n = 0; n < one.count; n += 1) publish('acme', 'device');
        } else if (one.kind === 'fail') feed.failure = new Error('lost');
        else if (one.kind === 'recover') feed.failure = null;
        else if (one.kind === 'poll') await time.advance(250);
        else if (one.kind === 'restart') {
          await follower.stop();
          follower = followerOf();
          await follower.start();
        } else if (feed.failure === null) await readOn();
      }
      feed.failure = null;
      await follower.refresh();
      await readOn();
      expect(seen).toEqual(Array.from({ length: published }, (_, index) => BigInt(index + 1)));
      await follower.stop();
    }),
    { seed: 11, numRuns: 40 },
  );
});

test('pruning removes what is older than a day, about hourly, and goes on after a failure', async () => {
  const outcomes: unknown[] = [];
  publish('acme', 'old');
  const pruning = new Pruning({
    prune: (now) => pruneRevocations(feed, now),
    clock: time,
    timer: time,
    random: new SeededRandom('pruning'),
    onPruned: (outcome) => outcomes.push('error' in outcome ? 'failed' : outcome.removed),
  });
  pruning.start();
  await time.advance(3_600_000);
  feed.failure = new Error('lost');
  await time.advance(3_600_000);
  feed.failure = null;
  await time.advance(23 * 3_600_000);
  publish('acme', 'young');
  await pruning.stop();
  expect(outcomes[0]).toBe(0);
  expect(outcomes).toContain('failed');
  expect(outcomes.filter((outcome) => outcome === 1)).toHaveLength(1);
  expect(outcomes.length).toBeGreaterThanOrEqual(25);
  expect(time.waiting).toBe(0);
  expect(devices(await feed.since('acme', 0n, 10))).toEqual(['young']);
});
