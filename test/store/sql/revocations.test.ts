import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pino from 'pino';
import { RevocationFollower } from '../../../src/jobs/revocations/follower.ts';
import { systemTimer } from '../../../src/jobs/timer.ts';
import { Database } from '../../../src/store/sql/database.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { publishRevocation, SqlRevocationFeed } from '../../../src/store/sql/revocations.ts';
import { encodeCursor, placeOf } from '../../../src/tokens/cursor.ts';
import { START } from '../../support/clock.ts';
import { uniqueId, uniqueName } from '../../support/enrolled.ts';
import { unwrap } from '../../support/unwrap.ts';
import { onEachDatabase, type TestDatabase } from './databases.ts';

const logger = pino({ level: 'silent' });
const clock = { now: () => new Date() };

onEachDatabase('the feed of revocations', (openDatabase) => {
  let opened: TestDatabase;
  let pool: SqlPool;
  let database: Database;
  let feed: SqlRevocationFeed;
  beforeAll(async () => {
    opened = await openDatabase();
    pool = new SqlPool({ address: opened.address, applicationName: 'revocations test' });
    database = new Database(pool, {
      attempts: 50,
      firstDelayMilliseconds: 1,
      longestDelayMilliseconds: 20,
      random: { bytes: (length) => Buffer.alloc(length, 0x55) },
      sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
      onConflict: (attempt) => logger.debug({ attempt }),
    });
    feed = new SqlRevocationFeed(database);
  }, 60_000);
  afterAll(async () => {
    await pool.close();
    await opened.dispose();
  });

  const publish = (acquirer: string, revokedAt = START, reason = 'DEVICE_REVOKED' as const) => {
    const revocation = { deviceId: uniqueId(), reason, revokedAt };
    return database.transaction(async (sql) => publishRevocation(sql, acquirer, revocation)).then(() => revocation);
  };

  test('numbers what many publish at once without a gap, and a reader never overtakes one', async () => {
    const acquirer = uniqueName('acquirer');
    const heard: bigint[] = [];
    const follower = new RevocationFollower({
      feed,
      clock,
      timer: systemTimer,
      policy: () => ({ revocationPollMilliseconds: 5 }),
      onRevocation: (of, { sequence }) => of === acquirer && heard.push(sequence),
    });
    await follower.start();
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let n = 0; n < 10; n += 1) await publish(acquirer);
      }),
    );
    await follower.refresh();
    await follower.stop();
    expect(heard).toEqual(Array.from({ length: 80 }, (_, n) => BigInt(n + 1)));
  }, 60_000);

  test('reads in batches, tells heads, and leads a cursor back', async () => {
    const acquirer = uniqueName('acquirer');
    const published = [await publish(acquirer), await publish(acquirer), await publish(acquirer)];
    const batch = await feed.since(acquirer, 1n, 1);
    expect(batch).toEqual([{ ...published[1], sequence: 2n }]);
    expect([await feed.last(acquirer), (await feed.heads()).get(acquirer)]).toEqual([3n, 3n]);
    expect(await feed.last(uniqueName('acquirer'))).toBe(0n);
    const place = { sequence: 2n, entry: batch[0]! };
    expect(unwrap(await placeOf(acquirer, encodeCursor(acquirer, place), feed))).toEqual(place);
  });

  test('prunes what is old, and counts on', async () => {
    const acquirer = uniqueName('acquirer');
    await publish(acquirer, new Date(START.getTime() - 86_400_001));
    await publish(acquirer);
    expect(await feed.prune(new Date(START.getTime() - 86_400_000))).toBeGreaterThanOrEqual(1);
    await publish(acquirer);
    expect((await feed.since(acquirer, 0n, 10)).map(({ sequence }) => sequence)).toEqual([2n, 3n]);
  });

  test('takes nothing in of a transaction that was undone', async () => {
    const acquirer = uniqueName('acquirer');
    const undone = database.transaction(async (sql) => {
      await publishRevocation(sql, acquirer, { deviceId: uniqueId(), reason: 'SESSION_ENDED', revokedAt: START });
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    expect([await feed.last(acquirer), await feed.since(acquirer, 0n, 10)]).toEqual([0n, []]);
  });
});
