import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encodeCursor, FEED_BEGINNING, placeOf } from '../../src/tokens/cursor.ts';
import { isMoot, voids } from '../../src/tokens/revocation.ts';
import { START } from '../support/clock.ts';
import { MemoryRevocationFeed } from '../support/revocations.ts';
import { unwrap } from '../support/unwrap.ts';

const at = (seconds: number) => new Date(START.getTime() + seconds * 1000);
const revocation = (deviceId: string, seconds = 0) => ({
  deviceId,
  reason: 'DEVICE_REVOKED' as const,
  revokedAt: at(seconds),
});

let feed: MemoryRevocationFeed;
beforeEach(() => {
  feed = new MemoryRevocationFeed();
});
const publish = (acquirer: string, deviceId: string, seconds = 0) => {
  const entry = feed.publish(acquirer, revocation(deviceId, seconds));
  return { sequence: entry.sequence, entry };
};
const refusal = async (acquirer: string, cursor: string) => {
  const place = await placeOf(acquirer, cursor, feed);
  return place.ok ? null : place.reason;
};

describe('a cursor', () => {
  test('leads back to its place', async () => {
    publish('acme', 'one');
    const place = publish('acme', 'two');
    publish('acme', 'three');
    expect(unwrap(await placeOf('acme', encodeCursor('acme', place), feed))).toEqual(place);
  });

  test('that is empty, or of an empty feed, leads to the beginning', async () => {
    publish('acme', 'one');
    expect(unwrap(await placeOf('acme', '', feed))).toEqual(FEED_BEGINNING);
    expect(unwrap(await placeOf('acme', encodeCursor('acme', FEED_BEGINNING), feed))).toEqual(FEED_BEGINNING);
  });

  test('of another acquirer is refused', async () => {
    publish('acme', 'one');
    publish('umbra', 'one');
    expect(await refusal('umbra', encodeCursor('acme', publish('acme', 'two')))).toBe('REVOCATION_CURSOR_INVALID');
  });

  test('ahead of the feed says that the feed is another one', async () => {
    publish('acme', 'one');
    const restore = feed.backup();
    const cursor = encodeCursor('acme', publish('acme', 'two'));
    restore();
    expect(await refusal('acme', cursor)).toBe('REVOCATION_FEED_RESET');
  });

  test('of a feed that was put back and went on otherwise says so too', async () => {
    publish('acme', 'one');
    const restore = feed.backup();
    const cursor = encodeCursor('acme', publish('acme', 'two', 1));
    restore();
    publish('acme', 'three', 2);
    publish('acme', 'four', 3);
    expect(await refusal('acme', cursor)).toBe('REVOCATION_FEED_RESET');
  });

  test('whose entry is pruned leads to everything that is kept', async () => {
    const old = publish('acme', 'one', -100_000);
    publish('acme', 'two', 0);
    await feed.prune(at(-86_400));
    expect(unwrap(await placeOf('acme', encodeCursor('acme', old), feed))).toEqual(FEED_BEGINNING);
  });

  test('with any bit changed never leads to another place', async () => {
    const cursors = [1, 2, 3, 4].map((n) => encodeCursor('acme', publish('acme', `device-${n}`, n)));
    await fc.assert(
      fc.asyncProperty(fc.nat(3), fc.nat(199), async (which, bit) => {
        const bytes = Buffer.from(cursors[which]!, 'base64url');
        const index = bit >> 3;
        bytes[index] = bytes[index]! ^ (1 << (bit & 7));
        const place = await placeOf('acme', bytes.toString('base64url'), feed);
        if (place.ok) expect(place.value).toEqual(FEED_BEGINNING);
      }),
      { seed: 7 },
    );
  });

  test('of any other text is refused', async () => {
    publish('acme', 'one');
    const good = encodeCursor('acme', publish('acme', 'two'));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string({ maxLength: 60 }), fc.constantFrom(`${good}=`, ` ${good}`, good.slice(1))),
        async (text) => {
          fc.pre(text !== '');
          expect(await refusal('acme', text)).toBe('REVOCATION_CURSOR_INVALID');
        },
      ),
      { seed: 8 },
    );
  });
});

test('a revocation voids the tokens up to its instant, and is moot an hour later', () => {
  const seconds = START.getTime() / 1000;
  expect(voids(revocation('one', 0.5), seconds)).toBe(true);
  expect(voids(revocation('one', 0), seconds)).toBe(true);
  expect(voids(revocation('one', 0.5), seconds + 1)).toBe(false);
  expect(isMoot(revocation('one'), at(3600))).toBe(false);
  expect(isMoot(revocation('one'), at(3600.001))).toBe(true);
});
