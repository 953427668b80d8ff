import { describe, expect, test } from '@jest/globals';
import { isReason } from '../../../src/reasons/catalogue.ts';
import { ATTACKS } from '../../../src/virtual/attacks/all.ts';
import { attacksOf, inOrder } from '../../../src/virtual/attacks/select.ts';
import { PHONE_KINDS } from '../../../src/virtual/kinds/kinds.ts';

const HONEST = ['tee', 'strongbox', 'rkp', 'old-keymaster'];
const BESIDE_REASONS = ['REFUSED_BY_PHONE', 'REFUSED_BY_PROCESSING'];
const OUTCOME = /^([A-Z0-9_]+)(?: \(([A-Z_]+|expired|withdrawn|used)\))?$/;

describe('the attack kit', () => {
  test('has an attack for each of its thirty numbers, and no other number', () => {
    const numbers = new Set(ATTACKS.flatMap(({ number }) => (number === undefined ? [] : [number])));
    expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, at) => at + 1));
  });

  test('names every attack once', () => {
    const names = ATTACKS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => /^\d+$/.test(name))).toEqual([]);
  });

  test.each(ATTACKS.map(({ name, expects }) => [name, expects]))('%s expects a typed reason: %s', (_name, expects) => {
    const [, told = '', detail] = OUTCOME.exec(expects) ?? [];
    expect(isReason(told) || BESIDE_REASONS.includes(told)).toBe(true);
    if (told === 'ATTESTATION_REFUSED') expect(isReason(detail ?? '')).toBe(true);
  });

  test('has every hostile kind of phone among its attacks', () => {
    const names = new Set(ATTACKS.filter(({ number }) => number === 29).map(({ name }) => name));
    expect(PHONE_KINDS.filter((kind) => !HONEST.includes(kind) && !names.has(kind))).toEqual([]);
  });
});

describe('selection', () => {
  test('is every attack where nothing is named', () => {
    expect(attacksOf([], ATTACKS)).toEqual({ selected: ATTACKS });
  });

  test('takes every way to do a numbered attack, and names, each once and in order', () => {
    const found = attacksOf(['stolen token', '14', '5'], inOrder(ATTACKS));
    const names = 'selected' in found ? found.selected.map(({ name }) => name) : [];
    expect(names).toEqual(['stolen token', 'over-nested TLV', 'overlong TLV', 'length beyond the data']);
  });

  test.each(['31', '0', 'no such attack', ''])('says which word names nothing: %p', (word) => {
    expect(attacksOf(['1', word], ATTACKS)).toEqual({ unknown: word });
  });

  test('orders by number, then along the path; those without a number come last', () => {
    const numbers = inOrder(ATTACKS).map(({ number }) => number ?? 31);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    const others = (attacks: typeof ATTACKS) => attacks.filter(({ number }) => number === undefined);
    expect(others(inOrder(ATTACKS))).toEqual(others(ATTACKS));
  });
});
