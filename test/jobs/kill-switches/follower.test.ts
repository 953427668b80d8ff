import { beforeEach, describe, expect, test } from '@jest/globals';
import { KillGuard } from '../../../src/devices/kill-guard.ts';
import type { StandingKill } from '../../../src/devices/kill-switch.ts';
import { type KillReach, KillRecordLost } from '../../../src/devices/kill-switch-store.ts';
import { KillSwitchFollower } from '../../../src/jobs/kill-switches/follower.ts';
import type { Reason } from '../../../src/reasons/catalogue.ts';
import type { Directive } from '../../../src/sessions/directive.ts';
import { Presence } from '../../../src/sessions/presence.ts';
import { MemoryKillReplicas } from '../../support/kill-switches.ts';
import { ManualTime, settle } from '../../support/manual-time.ts';
import { phoneSubject } from '../../support/subject.ts';

const ACME: StandingKill = { id: 'k1', scope: 'everything', selector: { kind: 'acquirer', acquirer: 'acme' } };
const ALL_PIN: StandingKill = { id: 'k2', scope: 'pin', selector: { kind: 'everyone' } };

let time: ManualTime;
let store: MemoryKillReplicas;
beforeEach(() => {
  time = new ManualTime();
  store = new MemoryKillReplicas(time.monotonic);
});

/** A replica with its open calls. */
function replicaOf(id = 'r1') {
  const guard = new KillGuard({ clock: time, timer: time, monotonic: time.monotonic });
  const sessions = new Presence();
  const pinEntries = new Presence('PIN_ABORTED');
  const met: KillReach[] = [];
  const looks: unknown[] = [];
  const follower = new KillSwitchFollower({
    store,
    replica: { id, name: id },
    guard,
    time: { clock: time, timer: time, monotonic: time.monotonic },
    sessions,
    pinEntries,
    onEnforced: (_kill, reach) => met.push(reach),
    onLook: (error) => looks.push(error),
  });
  const enter = (presence: Presence, deviceId: string, acquirer: string) => {
    const told: (Reason | Directive)[] = [];
    const handle = {
      end: (reason: Reason) => told.push(reason),
      direct: (directive: Directive) => told.push(directive),
    };
    presence.enter(phoneSubject(deviceId, { acquirer }), handle);
    return told;
  };
  return { guard, sessions, pinEntries, follower, enter, met, looks };
}

describe('a record that is not what it was', () => {
  test('closes the guard at once, and opens it again where the record is whole', async () => {
    store.set(ACME);
    const { guard, follower, looks } = replicaOf();
    await follower.start();
    store.failure = new KillRecordLost();
    await time.advance(200);
    expect([guard.isOpen, looks.at(-1)]).toEqual([false, store.failure]);
    expect(guard.switches).toEqual([ACME]);
    store.failure = null;
    await time.advance(1_200);
    expect(guard.isOpen).toBe(true);
    await follower.stop();
  });

  test('is one whose generation falls', async () => {
    store.set(ACME);
    store.set(ALL_PIN);
    const { guard, follower } = replicaOf();
    await follower.start();
    store.setBack(1n, []);
    await time.advance(200);
    expect([guard.isOpen, guard.switches]).toEqual([false, [ACME, ALL_PIN]]);
    await follower.stop();
  });
});

describe('the start', () => {
  test('enforces what stands before anything passes, and ends nothing', async () => {
    store.set(ACME);
    const { guard, follower, met } = replicaOf();
    await follower.start();
    expect(guard.isOpen).toBe(true);
    expect(guard.generation).toBe(1n);
    expect(guard.reasonAgainst(phoneSubject('d1', { acquirer: 'acme' }), 'any')).toBe('DEVICE_BLOCKED');
    expect(met).toEqual([{ killId: 'k1', sessions: 0, pinEntries: 0 }]);
    await time.advance(1000);
    expect(store.said).toEqual([]);
    expect(store.isInForce(1n)).toBe(true);
    await follower.stop();
  });

  test('rejects where the record cannot be read, and nothing passes', async () => {
    store.failure = new Error('no database');
    const { guard, follower } = replicaOf();
    await expect(follower.start()).rejects.toThrow('no database');
    expect(guard.isOpen).toBe(false);
  });
});

