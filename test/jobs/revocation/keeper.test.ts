import { describe, expect, test } from '@jest/globals';
import type { StatusListChange } from '../../../src/jobs/revocation/change.ts';
import { ok } from '../../../src/reasons/result.ts';
import { keeping, MemorySnapshots, POLICY, ScriptedSource, START, statusList } from './support/keeping.ts';

const HOUR = 3600;
const serials = (keeper: { current(): { entries: ReadonlyMap<string, unknown> } | null }) => [
  ...(keeper.current()?.entries.keys() ?? []),
];
const changed = ({ listed, unlisted }: StatusListChange) => ({ listed, unlisted });

/** A store that has a list already. */
function storeWith(list: readonly string[], fetchedAt: Date, over: { source?: string; etag?: string } = {}) {
  const snapshots = new MemorySnapshots();
  const { source = 'scripted', etag = null } = over;
  snapshots.stored = { source, list: statusList(list, fetchedAt), etag, maximumAgeSeconds: null };
  return snapshots;
}

describe('before it has started', () => {
  test('there is no list, and nothing is scheduled', () => {
    const { keeper, time } = keeping();
    expect(keeper.current()).toBeNull();
    expect(keeper.status()).toEqual({
      source: 'scripted',
      fetchedAt: null,
      ageSeconds: null,
      entries: 0,
      lastAttemptAt: null,
      lastFailure: null,
      failures: 0,
      nextRefreshAt: null,
      snapshot: 'none',
    });
    expect(time.waiting).toBe(0);
  });

  test('a list may be fetched, once', async () => {
    const { keeper, time } = keeping();
    expect(await keeper.refresh()).toMatchObject({ ok: true, value: { fetchedAt: START, entries: 1 } });
    expect(serials(keeper)).toEqual(['5871']);
    expect(time.waiting).toBe(0);
  });
});

describe('a keeper that starts', () => {
  test('fetches at once where there is no snapshot', async () => {
    const { keeper, pass } = keeping();
    await keeper.start();
    expect(keeper.status().nextRefreshAt).toEqual(START);
    await pass(0);
    expect(serials(keeper)).toEqual(['5871']);
    expect(keeper.status()).toMatchObject({ fetchedAt: START, ageSeconds: 0, entries: 1, snapshot: 'saved' });
  });

  test('has the list of its snapshot before anything is fetched, and fetches when it is due', async () => {
    const fetchedAt = new Date(START.getTime() - 1_800_000);
    const { keeper, source, pass } = keeping({ snapshots: storeWith(['abcd'], fetchedAt) });
    await keeper.start();
    expect(serials(keeper)).toEqual(['abcd']);
    expect(keeper.status()).toMatchObject({ fetchedAt, ageSeconds: 1800, snapshot: 'loaded' });
    await pass(1799);
    expect(source.asked).toHaveLength(0);
    await pass(1);
    expect(serials(keeper)).toEqual(['5871']);
  });

  test('fetches at once where the snapshot is due, and asks by its entity tag', async () => {
    const snapshots = storeWith(['abcd'], new Date(START.getTime() - 86_400_000), { etag: '"one"' });
    const { keeper, source, pass } = keeping({ snapshots });
    await keeper.start();
    await pass(0);
    expect(source.asked.map(({ etag }) => etag)).toEqual(['"one"']);
  });

  test.each([
    ['was changed', 'SEAL_BROKEN'],
    ['cannot be read', 'FILE_IO'],
  ] as const)('has no list where the snapshot %s, and says so', async (_, failure) => {
    const snapshots = new MemorySnapshots();
    snapshots.failure = failure;
    const { keeper } = keeping({ snapshots });
    await keeper.start();
    expect(keeper.current()).toBeNull();
    expect(keeper.status()).toMatchObject({ snapshot: failure, nextRefreshAt: START });
  });

  test('does not take the snapshot of another source', async () => {
    const { keeper } = keeping({ snapshots: storeWith([], START, { source: 'a file for testing' }) });
    await keeper.start();
    expect(keeper.current()).toBeNull();
    expect(keeper.status().snapshot).toBe('SNAPSHOT_OF_ANOTHER_SOURCE');
  });

  test('does not take a snapshot from the future', async () => {
    const { keeper } = keeping({ snapshots: storeWith([], new Date(START.getTime() + 300_001)) });
    await keeper.start();
    expect(keeper.current()).toBeNull();
    expect(keeper.status().snapshot).toBe('SNAPSHOT_AHEAD');
  });

  test('starts once', async () => {
    const { keeper, time } = keeping();
    await Promise.all([keeper.start(), keeper.start()]);
    expect(time.waiting).toBe(1);
  });
});

