import { describe, expect, test } from '@jest/globals';
import { killProgress, liftKill, setKill } from '../../src/devices/kill-switch-setting.ts';
import type { NewKill, RecordedKill } from '../../src/devices/kill-switch-store.ts';
import { START } from '../support/clock.ts';
import { SeededRandom } from '../support/random.ts';

const recorded = (kill: NewKill, over: Partial<RecordedKill> = {}): RecordedKill => ({
  ...kill,
  generation: 1n,
  setAt: START,
  inForceAt: null,
  lifted: null,
  reached: { replicas: 0, sessions: 0, pinEntries: 0 },
  ...over,
});

const REQUEST = {
  selector: { kind: 'acquirer', acquirer: 'acme' },
  scope: 'everything',
  cause: 'why',
  by: 'ann',
} as const;
const random = new SeededRandom('kill switch');
const set = async (kill: NewKill) => recorded(kill);

describe('setting a switch', () => {
  test('keeps who stops whom, and why', async () => {
    expect(await setKill(REQUEST, { kills: { set }, random })).toMatchObject({ ok: true, value: REQUEST });
  });

  test.each([
    ['', 'cause: say why'],
    ['  ', 'cause: say why'],
    ['a'.repeat(501), 'cause: over 500 characters'],
    ['a\0', 'cause: no text'],
    ['\ud800', 'cause: no text'],
  ])('%#: refuses a cause that is none', async (cause, detail) => {
    const refusal = { ok: false, reason: 'MALFORMED_MESSAGE', detail };
    expect(await setKill({ ...REQUEST, cause }, { kills: { set }, random })).toEqual(refusal);
    expect(await liftKill({ id: '1', cause, by: 'bob' }, { lift: async () => null })).toEqual(refusal);
  });

  test('takes the longest cause', async () => {
    expect(await setKill({ ...REQUEST, cause: 'a'.repeat(500) }, { kills: { set }, random })).toMatchObject({
      ok: true,
    });
  });

  test('refuses a selector that is none', async () => {
    const selector = { kind: 'acquirer', acquirer: '' } as const;
    const answer = await setKill({ ...REQUEST, selector }, { kills: { set }, random });
    expect(answer).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE', detail: 'acquirer' });
  });
});

describe('lifting a switch', () => {
  test('answers it as it then stands, and NOT_FOUND where there is none', async () => {
    const kill = recorded({ ...REQUEST, id: '1' });
    expect(await liftKill({ id: '1', cause: 'over', by: 'bob' }, { lift: async () => kill })).toEqual({
      ok: true,
      value: kill,
    });
    const none = await liftKill({ id: '2', cause: 'over', by: 'bob' }, { lift: async () => null });
    expect(none).toEqual({ ok: false, reason: 'NOT_FOUND', detail: 'kill switch' });
  });
});

describe('how far a switch is enforced', () => {
  const kill = recorded({ ...REQUEST, id: '1' });
  const store = (awaited: readonly { readonly name: string; readonly live: boolean }[]) => {
    const noted: string[] = [];
    const kills = {
      awaited: async () => awaited,
      inForce: async (id: string) => {
        noted.push(id);
        return START;
      },
      kill: async () => ({ ...kill, reached: { replicas: 2, sessions: 5, pinEntries: 1 } }),
    };
    return { noted, kills };
  };

  test('is not in force while a replica is waited for', async () => {
    const awaited = [{ name: 'r1', live: false }];
    const { noted, kills } = store(awaited);
    expect(await killProgress(kill, kills)).toEqual({ kill, awaited });
    expect(noted).toEqual([]);
  });

  test('is in force, and says what it met, once none is', async () => {
    const { noted, kills } = store([]);
    const { kill: now } = await killProgress(kill, kills);
    expect(now).toMatchObject({ inForceAt: START, reached: { replicas: 2, sessions: 5 } });
    expect(noted).toEqual(['1']);
  });

  test.each([
    ['is in force already', { inForceAt: START }],
    ['is lifted', { lifted: { by: 'bob', cause: 'over', at: START } }],
  ])('nobody is asked where it %s', async (_name, over) => {
    const { noted, kills } = store([{ name: 'r1', live: true }]);
    const done = { ...kill, ...over };
    expect(await killProgress(done, kills)).toEqual({ kill: done, awaited: [] });
    expect(noted).toEqual([]);
  });
});
