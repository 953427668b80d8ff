import { beforeEach, describe, expect, test } from '@jest/globals';
import { KillGuard } from '../../src/devices/kill-guard.ts';
import type { KillSubject, StandingKill } from '../../src/devices/kill-switch.ts';
import { ok, refuse } from '../../src/reasons/result.ts';
import { ManualTime, settle } from '../support/manual-time.ts';

const PHONE: KillSubject = {
  deviceId: 'd1',
  acquirer: 'acme',
  merchant: 'shop',
  application: null,
  osPatchLevel: null,
  attestationKeys: [],
};
const STOPPED: StandingKill = { id: '1', scope: 'everything', selector: { kind: 'acquirer', acquirer: 'acme' } };
const PIN_OFF: StandingKill = { id: '2', scope: 'pin', selector: { kind: 'everyone' } };
const OTHER: StandingKill = { id: '3', scope: 'everything', selector: { kind: 'acquirer', acquirer: 'zen' } };

let time: ManualTime;
let guard: KillGuard;
beforeEach(() => {
  time = new ManualTime();
  guard = new KillGuard({ clock: time, timer: time, monotonic: time.monotonic });
});

const open = (milliseconds = 1000) =>
  guard.extend({ monotonic: time.monotonic() + milliseconds, wall: time.now().getTime() + milliseconds });

describe('a lease', () => {
  test('nothing passes before there is one', () => {
    expect(guard.isOpen).toBe(false);
    expect(guard.reasonAgainst(PHONE, 'any')).toBe('SERVICE_UNAVAILABLE');
  });

  test('all passes until its end, and nothing at its end', async () => {
    open(1000);
    await time.advance(999);
    expect(guard.reasonAgainst(PHONE, 'pin')).toBeNull();
    await time.advance(1);
    expect(guard.reasonAgainst(PHONE, 'pin')).toBe('SERVICE_UNAVAILABLE');
  });

  test('ends by the wall clock where the monotonic one stood still', () => {
    open(1000);
    time.jump(1000);
    expect(guard.isOpen).toBe(false);
  });

  test('ends by the monotonic clock where the wall clock was set back', async () => {
    open(1000);
    time.jump(-60_000);
    await time.advance(1000);
    expect(guard.isOpen).toBe(false);
  });

  test('nothing passes once it is closed', () => {
    open();
    guard.close();
    expect(guard.isOpen).toBe(false);
  });
});

describe('what switches say of a phone', () => {
  beforeEach(() => open());

  test.each([
    [[], 'any', null],
    [[], 'pin', null],
    [[STOPPED], 'any', 'DEVICE_BLOCKED'],
    [[STOPPED], 'pin', 'DEVICE_BLOCKED'],
    [[OTHER], 'any', null],
    [[PIN_OFF], 'any', null],
    [[PIN_OFF], 'pin', 'PIN_OFF'],
    [[OTHER, PIN_OFF], 'pin', 'PIN_OFF'],
    [[PIN_OFF, STOPPED], 'pin', 'DEVICE_BLOCKED'],
    [[PIN_OFF, OTHER], 'any', null],
  ] as const)('%#: %o for %s is %s', (switches, use, reason) => {
    guard.enforce(7n, switches);
    expect(guard.reasonAgainst(PHONE, use)).toBe(reason);
    expect(guard.generation).toBe(7n);
    expect(guard.switches).toBe(switches);
  });

  test('what a switch forbids is not begun', async () => {
    guard.enforce(1n, [STOPPED]);
    let begun = false;
    const work = async () => {
      begun = true;
      return ok(1);
    };
    expect(await guard.within(PHONE, 'any', work)).toEqual(refuse('DEVICE_BLOCKED'));
    expect(begun).toBe(false);
    guard.enforce(2n, []);
    expect(await guard.within(PHONE, 'any', work)).toEqual(ok(1));
  });

  test('it says whether a switch asks for what was attested', () => {
    guard.enforce(1n, [PIN_OFF]);
    expect(guard.asksForAttested).toBe(false);
    guard.enforce(2n, [PIN_OFF, { id: '4', scope: 'pin', selector: { kind: 'os-patch', level: 202601 } }]);
    expect(guard.asksForAttested).toBe(true);
  });
});

describe('the wait for what began before', () => {
  const begin = () => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    return { end: () => resolve('done'), cut: () => reject(new Error('cut off')), ended: guard.passage(() => promise) };
  };
  const drained = () => {
    const state = { is: false };
    void guard.drained().then(() => {
      state.is = true;
    });
    return state;
  };

  test('is over at once where nothing is under way', async () => {
    const wait = drained();
    await settle();
    expect(wait.is).toBe(true);
  });

  test('lasts until the last of it has ended', async () => {
    const [first, second] = [begin(), begin()];
    const wait = drained();
    first.end();
    await settle();
    expect(wait.is).toBe(false);
    second.end();
    await settle();
    expect(wait.is).toBe(true);
  });

  test('does not last for what began after it', async () => {
    const before = begin();
    const wait = drained();
    const after = begin();
    before.end();
    await settle();
    expect(wait.is).toBe(true);
    const second = drained();
    await settle();
    expect(second.is).toBe(false);
    after.end();
    await settle();
    expect(second.is).toBe(true);
  });

  test('a later wait lasts for what an earlier one waits for', async () => {
    const old = begin();
    drained();
    const later = drained();
    await settle();
    expect(later.is).toBe(false);
    old.end();
    await settle();
    expect(later.is).toBe(true);
  });

  test('lasts for what was cut off until it cannot go on any more', async () => {
    const lost = begin();
    const wait = drained();
    lost.cut();
    await expect(lost.ended).rejects.toThrow('cut off');
    await time.advance(9_999);
    expect(wait.is).toBe(false);
    await time.advance(1);
    expect(wait.is).toBe(true);
  });
});