describe('the next fetch', () => {
  test.each([
    ['as the publisher says', 7200, 2 * HOUR],
    ['not sooner than policy allows', 10, HOUR],
    ['not later than policy allows', 604_800, 6 * HOUR],
    ['soon where the publisher says nothing', null, HOUR],
  ])('comes %s', async (_, maximumAgeSeconds, expected) => {
    const { keeper, source, pass } = keeping();
    source.maximumAgeSeconds = maximumAgeSeconds;
    await keeper.start();
    await pass(0);
    expect(keeper.status().nextRefreshAt).toEqual(new Date(START.getTime() + expected * 1000));
    await pass(expected - 1);
    expect(source.asked).toHaveLength(1);
    await pass(1);
    expect(source.asked).toHaveLength(2);
  });

  test('comes a part sooner, at random', async () => {
    const { keeper, pass } = keeping({ policy: () => ({ ...POLICY, jitterFraction: 0.5 }) });
    await keeper.start();
    await pass(0);
    // The bytes 80 80 80 80 are 0.50196 of the whole.
    const seconds = (keeper.status().nextRefreshAt!.getTime() - START.getTime()) / 1000;
    expect(seconds).toBeCloseTo(HOUR * (1 - 0.5 * 0.50196), 1);
  });

  test('comes after a failure, later with each further one, and as usual after a success', async () => {
    const { keeper, source, pass } = keeping({ source: new ScriptedSource(null) });
    await keeper.start();
    const delays: number[] = [];
    for (let round = 0; round < 8; round += 1) {
      const { lastAttemptAt, nextRefreshAt } = keeper.status();
      delays.push((nextRefreshAt!.getTime() - (lastAttemptAt ?? START).getTime()) / 1000);
      await pass(delays.at(-1)!);
    }
    expect(delays).toEqual([0, 60, 120, 240, 480, 960, 1920, 3600]);
    expect(keeper.status().failures).toBe(8);
    source.serials = [];
    await pass(HOUR);
    expect(keeper.status()).toMatchObject({ failures: 0 });
    expect(keeper.status().nextRefreshAt!.getTime() - keeper.status().lastAttemptAt!.getTime()).toBe(HOUR * 1000);
  });

  test('is put off by one that was asked for', async () => {
    const { keeper, time, pass } = keeping();
    await keeper.start();
    await pass(0);
    time.advance(1000);
    await keeper.refresh();
    expect(time.waiting).toBe(1);
    expect(keeper.status().nextRefreshAt).toEqual(new Date(START.getTime() + 4600_000));
  });
});

describe('a failure', () => {
  test('keeps the list, which grows older, and is told', async () => {
    const { keeper, source, outcomes, pass } = keeping();
    await keeper.start();
    await pass(0);
    source.serials = null;
    source.failure = 'DEADLINE_PASSED';
    await pass(HOUR);
    expect(serials(keeper)).toEqual(['5871']);
    expect(keeper.status()).toMatchObject({
      fetchedAt: START,
      ageSeconds: HOUR,
      failures: 1,
      lastFailure: { reason: 'DEADLINE_PASSED', detail: 'scripted', at: new Date(START.getTime() + HOUR * 1000) },
    });
    expect(outcomes.at(-1)).toEqual({ ok: false, reason: 'DEADLINE_PASSED', detail: 'scripted' });
  });

  test('of the program itself is a refusal, and is tried again', async () => {
    const source = new ScriptedSource([]);
    source.read = () => Promise.reject(new RangeError('secret'));
    const { keeper, time } = keeping({ source });
    await keeper.start();
    time.advance(0);
    expect(await keeper.refresh()).toEqual({ ok: false, reason: 'REFRESH_FAULT', detail: 'RangeError' });
    expect(time.waiting).toBe(1);
  });

  test('of who watches changes nothing', async () => {
    const { keeper } = keeping({
      onRefresh: () => {
        throw new Error('the log is full');
      },
    });
    expect((await keeper.refresh()).ok).toBe(true);
  });

  test('to save the snapshot leaves the list in force, and is told', async () => {
    const { keeper, snapshots } = keeping();
    snapshots.failure = 'FILE_IO';
    expect((await keeper.refresh()).ok).toBe(true);
    expect(serials(keeper)).toEqual(['5871']);
    expect(keeper.status().snapshot).toBe('FILE_IO');
  });
});

describe('a list that is unchanged', () => {
  test('is new again, by its entity tag', async () => {
    const { keeper, source, snapshots, pass } = keeping();
    source.etag = '"one"';
    await keeper.start();
    await pass(0);
    await pass(HOUR);
    const later = new Date(START.getTime() + HOUR * 1000);
    expect(source.asked.map(({ etag }) => etag)).toEqual([null, '"one"']);
    expect(keeper.current()?.fetchedAt).toEqual(later);
    expect(serials(keeper)).toEqual(['5871']);
    expect(snapshots.stored?.list.fetchedAt).toEqual(later);
    expect(snapshots.stored?.etag).toBe('"one"');
  });

  test('stays as new as it was where a cache on the way is older', async () => {
    const { keeper, source, pass } = keeping();
    await keeper.start();
    await pass(0);
    source.ageSeconds = 2 * HOUR;
    await pass(HOUR);
    expect(keeper.status()).toMatchObject({ fetchedAt: START, failures: 0 });
  });

  test('cannot be claimed where there is none', async () => {
    const source = new ScriptedSource([]);
    source.read = async ({ at }) => ok({ kind: 'unchanged', fetchedAt: at, maximumAgeSeconds: null });
    expect(await keeping({ source }).keeper.refresh()).toMatchObject({ ok: false, reason: 'SOURCE_STATUS' });
  });
});

