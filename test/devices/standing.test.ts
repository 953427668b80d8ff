import { describe, expect, test } from '@jest/globals';
import {
  changeStanding,
  type RecordedChange,
  type Standing,
  type StandingChange,
  type StandingMove,
  type StandingStore,
  standingAfter,
  tokensVoidedBy,
} from '../../src/devices/standing.ts';
import { START, TestClock } from '../support/clock.ts';

const TABLE: readonly [Standing, StandingChange, string][] = [
  ['active', 'suspend', 'suspended'],
  ['active', 'resume', 'DEVICE_NOT_SUSPENDED'],
  ['active', 'revoke', 'revoked'],
  ['active', 'forget', 'DEVICE_NOT_REVOKED'],
  ['suspended', 'suspend', 'suspended'],
  ['suspended', 'resume', 'active'],
  ['suspended', 'revoke', 'revoked'],
  ['suspended', 'forget', 'DEVICE_NOT_REVOKED'],
  ['revoked', 'suspend', 'DEVICE_REVOKED'],
  ['revoked', 'resume', 'DEVICE_REVOKED'],
  ['revoked', 'revoke', 'revoked'],
  ['revoked', 'forget', 'forgotten'],
  ['forgotten', 'suspend', 'DEVICE_FORGOTTEN'],
  ['forgotten', 'resume', 'DEVICE_FORGOTTEN'],
  ['forgotten', 'revoke', 'forgotten'],
  ['forgotten', 'forget', 'forgotten'],
];

describe('a device', () => {
  test.each(TABLE)('that is %s: %s leads to %s', (standing, change, expected) => {
    const after = standingAfter(standing, change);
    expect(after.ok ? after.value : after.reason).toBe(expected);
  });

  test('has its tokens voided where it was active and is no more, and by nothing else', () => {
    const voided = TABLE.flatMap(([before, change]) => {
      const after = standingAfter(before, change);
      const reason = after.ok ? tokensVoidedBy(before, after.value) : null;
      return reason === null ? [] : [[before, change, reason]];
    });
    expect(voided).toEqual([
      ['active', 'suspend', 'DEVICE_SUSPENDED'],
      ['active', 'revoke', 'DEVICE_REVOKED'],
      ['suspended', 'revoke', 'DEVICE_REVOKED'],
    ]);
  });
});

/** One device. */
class OneDevice implements StandingStore {
  readonly moves: StandingMove[] = [];
  readonly #standing: Standing;

  constructor(standing: Standing) {
    this.#standing = standing;
  }

  async move(deviceId: string, decide: Parameters<StandingStore['move']>[1]): ReturnType<StandingStore['move']> {
    if (deviceId !== 'device-1') return null;
    const decided = decide(this.#standing);
    if (!decided.ok) return decided;
    if (decided.value !== null) this.moves.push(decided.value);
    return { ok: true, changed: decided.value !== null };
  }

  async changes(): Promise<readonly RecordedChange[]> {
    return [];
  }
}

describe('a change of standing', () => {
  const change = (standings: StandingStore, what: StandingChange, cause = 'lost', deviceId = 'device-1') =>
    changeStanding({ deviceId, change: what, by: 'ann', cause }, { standings, clock: new TestClock() });

  test('is made with who, why, when and what becomes of the tokens', async () => {
    const device = new OneDevice('active');
    expect(await change(device, 'suspend')).toEqual({ ok: true, value: { changed: true } });
    expect(device.moves).toEqual([
      { to: 'suspended', by: 'ann', cause: 'lost', at: START, revocation: 'DEVICE_SUSPENDED' },
    ]);
  });

  test('that was made before changes nothing', async () => {
    const device = new OneDevice('revoked');
    expect(await change(device, 'revoke')).toEqual({ ok: true, value: { changed: false } });
    expect(device.moves).toEqual([]);
  });

  test.each<[string, () => ReturnType<typeof change>, string]>([
    ['a device that is not there', () => change(new OneDevice('active'), 'revoke', 'lost', 'device-2'), 'NOT_FOUND'],
    ['a step that does not exist', () => change(new OneDevice('revoked'), 'resume'), 'DEVICE_REVOKED'],
    ['a cause too long', () => change(new OneDevice('active'), 'revoke', 'x'.repeat(501)), 'MALFORMED_MESSAGE'],
    ['a cause with NUL', () => change(new OneDevice('active'), 'revoke', 'a\0b'), 'MALFORMED_MESSAGE'],
    ['half a character', () => change(new OneDevice('active'), 'revoke', '\ud800'), 'MALFORMED_MESSAGE'],
  ])('is refused for %s', async (_what, attempt, reason) => {
    expect(await attempt()).toMatchObject({ ok: false, reason });
  });
});
