import { beforeEach, describe, expect, test } from '@jest/globals';
import { PolicyFollower } from '../../../src/jobs/policy/follower.ts';
import { ShadowRecorder } from '../../../src/jobs/policy/shadow-recorder.ts';
import type { ShadowCount } from '../../../src/policy/shadow.ts';
import type { PolicyChange } from '../../../src/policy/source.ts';
import type { HeldActivation, PolicySnapshot } from '../../../src/policy/store.ts';
import { canonicalJson, versionOf } from '../../../src/policy/version.ts';
import { START } from '../../support/clock.ts';
import { ManualTime, settle } from '../../support/manual-time.ts';

interface Document {
  readonly name: string;
  readonly staleness: number;
}

const DEVICE = 'phone-1';
const WHO = { deviceId: DEVICE, acquirer: 'acquirer-a', merchant: 'shop-1' };
const POLL = 250;

function held(number: bigint, document: Document, over: Partial<HeldActivation> = {}): HeldActivation {
  const { version } = versionOf(document);
  const by = { by: 'ann', at: START, note: '' };
  const seed = Buffer.alloc(16);
  return {
    number,
    scope: { kind: 'default' },
    mode: 'active',
    version,
    json: canonicalJson(document),
    seed,
    ...by,
    ...over,
  };
}

const FIRST: Document = { name: 'first', staleness: 30 };
const NEXT: Document = { name: 'next', staleness: 5 };

/** A store whose state a test sets, and whose readings it counts, holds up or breaks. */
class TableStore {
  state: PolicySnapshot = { generation: 1n, held: [held(1n, FIRST)], members: [] };
  broken: Error | null = null;
  generations = 0;
  snapshots = 0;
  gate: Promise<void> = Promise.resolve();

  async generation(): Promise<bigint> {
    this.generations += 1;
    await this.gate;
    if (this.broken !== null) throw this.broken;
    return this.state.generation;
  }

  async snapshot(): Promise<PolicySnapshot> {
    this.snapshots += 1;
    await this.gate;
    if (this.broken !== null) throw this.broken;
    return this.state;
  }

  set(...assigned: HeldActivation[]): void {
    this.state = { ...this.state, generation: this.state.generation + 1n, held: assigned };
  }
}

let time: ManualTime;
let store: TableStore;
let parsed: string[];
let readings: unknown[];
let follower: PolicyFollower<Document>;
let changes: PolicyChange<Document>[];

beforeEach(() => {
  time = new ManualTime();
  store = new TableStore();
  parsed = [];
  readings = [];
  changes = [];
  follower = new PolicyFollower<Document>({
    store,
    parse: (json) => {
      parsed.push(json);
      if (json.includes('unreadable')) throw new Error('this program does not know that');
      return JSON.parse(json) as Document;
    },
    distribution: ({ staleness }) => ({ pollMilliseconds: POLL, maximumStalenessSeconds: staleness }),
    monotonic: time.monotonic,
    timer: time,
    onRead: (error) => readings.push(error),
  });
  follower.onChange((change) => changes.push(change));
});

