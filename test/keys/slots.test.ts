import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isOfAcquirer, isSlotKind, ruleOf, SLOT_KINDS, type SlotKind } from '../../src/keys/kind.ts';
import {
  type KeySlot,
  MOST_DRAINING,
  planChange,
  planGeneration,
  type SlotSeries,
  seriesOf,
  sinceOf,
} from '../../src/keys/slots.ts';
import { mayBecome, SLOT_STATES, type SlotState, useOf } from '../../src/keys/state.ts';
import { START } from '../support/clock.ts';

const slot = (id: string, kind: SlotKind, state: SlotState, acquirer?: string): KeySlot => ({
  id,
  kind,
  acquirer,
  state,
  history: [{ state, at: START, by: 'somebody' }],
});

describe('the state machine', () => {
  const ALLOWED = [
    'prepared active',
    'prepared destroyed',
    'prepared compromised',
    'active draining',
    'active compromised',
    'draining retired',
    'draining compromised',
    'retired destroyed',
    'retired compromised',
    'destroyed compromised',
  ];

  test('has these steps and no others', () => {
    const steps = SLOT_STATES.flatMap((from) => SLOT_STATES.map((to) => [from, to] as const));
    expect(steps.filter(([from, to]) => mayBecome(from, to)).map((step) => step.join(' '))).toEqual(ALLOWED);
  });

  test('begins work with active keys only, and lets nothing rest on compromised ones', () => {
    expect(SLOT_STATES.filter((state) => useOf(state).begins)).toEqual(['active']);
    expect(SLOT_STATES.filter((state) => useOf(state).serves)).toEqual(['active', 'draining']);
    expect(SLOT_STATES.filter((state) => useOf(state).isPublished)).toEqual(['prepared', 'active', 'draining']);
    expect(SLOT_STATES.filter((state) => useOf(state).verifiesRepeats)).toEqual(['active', 'draining', 'retired']);
    expect(SLOT_STATES.filter((state) => !useOf(state).isHeld)).toEqual(['destroyed', 'compromised']);
  });
});

describe('kinds', () => {
  test('know their names, and which belong to an acquirer', () => {
    const owned = ['zone-kek', 'zone-kek-tdea', 'zone-pin', 'zone-data', 'tr34-device', 'tr34-host'];
    expect(SLOT_KINDS.filter(isOfAcquirer)).toEqual(owned);
    expect(SLOT_KINDS.every(isSlotKind)).toBe(true);
    for (const text of ['', 'toString', 'Receipt']) expect(isSlotKind(text)).toBe(false);
  });

  test.each(['zone-kek', 'zone-kek-tdea', 'tr34-device', 'tr34-host'] as const)(
    '%s comes into use in ceremonies only, and goes out of it like any other',
    (kind) => {
      const states = (from: SlotState, to: SlotState) => planChange([slot('a', kind, from)], 'a', to);
      expect(planGeneration([], { kind })).toMatchObject({ reason: 'KEY_KIND_FIXED' });
      for (const from of SLOT_STATES) expect(states(from, 'active')).toMatchObject({ reason: 'KEY_KIND_FIXED' });
      const life = ['active', 'draining', 'retired', 'destroyed'] as const;
      for (const [at, from] of life.slice(0, -1).entries()) {
        const plan = { changes: [{ id: 'a', to: life[at + 1] }], generate: null };
        expect(states(from, life[at + 1]!)).toEqual({ ok: true, value: plan });
        const ended = { changes: [{ id: 'a', to: 'compromised' }], generate: null };
        expect(states(from, 'compromised')).toEqual({ ok: true, value: ended });
      }
    },
  );

  test.each(['kek', 'anchor', 'card-reference', 'derivation-ledger'] as const)(
    '%s changes in ceremonies only',
    (kind) => {
      const slots = [slot('a', kind, 'active')];
      expect(planGeneration(slots, { kind })).toMatchObject({ reason: 'KEY_KIND_FIXED' });
      for (const to of SLOT_STATES) expect(planChange(slots, 'a', to)).toMatchObject({ reason: 'KEY_KIND_FIXED' });
    },
  );
});

