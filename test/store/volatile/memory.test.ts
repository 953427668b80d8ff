import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { MemoryVolatileStore, VolatileStoreFull } from '../../../src/store/volatile/memory.ts';
import { TestClock } from '../../support/clock.ts';

let clock: TestClock;
let store: MemoryVolatileStore<string>;
beforeEach(() => {
  clock = new TestClock();
  store = new MemoryVolatileStore(clock, 3);
});

const put = (key: string, seconds = 60) =>
  store.putIfAbsent(key, key.toUpperCase(), secondsAfter(clock.now(), seconds));

describe('a value in memory', () => {
  test('is refused room when there is none, and no other value makes room for it', async () => {
    for (const key of ['a', 'b', 'c']) await put(key);
    await expect(put('d')).rejects.toThrow(VolatileStoreFull);
    expect(await put('a')).toBe('A');
    expect(await Promise.all(['a', 'b', 'c'].map((key) => store.get(key)))).toEqual(['A', 'B', 'C']);
    await store.take('b');
    expect(await put('d')).toBe('D');
  });

  test('finds room where others have expired, wherever they stand', async () => {
    await put('a', 600);
    await put('b', 10);
    await put('c', 600);
    clock.advance(10_000);
    expect(await put('d')).toBe('D');
  });

  test('does not stay in memory after its time while others come and go', async () => {
    const held = new MemoryVolatileStore<number>(clock, 1000);
    const putAll = async (from: number) => {
      for (let key = from; key < from + 50; key += 1)
        await held.putIfAbsent(`${key}`, key, secondsAfter(clock.now(), 60));
    };
    await putAll(0);
    clock.advance(30_000);
    await putAll(50);
    expect(held.size).toBe(100);
    clock.advance(30_000);
    await held.putIfAbsent('next', 0, secondsAfter(clock.now(), 60));
    expect(held.size).toBe(51);
  });
});

// Against the obvious model: a map of values and times.
test('every sequence of puts, reads, takes and jumps of the clock ends as in a plain map', async () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd');
  const step = fc.oneof(
    fc.record({ act: fc.constant('put' as const), key, seconds: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ act: fc.constantFrom('get' as const, 'take' as const), key }),
    fc.record({ act: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 3 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      clock = new TestClock();
      store = new MemoryVolatileStore(clock, 3);
      const model = new Map<string, { value: string; until: number }>();
      const now = () => clock.now().getTime();
      const live = (name: string) => {
        const entry = model.get(name);
        return entry !== undefined && entry.until > now() ? entry.value : null;
      };
      for (const [index, happening] of steps.entries()) {
        if (happening.act === 'wait') clock.advance(happening.seconds * 1000);
        else if (happening.act === 'put') {
          const until = secondsAfter(clock.now(), happening.seconds);
          const standing = live(happening.key);
          const full = standing === null && [...model.keys()].filter((name) => live(name) !== null).length >= 3;
          const putting = store.putIfAbsent(happening.key, `${index}`, until);
          if (full) await expect(putting).rejects.toThrow(VolatileStoreFull);
          else expect(await putting).toBe(standing ?? `${index}`);
          if (!full && standing === null) model.set(happening.key, { value: `${index}`, until: until.getTime() });
        } else {
          expect(await store[happening.act](happening.key)).toBe(live(happening.key));
          if (happening.act === 'take') model.delete(happening.key);
        }
      }
    }),
    { seed: 1, numRuns: 300 },
  );
});