describe('the policy of a replica', () => {
  test('is there once it has started, and not before', async () => {
    expect(() => follower.default()).toThrow(RangeError);
    await follower.start();
    expect(follower.default()).toEqual(versionOf(FIRST));
    expect(follower.for(WHO)).toEqual(versionOf(FIRST));
    expect(follower.isCurrent()).toBe(true);
    expect(changes).toEqual([]);
    await follower.stop();
  });

  test('is none where the store does not answer at the start', async () => {
    store.broken = new Error('away');
    await expect(follower.start()).rejects.toThrow('away');
    expect(time.waiting).toBe(0);
  });

  test('follows at the next poll, and tells what was before and what is now', async () => {
    await follower.start();
    store.set(held(2n, NEXT));
    await time.advance(POLL - 1);
    expect(follower.default().document.name).toBe('first');
    await time.advance(1);
    expect(follower.default().document.name).toBe('next');
    expect(changes.map(({ before, after }) => [before.generation, after.generation])).toEqual([[1n, 2n]]);
    await time.advance(POLL);
    expect(changes).toHaveLength(1);
    expect([store.generations, store.snapshots]).toEqual([2, 2]);
    await follower.stop();
    expect(time.waiting).toBe(0);
  });

  test('is read at once where that is asked for, and again for who asked meanwhile', async () => {
    await follower.start();
    const { promise, resolve } = Promise.withResolvers<void>();
    store.gate = promise;
    const first = follower.refresh();
    store.set(held(2n, NEXT));
    const [second, third] = [follower.refresh(), follower.refresh()];
    expect(second).toBe(third);
    resolve();
    await Promise.all([first, second]);
    expect(follower.default().document.name).toBe('next');
    expect(store.generations).toBe(2);
    await follower.stop();
  });

  test('stays what it was while the store is away, until it is too old', async () => {
    await follower.start();
    store.broken = new Error('away');
    await time.advance(30_000);
    expect(follower.default().document.name).toBe('first');
    expect(follower.isCurrent()).toBe(true);
    await time.advance(1);
    expect(follower.isCurrent()).toBe(false);
    expect(follower.for(WHO).document.name).toBe('first');
    expect(readings.at(-1)).toBe(store.broken);
    store.broken = null;
    await time.advance(POLL);
    expect(follower.isCurrent()).toBe(true);
    expect(readings.at(-1)).toBeNull();
    await follower.stop();
  });

  test('counts its age from before the reading, and by the version in force', async () => {
    await follower.start();
    store.set(held(2n, NEXT));
    await time.advance(POLL);
    store.broken = new Error('away');
    await time.advance(5_000);
    expect(follower.isCurrent()).toBe(true);
    await time.advance(1);
    expect(follower.isCurrent()).toBe(false);
    await follower.stop();
  });

  test('takes nothing of a state that it does not understand, and grows old', async () => {
    await follower.start();
    store.set(held(2n, { name: 'unreadable', staleness: 30 }));
    await time.advance(30_001);
    expect(follower.default().document.name).toBe('first');
    expect(follower.isCurrent()).toBe(false);
    expect(changes).toEqual([]);
    await follower.stop();
  });

  test('takes no document under the name of another', async () => {
    await follower.start();
    store.set(held(2n, NEXT, { version: versionOf(FIRST).version.replace(/^./, 'x') }));
    await follower.refresh();
    expect(follower.default().document.name).toBe('first');
    expect(readings.at(-1)).toBeInstanceOf(RangeError);
    await follower.stop();
  });

  test('parses a document once, however often it is assigned', async () => {
    await follower.start();
    store.set(held(1n, FIRST), held(2n, FIRST, { scope: { kind: 'group', group: 'pilots' } }));
    await follower.refresh();
    store.set(held(1n, FIRST), held(3n, NEXT, { mode: 'shadow' }));
    await follower.refresh();
    expect(parsed).toHaveLength(2);
    expect(follower.state().shadowFor(WHO)?.document.name).toBe('next');
    expect(follower.default().document.name).toBe('first');
    await follower.stop();
  });

  test('knows the members of the groups', async () => {
    const members = ['pilots', 'testers'].map((group) => ({ group, deviceId: DEVICE }));
    const pilots = held(2n, NEXT, { scope: { kind: 'group', group: 'pilots' } });
    store.state = { generation: 5n, held: [held(1n, FIRST), pilots], members };
    await follower.start();
    expect(follower.state().groupsOf(DEVICE)).toEqual(['pilots', 'testers']);
    expect(follower.for(WHO).document.name).toBe('next');
    expect(follower.for({ ...WHO, deviceId: 'phone-2' }).document.name).toBe('first');
    await follower.stop();
  });

  test('tells nobody who has left off', async () => {
    await follower.start();
    const heard: unknown[] = [];
    follower.onChange((change) => heard.push(change))();
    store.set(held(2n, NEXT));
    await follower.refresh();
    expect(heard).toEqual([]);
    expect(changes).toHaveLength(1);
    await follower.stop();
  });

  test('waits at its end for a reading that is under way, and polls no more', async () => {
    await follower.start();
    const { promise, resolve } = Promise.withResolvers<void>();
    store.gate = promise;
    await time.advance(POLL);
    let stopped = false;
    const stopping = follower.stop().then(() => {
      stopped = true;
    });
    await settle();
    expect(stopped).toBe(false);
    resolve();
    await stopping;
    expect(time.waiting).toBe(0);
  });
});

describe('what a candidate would change', () => {
  const COUNT: ShadowCount = {
    candidate: 'v',
    point: 'grant',
    outcome: 'would-refuse',
    rule: 'PATCH_TOO_OLD',
    times: 1,
    phones: [DEVICE],
  };

  function recorderOf(taken: ShadowCount[][], fails = false) {
    const kept: unknown[] = [];
    const failures: unknown[] = [];
    const recorder = new ShadowRecorder({
      shadow: { take: () => taken.shift() ?? [] },
      store: {
        record: async (counts, at) => {
          if (fails) throw new Error('away');
          kept.push([counts, at]);
        },
      },
      clock: time,
      timer: time,
      everyMilliseconds: 1000,
      onFailure: (error) => failures.push(error),
    });
    recorder.start();
    return { recorder, kept, failures };
  }

  test('is kept from time to time, and at the end', async () => {
    const { recorder, kept } = recorderOf([[COUNT], [], [COUNT, COUNT]]);
    await time.advance(999);
    expect(kept).toEqual([]);
    await time.advance(1);
    expect(kept).toEqual([[[COUNT], time.now()]]);
    await time.advance(1000);
    expect(kept).toHaveLength(1);
    await recorder.stop();
    expect(kept).toHaveLength(2);
    expect(time.waiting).toBe(0);
  });

  test('is lost where it cannot be kept, and tried again with what comes later', async () => {
    const { recorder, failures } = recorderOf([[COUNT], [COUNT]], true);
    await time.advance(2000);
    expect(failures).toHaveLength(2);
    await recorder.stop();
  });
});
