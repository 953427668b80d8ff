import { describe, expect, test } from '@jest/globals';
import type { SeenKey, SlotStep } from '../../../src/audit/store.ts';
import { KeyWatch } from '../../../src/jobs/audit/key-watch.ts';
import type { ShownSlot } from '../../../src/keys/custody.ts';
import { ok, refuse } from '../../../src/reasons/result.ts';
import { ManualTime } from '../../support/manual-time.ts';

const AT = new Date('2026-01-01T00:00:00Z');
const slot: ShownSlot = {
  id: 'receipt-1',
  kind: 'receipt',
  state: 'active',
  keyCheckValue: '',
  keyId: 'k1',
  bdkId: '',
  history: [
    { state: 'prepared', at: AT, by: 'ann' },
    { state: 'active', at: AT, by: 'bob' },
  ],
};

describe('the watch over keys', () => {
  const world = () => {
    const time = new ManualTime();
    const state = { generation: 1n, down: false, fails: false };
    const noted: { keys: readonly SeenKey[]; steps: readonly SlotStep[] }[] = [];
    const failures: unknown[] = [];
    const watch = new KeyWatch({
      generation: () => state.generation,
      publicKeys: () => [{ keyId: 'k1', purpose: 'receipt', publicKey: Buffer.from('spki') }],
      custody: { listKeys: async () => (state.down ? refuse('VAULT_UNAVAILABLE') : ok([slot])) },
      history: {
        note: async (keys, steps) => {
          if (state.fails) throw new Error('no database');
          noted.push({ keys, steps });
          return 1;
        },
        publishedKeys: async () => [],
      },
      clock: time,
      timer: time,
      onFailure: (error) => failures.push(error),
    });
    return { time, state, noted, failures, watch };
  };

  test('notes keys and steps at its start, and with each change, once', async () => {
    const { time, state, noted, watch } = world();
    await watch.start();
    await time.advance(5000);
    expect(noted).toHaveLength(1);
    expect(noted[0]?.keys).toEqual([{ keyId: 'k1', purpose: 'receipt', publicKey: Buffer.from('spki') }]);
    const step = { slotId: 'receipt-1', kind: 'receipt', acquirer: '', keyId: 'k1', at: AT };
    expect(noted[0]?.steps).toEqual([
      { ...step, number: 1, state: 'prepared', by: 'ann' },
      { ...step, number: 2, state: 'active', by: 'bob' },
    ]);
    state.generation = 2n;
    await time.advance(1000);
    expect(noted).toHaveLength(2);
  });

  test('comes back to what it could not note', async () => {
    const { time, state, noted, failures, watch } = world();
    state.down = true;
    await watch.start();
    state.down = false;
    state.fails = true;
    await time.advance(1000);
    expect([noted.length, failures.length]).toEqual([0, 2]);
    state.fails = false;
    await time.advance(1000);
    expect(noted).toHaveLength(1);
  });

  test('does nothing once it has stopped', async () => {
    const { time, state, noted, watch } = world();
    await watch.start();
    await watch.stop();
    state.generation = 2n;
    await time.advance(5000);
    expect(noted).toHaveLength(1);
  });
});
