import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { InitialKeyIdSource } from '../../src/injection/initial-key-ids.ts';
import type { InitialKeyIds, KeySetStore } from '../../src/injection/key-set.ts';
import { MemoryStores } from '../support/stores.ts';

const BDK_IDS = { pin: Buffer.from('0a0a0a0a', 'hex'), accountData: Buffer.from('0b0b0b0b', 'hex') };
const lost = new Error('store unavailable');

/** Leases of which some fail: before anything is leased, or after, with the answer lost. */
function unsteady(keySets: KeySetStore, fails: (lease: number) => 'before' | 'after' | 'never'): KeySetStore {
  let lease = 0;
  return {
    ...keySets,
    leaseDerivationIds: async (bdkId, count) => {
      const when = fails(lease++);
      if (when === 'before') throw lost;
      const first = await keySets.leaseDerivationIds(bdkId, count);
      if (when === 'after') throw lost;
      return first;
    },
  };
}

describe('initial key identifiers', () => {
  test('are the BDK id and the next derivation id of its range', async () => {
    const source = new InitialKeyIdSource(new MemoryStores().keySets, () => BDK_IDS);
    for (const id of ['00000000', '00000001']) {
      expect(await source.next()).toEqual({
        pin: Buffer.from(`0a0a0a0a${id}`, 'hex'),
        accountData: Buffer.from(`0b0b0b0b${id}`, 'hex'),
      });
    }
  });

  // Waves of callers at once, over several sources (replicas, or one that was started again), while leases fail.
  test('are never given twice, whoever asks, however many at once, and whichever leases fail', async () => {
    const failure = fc.constantFrom<'before' | 'after' | 'never'>('before', 'after', 'never', 'never');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 90 })), { minLength: 1, maxLength: 6 }),
        fc.infiniteStream(failure),
        async (waves, failures) => {
          const { keySets } = new MemoryStores();
          const store = unsteady(keySets, () => failures.next().value ?? 'never');
          const sources = [0, 1, 2].map(() => new InitialKeyIdSource(store, () => BDK_IDS));
          const asked = waves.flatMap(([source, times]) =>
            Array.from({ length: times }, () => sources[source]!.next()),
          );
          const answers = await Promise.allSettled(asked);
          const ids = answers.flatMap((answer) => {
            if (answer.status === 'fulfilled') return answer.value === null ? [] : Object.values(answer.value);
            expect(answer.reason).toBe(lost);
            return [];
          });
          const texts = ids.map((id: Buffer) => id.toString('hex'));
          expect(new Set(texts).size).toBe(texts.length);
          expect(texts.every((text) => /^0[ab]0[ab]0[ab]0[ab]/.test(text))).toBe(true);
        },
      ),
      { seed: 5, numRuns: 100 },
    );
  });

  test('cost no more leases than they need, however many ask at once', async () => {
    const { keySets } = new MemoryStores();
    const source = new InitialKeyIdSource(keySets, () => BDK_IDS);
    await Promise.all(Array.from({ length: 200 }, () => source.next()));
    // 200 ids are in four ranges of 64; the next lease begins after them.
    expect(await keySets.leaseDerivationIds(BDK_IDS.pin, 1)).toBe(256);
  });

  test('are given again after a lease has failed: an outage does not last until a restart', async () => {
    const store = unsteady(new MemoryStores().keySets, (lease) => (lease === 0 ? 'before' : 'never'));
    const source = new InitialKeyIdSource(store, () => BDK_IDS);
    await expect(Promise.all([source.next(), source.next()])).rejects.toBe(lost);
    expect(await source.next()).not.toBeNull();
  });

  const derivationIds = (ids: InitialKeyIds | null) =>
    ids && [ids.pin.readUInt32BE(4), ids.accountData.readUInt32BE(4)];

  test('that the vault takes for used are given up with the rest of their ranges, once', async () => {
    const source = new InitialKeyIdSource(new MemoryStores().keySets, () => BDK_IDS);
    const [first, second] = [await source.next(), await source.next()];
    source.refused(first!);
    source.refused(second!);
    expect(derivationIds(await source.next())).toEqual([64, 64]);
    // A late refusal of what was given up already costs nothing.
    source.refused(first!);
    expect(derivationIds(await source.next())).toEqual([65, 65]);
  });

  test('of another replica are left alone: their refusal gives nothing up here', async () => {
    const { keySets } = new MemoryStores();
    const [here, there] = [0, 1].map(() => new InitialKeyIdSource(keySets, () => BDK_IDS));
    expect(derivationIds(await here!.next())).toEqual([0, 0]);
    const theirs = await there!.next();
    expect(derivationIds(theirs)).toEqual([64, 64]);
    here!.refused(theirs!);
    expect(derivationIds(await here!.next())).toEqual([1, 1]);
  });

  test('that are refused range after range pass ever more leases over, until one is accepted', async () => {
    const source = new InitialKeyIdSource(new MemoryStores().keySets, () => BDK_IDS);
    const firsts: number[] = [];
    for (let refusal = 0; refusal < 6; refusal += 1) {
      const ids = (await source.next())!;
      firsts.push(ids.pin.readUInt32BE(4) / 64);
      source.refused(ids);
    }
    expect(firsts).toEqual([0, 1, 3, 6, 11, 20]);
    const ids = (await source.next())!;
    expect(derivationIds(ids)).toEqual([37 * 64, 37 * 64]);
    source.accepted(ids);
    source.refused(ids);
    expect(derivationIds(await source.next())).toEqual([38 * 64, 38 * 64]);
  });

  test('pass no more than 4096 leases over at once, and none where so many are not left', async () => {
    const { keySets } = new MemoryStores();
    const source = new InitialKeyIdSource(keySets, () => BDK_IDS);
    let before = 0;
    const steps: number[] = [];
    for (let refusal = 0; refusal < 17; refusal += 1) {
      const ids = (await source.next())!;
      const lease = ids.pin.readUInt32BE(4) / 64;
      steps.push(lease - before);
      before = lease;
      source.refused(ids);
    }
    expect(steps.slice(-4)).toEqual([2049, 4097, 4097, 4097]);
    await keySets.leaseDerivationIds(BDK_IDS.pin, 2 ** 32 - 64 - (before + 1) * 64);
    await keySets.leaseDerivationIds(BDK_IDS.accountData, 2 ** 32 - 64 - (before + 1) * 64);
    expect(derivationIds(await source.next())).toEqual([2 ** 32 - 64, 2 ** 32 - 64]);
  });

  test('end with the last derivation id of a BDK', async () => {
    const { keySets } = new MemoryStores();
    await keySets.leaseDerivationIds(BDK_IDS.pin, 2 ** 32 - 64);
    const source = new InitialKeyIdSource(keySets, () => BDK_IDS);
    const ids = [];
    for (let count = 0; count < 64; count += 1) ids.push(await source.next());
    expect(ids.at(-1)?.pin.toString('hex')).toBe('0a0a0a0affffffff');
    expect(await source.next()).toBeNull();
    expect(await source.next()).toBeNull();
  });

  test('of a BDK that has none left are asked for once a request', async () => {
    const { keySets } = new MemoryStores();
    await keySets.leaseDerivationIds(BDK_IDS.pin, 2 ** 32);
    const asked: number[] = [];
    const counting: KeySetStore = {
      ...keySets,
      leaseDerivationIds: (bdkId, count) => {
        if (bdkId.equals(BDK_IDS.pin)) asked.push(count);
        return keySets.leaseDerivationIds(bdkId, count);
      },
    };
    expect(await new InitialKeyIdSource(counting, () => BDK_IDS).next()).toBeNull();
    expect(asked).toEqual([64]);
  });
});
