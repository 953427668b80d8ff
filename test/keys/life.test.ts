import { describe, expect, test } from '@jest/globals';
import type { SlotKind } from '../../src/keys/kind.ts';
import { mayActivate, mayRetire, nextRotationStep, nextStepAt } from '../../src/keys/rotation.ts';
import { type KeySlot, planChange, planGeneration, sinceOf } from '../../src/keys/slots.ts';
import { type SlotState, useOf } from '../../src/keys/state.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { START } from '../support/clock.ts';

const POLICY = { publishSeconds: 300, maximumAgeHours: 720 };

const slot = (kind: SlotKind, state: SlotState, entered: readonly SlotState[] = [state]): KeySlot => ({
  id: state,
  kind,
  state,
  history: entered.map((one) => ({ state: one, at: START, by: 'somebody' })),
});

describe('a slot whose present state is older than the record', () => {
  test.each<[SlotState, readonly SlotState[]]>([
    ['prepared', []],
    ['draining', []],
    ['draining', ['prepared', 'active']],
  ])('%s, with the record of %j, was there before anybody asks', (state, entered) => {
    const old = slot('receipt', state, entered);
    expect(sinceOf(old)).toBeNull();
    expect(nextStepAt(old, POLICY)).toBeNull();
    const may = state === 'prepared' ? mayActivate : mayRetire;
    expect(may(old, POLICY, START)).toEqual({ ok: true, value: null });
    const step = state === 'prepared' ? 'activate' : 'retire';
    expect(nextRotationStep([old], { kind: 'receipt' }, POLICY, START, 'no')).toEqual({ step, slot: old });
  });
});

describe('a step out of turn', () => {
  test.each<[SlotState]>([['draining'], ['retired'], ['destroyed'], ['compromised']])(
    'from %s to active is refused for the state',
    (state) => {
      expect(mayActivate(slot('receipt', state), POLICY, secondsAfter(START, 1e9))).toMatchObject({
        ok: false,
        reason: 'KEY_STATE_NOT_ALLOWED',
      });
    },
  );

  test.each<[SlotState]>([['prepared'], ['active'], ['destroyed'], ['compromised']])(
    'from %s to retired is refused for the state',
    (state) => {
      expect(mayRetire(slot('receipt', state), POLICY, secondsAfter(START, 1e9))).toMatchObject({
        ok: false,
        reason: 'KEY_STATE_NOT_ALLOWED',
      });
    },
  );

  test('that comes too early names the instant from which it may be taken', () => {
    const early = mayActivate(slot('receipt', 'prepared'), POLICY, START);
    expect(early).toMatchObject({ detail: expect.stringContaining(secondsAfter(START, 305).toISOString()) });
  });
});

describe('a change that concerns one slot alone', () => {
  test.each<[SlotState, SlotState]>([
    ['prepared', 'destroyed'],
    ['prepared', 'compromised'],
    ['draining', 'retired'],
    ['draining', 'compromised'],
    ['retired', 'destroyed'],
    ['destroyed', 'compromised'],
  ])('takes it from %s to %s', (from, to) => {
    const slots = [slot('receipt', 'active'), slot('receipt', from)];
    const plan = { changes: [{ id: from, to }], generate: null };
    expect(planChange(slots, from, to)).toEqual({ ok: true, value: plan });
  });

  test('takes an active key that needs no successor', () => {
    const plan = { changes: [{ id: 'active', to: 'draining' }], generate: null };
    expect(planChange([slot('zone-pin', 'active')], 'active', 'draining')).toEqual({ ok: true, value: plan });
  });
});

test.each<[SlotState, boolean]>([
  ['prepared', false],
  ['active', true],
  ['draining', true],
  ['retired', true],
  ['destroyed', true],
  ['compromised', true],
])('a new key beside one that is %s: allowed %s', (state, allowed) => {
  expect(planGeneration([slot('grant', state)], { kind: 'grant' }).ok).toBe(allowed);
});

test.each(['destroyed', 'compromised'] as const)('a %s key is good for nothing', (state) => {
  const nothing = { begins: false, serves: false, isPublished: false, verifiesRepeats: false, isHeld: false };
  expect(useOf(state)).toEqual(nothing);
});