describe('an older list', () => {
  test('does not replace a newer one that lists something else', async () => {
    const { keeper, source, pass } = keeping();
    await keeper.start();
    await pass(0);
    source.serials = [];
    source.ageSeconds = 2 * HOUR;
    await pass(HOUR);
    expect(serials(keeper)).toEqual(['5871']);
    expect(keeper.status().lastFailure?.reason).toBe('LIST_OLDER');
  });

  test('replaces one from the future, which nobody is given', async () => {
    const { keeper, time, source } = keeping();
    await keeper.refresh();
    time.set(new Date(START.getTime() - 86_400_000));
    expect(keeper.current()).toBeNull();
    source.serials = ['abcd'];
    expect((await keeper.refresh()).ok).toBe(true);
    expect(serials(keeper)).toEqual(['abcd']);
  });
});

describe('a change', () => {
  test('is told with what is listed and what is no more', async () => {
    const { keeper, source, changes, pass } = keeping();
    await keeper.start();
    await pass(0);
    source.serials = ['abcd', 'ef01'];
    await pass(HOUR);
    expect(changes.map(changed)).toEqual([
      { listed: ['5871'], unlisted: [] },
      { listed: ['abcd', 'ef01'], unlisted: ['5871'] },
    ]);
    expect(changes.at(-1)?.list).toBe(keeper.current());
  });

  test('is none where the same certificates are listed', async () => {
    const { keeper, changes, pass } = keeping();
    await keeper.start();
    await pass(0);
    await pass(HOUR);
    expect(changes).toHaveLength(1);
  });

  test('is none where the snapshot lists the same', async () => {
    const { keeper, changes, pass } = keeping({ snapshots: storeWith(['5871'], new Date(0)) });
    await keeper.start();
    await pass(0);
    expect(changes).toEqual([]);
  });

  test('is in force before it is told, and saved after', async () => {
    const snapshots = new MemorySnapshots();
    const seen: unknown[] = [];
    const { keeper } = keeping({
      snapshots,
      onChange: async () => {
        seen.push(serials(keeper), snapshots.stored);
      },
    });
    await keeper.refresh();
    expect(seen).toEqual([['5871'], null]);
    expect(snapshots.stored).not.toBeNull();
  });

  test('that was not taken is in force, is not saved, and is told again', async () => {
    const snapshots = storeWith(['abcd'], START);
    const told: unknown[] = [];
    let fails = true;
    const { keeper, source, time } = keeping({
      snapshots,
      onChange: async (change) => {
        told.push(changed(change));
        if (fails) throw new TypeError('the database is away');
      },
    });
    source.etag = '"two"';
    await keeper.start();
    time.set(new Date(START.getTime() + 1000));
    expect(await keeper.refresh()).toEqual({ ok: false, reason: 'CHANGE_NOT_ANNOUNCED', detail: 'TypeError' });
    expect(serials(keeper)).toEqual(['5871']);
    expect([...snapshots.stored!.list.entries.keys()]).toEqual(['abcd']);
    fails = false;
    // Unchanged by its entity tag, and yet nobody has acted on it.
    expect((await keeper.refresh()).ok).toBe(true);
    expect(told).toEqual([
      { listed: ['5871'], unlisted: ['abcd'] },
      { listed: ['5871'], unlisted: ['abcd'] },
    ]);
    expect([...snapshots.stored!.list.entries.keys()]).toEqual(['5871']);
  });
});

describe('at one time', () => {
  test('there is one fetch, which all share', async () => {
    const { keeper, source } = keeping();
    const outcomes = await Promise.all([keeper.refresh(), keeper.refresh(), keeper.refresh()]);
    expect(source.asked).toHaveLength(1);
    expect(new Set(outcomes).size).toBe(1);
  });

  test('a keeper that stops gives up its fetch, keeps its list and schedules nothing', async () => {
    const { keeper, source, time, pass } = keeping();
    await keeper.start();
    await pass(0);
    source.held = new Promise(() => {});
    time.advance(HOUR);
    expect(source.asked).toHaveLength(2);
    await keeper.stop();
    expect(keeper.status()).toMatchObject({ lastFailure: { reason: 'STOPPED' }, nextRefreshAt: null });
    expect(time.waiting).toBe(0);
    expect(serials(keeper)).toEqual(['5871']);
  });

  test('one that has stopped may fetch when it is told to, and start again', async () => {
    const { keeper, time } = keeping();
    await keeper.start();
    await keeper.stop();
    expect((await keeper.refresh()).ok).toBe(true);
    expect(time.waiting).toBe(0);
    await keeper.start();
    expect(time.waiting).toBe(1);
  });
});
