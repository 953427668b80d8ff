import { stripTypeScriptTypes } from 'node:module';
import { describe, expect, test } from '@jest/globals';
import { COUNTERS, instrument } from './engine/instrument.ts';

/** Calls the function `f` of an instrumented module and answers what it gives and how often each counter was hit. */
function call(source: string, ...values: unknown[]) {
  const { source: instrumented, counters } = instrument('module.ts', source, 0);
  const hits = new Uint8ClampedArray(counters);
  const make = new Function('globalThis', `${stripTypeScriptTypes(instrumented)}\nreturn f;`);
  const value: unknown = make({ [COUNTERS]: hits })(...values);
  return { value, hits: [...hits] };
}

describe('instrumented code counts', () => {
  const cases: [name: string, source: string, value: unknown, hits: number[]][] = [
    ['a branch', 'function f(a: number) { if (a > 1) { return 1; } return 2; }', 5, [1, 1, 0]],
    [
      'the missing else of a branch without a block',
      'function f(a: number) { if (a > 9) return 1; return 2; }',
      5,
      [1, 0, 1],
    ],
    ['an else', 'function f(a: number) { if (a > 9) return 1; else return 2; }', 5, [1, 0, 1]],
    [
      'an else of the inner branch',
      'function f(a: number) { if (a) if (a > 9) return 1; else return 2; return 3; }',
      5,
      [1, 0, 1, 0, 1],
    ],
    [
      'each turn of a loop',
      'function f(a: number) { let s = 0; for (let i = 0; i < a; i++) s += i; return s; }',
      3,
      [1, 3],
    ],
    ['the sides of a condition', 'const f = (a: number) => a > 1 ? { b: 1 } : null;', 0, [1, 0, 1]],
    ['the right side of a short circuit', 'const f = (a: number) => (a && a > 3) ?? a;', 2, [1, 1, 0]],
    [
      'cases',
      'function f(a: number) { switch (a) { case 1: return 1; case 2: { return 2; } default: return 3; } }',
      2,
      [1, 0, 1, 0],
    ],
    ['defaults of parameters', 'function f(a: unknown, b = 1) { return b; }', 0, [1, 1]],
    ['what is caught', 'function f(a: number) { try { throw a; } catch { return a; } }', 4, [1, 1]],
    [
      'methods',
      'class A { m(): number { return 1; } get g() { return this.m(); } } const f = (_: number) => new A().g;',
      0,
      [1, 1, 1],
    ],
  ];

  test.each(cases)('%s', (_, source, value, hits) => {
    const plain: unknown = new Function(`${stripTypeScriptTypes(source)}\nreturn f;`)()(value);
    const instrumented = call(source, value);
    expect(instrumented.value).toEqual(plain);
    expect(instrumented.hits.toSorted()).toEqual(hits.toSorted());
  });

  test('from the first number on that is free, and says how many it takes', () => {
    const { source, counters } = instrument('module.ts', 'const f = () => 1;', 40);
    expect(counters).toBe(1);
    expect(source).toContain('[40]++');
  });

  test('without moving a line', () => {
    const source = 'const f = (a: number) => {\n  if (a)\n    return 1;\n  return 2;\n};\n';
    expect(instrument('module.ts', source, 0).source.split('\n')).toHaveLength(source.split('\n').length);
  });

  test('and tells the whole numbers that it may compare with', () => {
    const { numbers } = instrument('module.ts', 'const f = (a: number) => a === 0x54 || a > 65_535 || a < 1.5;', 0);
    expect(numbers).toEqual([0x54, 65_535]);
  });
});