describe('a change of a slot', () => {
  const slots = [slot('a', 'receipt', 'active'), slot('p', 'receipt', 'prepared'), slot('t', 'device-token', 'active')];

  test('to active sends the one before to drain, of its own series alone', () => {
    const changes = [
      { id: 'a', to: 'draining' },
      { id: 'p', to: 'active' },
    ];
    expect(planChange(slots, 'p', 'active')).toEqual({ ok: true, value: { changes, generate: null } });
  });

  test('to active leaves the keys of other acquirers alone', () => {
    const zones = [
      slot('1', 'zone-pin', 'active', 'a'),
      slot('2', 'zone-pin', 'active', 'b'),
      slot('3', 'zone-pin', 'prepared', 'b'),
    ];
    const changes = [
      { id: '2', to: 'draining' },
      { id: '3', to: 'active' },
    ];
    expect(planChange(zones, '3', 'active')).toEqual({ ok: true, value: { changes, generate: null } });
  });

  test('that is there already is none', () => {
    for (const { id, state } of slots)
      expect(planChange(slots, id, state)).toEqual({ ok: true, value: { changes: [], generate: null } });
  });

  test('of no slot is refused', () => {
    expect(planChange(slots, 'x', 'active')).toMatchObject({ reason: 'KEY_SLOT_UNKNOWN' });
  });

  test('takes no active key away that has no successor', () => {
    expect(planChange(slots, 't', 'draining')).toMatchObject({ reason: 'KEY_SUCCESSOR_MISSING' });
    expect(planChange(slots, 't', 'retired')).toMatchObject({ reason: 'KEY_STATE_NOT_ALLOWED' });
    expect(planChange([slot('z', 'zone-pin', 'active', 'a')], 'z', 'draining')).toMatchObject({ ok: true });
  });

  test('to compromised brings the prepared successor, or asks for a new one', () => {
    const prepared = [
      { id: 'a', to: 'compromised' },
      { id: 'p', to: 'active' },
    ];
    expect(planChange(slots, 'a', 'compromised')).toEqual({ ok: true, value: { changes: prepared, generate: null } });
    const generate = { kind: 'device-token', acquirer: undefined };
    const alone = [{ id: 't', to: 'compromised' }];
    expect(planChange(slots, 't', 'compromised')).toEqual({ ok: true, value: { changes: alone, generate } });
    expect(planChange([slot('z', 'audit', 'active')], 'z', 'compromised')).toMatchObject({ value: { generate: null } });
  });

  test('lets no more drain than there may be', () => {
    const draining = Array.from({ length: MOST_DRAINING }, (_, at) => slot(`d${at}`, 'receipt', 'draining'));
    expect(planChange([...slots, ...draining], 'p', 'active')).toMatchObject({ reason: 'KEY_SLOTS_FULL' });
    expect(planChange([...slots, ...draining.slice(1)], 'p', 'active')).toMatchObject({ ok: true });
  });
});

test('a second prepared slot of a series is refused', () => {
  expect(planGeneration([slot('p', 'grant', 'prepared')], { kind: 'grant' })).toMatchObject({
    reason: 'KEY_SLOTS_FULL',
  });
  const zone = { kind: 'zone-pin', acquirer: 'b' } as const;
  expect(planGeneration([slot('p', 'zone-pin', 'prepared', 'a')], zone)).toEqual({ ok: true, value: null });
});

test('a slot knows since when it is what it is', () => {
  expect(sinceOf(slot('a', 'grant', 'active'))).toEqual(START);
  expect(sinceOf({ ...slot('a', 'grant', 'active'), history: [] })).toBeNull();
});

test('whatever is asked for, a series has one active key where it needs one, and never two of them or two prepared', () => {
  const kinds = ['device-token', 'bdk-pin', 'zone-pin', 'audit'] as const;
  const step = fc.record({
    kind: fc.constantFrom(...kinds),
    make: fc.boolean(),
    pick: fc.nat(20),
    to: fc.constantFrom(...SLOT_STATES),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let slots: KeySlot[] = [slot('t0', 'device-token', 'active'), slot('b0', 'bdk-pin', 'active')];
      const acquirerOf = (kind: SlotKind): { acquirer?: string } => (isOfAcquirer(kind) ? { acquirer: 'a' } : {});
      let made = 0;
      const add = (series: SlotSeries, state: SlotState): void => {
        slots.push(slot(`s${made++}`, series.kind, state, series.acquirer));
      };
      for (const { kind, make, pick, to } of steps) {
        const series = { kind, ...acquirerOf(kind) };
        if (make) {
          if (planGeneration(slots, series).ok) add(series, 'prepared');
        } else {
          const target = slots[pick % slots.length];
          const plan = target && planChange(slots, target.id, to);
          if (!plan?.ok) continue;
          for (const change of plan.value.changes) {
            slots = slots.map((one) => {
              if (one.id !== change.id) return one;
              expect(mayBecome(one.state, change.to)).toBe(true);
              return { ...one, state: change.to };
            });
          }
          if (plan.value.generate !== null) add(plan.value.generate, 'active');
        }
        for (const each of kinds) {
          const states = seriesOf(slots, { kind: each, ...acquirerOf(each) }).map(({ state }) => state);
          const count = (state: SlotState): number => states.filter((one) => one === state).length;
          expect(count('active')).toBeGreaterThanOrEqual(ruleOf(each).leastActive);
          expect(count('active')).toBeLessThanOrEqual(1);
          expect(count('prepared')).toBeLessThanOrEqual(1);
          expect(count('draining')).toBeLessThanOrEqual(MOST_DRAINING);
        }
      }
    }),
    { seed: 1, numRuns: 200 },
  );
});