describe('a switch that is set', () => {
  test('is learnt of at the next look, ends what it hits and nothing else, and is said to be enforced', async () => {
    const { follower, sessions, pinEntries, enter } = replicaOf();
    await follower.start();
    const [hit, other] = [enter(sessions, 'd1', 'acme'), enter(sessions, 'd2', 'zen')];
    const [pad, otherPad] = [enter(pinEntries, 'd1', 'acme'), enter(pinEntries, 'd2', 'zen')];
    store.set(ACME);
    await time.advance(199);
    expect(hit).toEqual([]);
    expect(store.isInForce(1n)).toBe(false);
    await time.advance(1);
    expect([hit, pad]).toEqual([['DEVICE_BLOCKED'], ['DEVICE_BLOCKED']]);
    expect([other, otherPad]).toEqual([[], []]);
    expect(store.isInForce(1n)).toBe(true);
    expect(store.said).toEqual([['r1', [{ killId: 'k1', sessions: 1, pinEntries: 1 }]]]);
    await follower.stop();
  });

  test('of PIN entry ends the pads and tells the sessions', async () => {
    const { follower, sessions, pinEntries, enter } = replicaOf();
    await follower.start();
    const [session, pad] = [enter(sessions, 'd1', 'acme'), enter(pinEntries, 'd1', 'acme')];
    store.set(ALL_PIN);
    await follower.refresh();
    expect(session).toEqual([{ kind: 'pin-off', reason: 'PIN_OFF' }]);
    expect(pad).toEqual(['PIN_OFF']);
    await follower.stop();
  });

  test('ends a call once, however many switches come after it', async () => {
    const { follower, sessions, enter } = replicaOf();
    await follower.start();
    const hit = enter(sessions, 'd1', 'acme');
    store.set(ACME);
    await follower.refresh();
    store.set(ALL_PIN);
    await follower.refresh();
    expect(hit.filter((told) => told === 'DEVICE_BLOCKED')).toHaveLength(1);
    await follower.stop();
  });

  test('is not said to be enforced while anything is under way that began before', async () => {
    const { follower, guard } = replicaOf();
    await follower.start();
    const { promise, resolve } = Promise.withResolvers<void>();
    const payment = guard.passage(() => promise);
    store.set(ACME);
    await follower.refresh();
    expect(guard.reasonAgainst(phoneSubject('d1', { acquirer: 'acme' }), 'any')).toBe('DEVICE_BLOCKED');
    await time.advance(3000);
    expect(store.isInForce(1n)).toBe(false);
    resolve();
    await payment;
    await settle();
    expect(store.isInForce(1n)).toBe(true);
    await follower.stop();
  });

  test('that is lifted lets pass again', async () => {
    const { follower, guard } = replicaOf();
    store.set(ACME);
    await follower.start();
    store.lift('k1');
    await follower.refresh();
    expect(guard.reasonAgainst(phoneSubject('d1', { acquirer: 'acme' }), 'any')).toBeNull();
    expect(guard.generation).toBe(2n);
    await follower.stop();
  });
});

describe('a replica that is out of touch', () => {
  test('lets nothing pass from before the end of its lease on', async () => {
    const { follower, guard, looks } = replicaOf();
    await follower.start();
    await time.advance(1000);
    store.failure = new Error('no database');
    const set = store.set(ACME);
    const since = time.monotonic();
    while (guard.isOpen) await time.advance(100);
    expect(time.monotonic() - since).toBeLessThanOrEqual(4_500);
    expect(store.isInForce(set)).toBe(false);
    while (!store.isInForce(set)) await time.advance(100);
    expect(guard.isOpen).toBe(false);
    expect(looks.at(-1)).toBe(store.failure);
    store.failure = null;
    await time.advance(200);
    expect(guard.isOpen).toBe(true);
    expect(guard.generation).toBe(set);
    await follower.stop();
  });

  test('that slept past its lease enforces what was set meanwhile before anything passes', async () => {
    const { follower, guard } = replicaOf();
    await follower.start();
    time.jump(60_000);
    expect(guard.isOpen).toBe(false);
    store.set(ACME);
    await follower.refresh();
    await time.advance(1000);
    expect(guard.isOpen).toBe(true);
    expect(guard.reasonAgainst(phoneSubject('d1', { acquirer: 'acme' }), 'any')).toBe('DEVICE_BLOCKED');
    await follower.stop();
  });
});

describe('the lease', () => {
  test('is renewed every second, and the record looked at every 200 ms', async () => {
    const { follower } = replicaOf();
    await follower.start();
    await time.advance(400);
    store.calls.length = 0;
    await time.advance(4000);
    expect(store.calls.filter((call) => call === 'renew')).toHaveLength(4);
    expect(store.calls.filter((call) => call === 'generation')).toHaveLength(16);
    expect(store.calls).not.toContain('standing');
    await follower.stop();
  });

  test('is given back at the end, once nothing is under way', async () => {
    const { follower, guard } = replicaOf();
    await follower.start();
    await follower.stop();
    expect(guard.isOpen).toBe(false);
    expect(store.replicas.size).toBe(0);
    await time.advance(10_000);
    expect(store.replicas.size).toBe(0);
    expect(time.waiting).toBe(0);
  });

  test('is left to run out where something is still under way', async () => {
    const { follower, guard } = replicaOf();
    await follower.start();
    void guard.passage(() => new Promise(() => {}));
    const stopping = follower.stop();
    await settle();
    await time.advance(1000);
    await stopping;
    expect(store.replicas.size).toBe(1);
    expect(guard.isOpen).toBe(false);
  });

  test('a look serves all that ask for one meanwhile', async () => {
    const { follower } = replicaOf();
    await follower.start();
    await time.advance(400);
    store.calls.length = 0;
    await Promise.all(Array.from({ length: 100 }, () => follower.refresh()));
    expect(store.calls.length).toBeLessThanOrEqual(2);
    await follower.stop();
  });
});
