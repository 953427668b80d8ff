import { describe, expect, test } from '@jest/globals';
import type { SlotKind } from '../../src/keys/kind.ts';
import {
  drainSeconds,
  mayActivate,
  mayRetire,
  nextRotationStep,
  nextStepAt,
  type RotationStart,
} from '../../src/keys/rotation.ts';
import type { KeySlot } from '../../src/keys/slots.ts';
import { SLOT_STATES, type SlotState } from '../../src/keys/state.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { START } from '../support/clock.ts';

const POLICY = { publishSeconds: 300, maximumAgeHours: 720 };
const slot = (kind: SlotKind, state: SlotState, at: Date = START, id: string = state): KeySlot => ({
  id,
  kind,
  state,
  history: [{ state, at, by: 'somebody' }],
});
const later = (seconds: number): Date => secondsAfter(START, seconds);

describe('a prepared key', () => {
  test('that signs is activated once everybody has fetched it: publication and propagation', () => {
    const key = slot('device-token', 'prepared');
    const early = mayActivate(key, POLICY, later(304.999));
    expect(early).toMatchObject({ ok: false, reason: 'KEY_NOT_YET_PUBLISHED', possibleAt: later(305) });
    expect(mayActivate(key, POLICY, later(305))).toEqual({ ok: true, value: null });
  });

  test.each(['bdk-pin', 'zone-data'] as const)(
    'of kind %s, which nobody verifies with, is activated at once',
    (kind) => {
      expect(mayActivate(slot(kind, 'prepared'), POLICY, START)).toEqual({ ok: true, value: null });
    },
  );
});

describe('a draining key', () => {
  test.each<[SlotKind, number]>([
    ['device-token', 3_600],
    ['grant', 900],
    ['receipt', 86_400],
    ['bdk-pin', 720 * 3_600 + 900],
    ['bdk-account-data', 720 * 3_600 + 900],
    ['zone-pin', 0],
  ])('of kind %s is retired after %i seconds', (kind, seconds) => {
    expect(drainSeconds(kind, POLICY)).toBe(seconds);
    const key = slot(kind, 'draining');
    if (seconds > 0) {
      const early = mayRetire(key, POLICY, later(seconds - 1));
      expect(early).toMatchObject({ ok: false, reason: 'KEY_STILL_IN_USE', possibleAt: later(seconds) });
    }
    expect(mayRetire(key, POLICY, later(seconds))).toEqual({ ok: true, value: null });
  });
});

test('a step that was taken may be asked for again; one that the state does not allow is refused', () => {
  for (const state of SLOT_STATES) {
    const [activated, retired] = [mayActivate, mayRetire].map((may) => may(slot('receipt', state), POLICY, later(1e9)));
    expect(activated?.ok).toBe(state === 'prepared' || state === 'active');
    expect(retired?.ok).toBe(state === 'draining' || state === 'retired');
  }
});

test('a slot whose past is older than the record has no next step to wait for', () => {
  expect(nextStepAt({ ...slot('grant', 'active'), history: [] }, POLICY)).toBeNull();
  expect(nextStepAt(slot('grant', 'active'), POLICY)).toBeNull();
});

describe('a rotation', () => {
  const series = { kind: 'receipt' } as const;
  const next = (slots: KeySlot[], now: Date, start: RotationStart = 'if-complete') =>
    nextRotationStep(slots, series, POLICY, now, start);
  const active = slot('receipt', 'active');

  test('begins with a new key, and looks at its own kind alone', () => {
    expect(next([active, slot('grant', 'prepared')], later(1e6))).toEqual({ step: 'generate' });
  });

  test('begins only where it may: never by itself, and while another drains where it is told so', () => {
    const draining = slot('receipt', 'draining');
    expect(next([active], START, 'no')).toEqual({ step: 'complete' });
    expect(next([active, draining], START, 'no')).toMatchObject({ step: 'wait', slot: draining });
    expect(next([active, draining], START, 'if-complete')).toMatchObject({ step: 'wait', slot: draining });
    expect(next([active, draining], START, 'while-draining')).toEqual({ step: 'generate' });
    expect(next([active, slot('receipt', 'prepared')], START, 'while-draining')).toMatchObject({ step: 'wait' });
  });

  test('waits for publication, then activates', () => {
    const prepared = slot('receipt', 'prepared');
    expect(next([active, prepared], START)).toEqual({ step: 'wait', slot: prepared, until: later(305) });
    expect(next([active, prepared], later(305))).toEqual({ step: 'activate', slot: prepared });
  });

  test('waits for what drains, then retires it, one slot at a time', () => {
    const [older, newer] = [
      slot('receipt', 'draining', START, 'older'),
      slot('receipt', 'draining', later(60), 'newer'),
    ];
    expect(next([older, newer, active], later(86_399))).toMatchObject({ step: 'wait', slot: older });
    expect(next([newer, older, active], later(86_400))).toEqual({ step: 'retire', slot: older });
  });

  test('of a prepared key goes before the retirement of another', () => {
    const slots = [slot('receipt', 'draining'), slot('receipt', 'prepared', later(86_400))];
    expect(next(slots, later(86_400))).toMatchObject({ step: 'retire' });
    expect(next(slots, later(86_705))).toMatchObject({ step: 'activate' });
    expect(next([slot('receipt', 'draining', later(86_000)), slots[1]!], later(86_401))).toMatchObject({
      step: 'wait',
      slot: { state: 'prepared' },
    });
  });
});

describe('a draining base derivation key', () => {
  const LONGEST = 720 * 3_600 + 900;
  const draining = slot('bdk-pin', 'draining');
  const resting = (live: number, unsettled: number, id = 'draining') => new Map([[id, { live, unsettled }]]);

  test.each([
    ['nothing rests on', resting(0, 0), 900],
    ['one phone rests on', resting(1, 0), LONGEST],
    ['something of may still come', resting(0, 1), LONGEST],
    ['nothing is known of', new Map(), LONGEST],
    ['another of which nothing rests on', resting(0, 0, 'another'), LONGEST],
  ])('that %s is retired in its time', (_, known, seconds) => {
    expect(nextStepAt(draining, POLICY, known)).toEqual(later(seconds));
    const early = mayRetire(draining, POLICY, later(seconds - 0.001), known);
    expect(early).toMatchObject({ ok: false, reason: 'KEY_STILL_IN_USE', possibleAt: later(seconds) });
    expect(mayRetire(draining, POLICY, later(seconds), known)).toEqual({ ok: true, value: null });
    const next = (at: Date) => nextRotationStep([draining], { kind: 'bdk-pin' }, POLICY, at, 'no', known).step;
    expect(next(later(seconds - 0.001))).toBe('wait');
    expect(next(later(seconds))).toBe('retire');
  });

  test('is the only kind of which a count says anything', () => {
    const receipt = slot('receipt', 'draining');
    expect(nextStepAt(receipt, POLICY, resting(0, 0))).toEqual(later(86_400));
    expect(nextStepAt(slot('bdk-pin', 'active'), POLICY, resting(0, 0, 'active'))).toBeNull();
  });
});
