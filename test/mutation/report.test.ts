import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { MutantResult } from '@stryker-mutator/api/core';
import { IGNORED_TEXTS } from './ignored-texts.ts';
import { ignoredLines, invalidLines, scoreOf, survivorLines, timedOutLines } from './report.ts';

const folder = mkdtempSync(join(tmpdir(), 'mutation-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'a.ts'), 'const a = 1;\nif (a > 1) {\n  done();\n}\n');

const mutant = (status: string, over: object = {}): MutantResult =>
  ({
    id: '1',
    status,
    fileName: join(folder, 'a.ts'),
    location: { start: { line: 2, column: 5 }, end: { line: 2, column: 10 } },
    mutatorName: 'ConditionalExpression',
    replacement: 'true',
    ...over,
  }) as unknown as MutantResult;

const many = (status: string, number: number): MutantResult[] => Array.from({ length: number }, () => mutant(status));

describe('the score', () => {
  test('is killed and timed out of all valid mutants', () => {
    const mutants = [
      ...many('Killed', 6),
      ...many('Timeout', 1),
      ...many('Survived', 2),
      ...many('NoCoverage', 1),
      ...many('RuntimeError', 5),
      ...many('Ignored', 7),
    ];
    expect(scoreOf(mutants)).toEqual({
      killed: 6,
      timedOut: 1,
      survived: 2,
      uncovered: 1,
      invalid: 5,
      ignored: 7,
      percent: 70,
    });
  });

  test('is none where nothing was valid', () => {
    expect(scoreOf(many('Ignored', 3)).percent).toBeNull();
    expect(scoreOf([]).percent).toBeNull();
  });
});

describe('the report', () => {
  test('lists survivors with what stood there and what stood instead', () => {
    const block = { start: { line: 2, column: 12 }, end: { line: 4, column: 2 } };
    const mutants = [
      mutant('Survived', { location: block, mutatorName: 'BlockStatement', replacement: '{}' }),
      mutant('Killed'),
      mutant('NoCoverage'),
    ];
    expect(survivorLines(mutants, folder)).toEqual([
      'a.ts:2:12 BlockStatement: { done(); } => {}',
      'a.ts:2:5 ConditionalExpression (no test runs it): a > 1 => true',
    ]);
  });

  test('says what could not be tried, and what was left out why', () => {
    expect(invalidLines([mutant('RuntimeError', { statusReason: 'no\nway' })], folder)).toEqual([
      'a.ts:2:5 ConditionalExpression RuntimeError: no way',
    ]);
    const endless = mutant('Timeout', { statusReason: 'Hit limit reached' });
    expect(timedOutLines([mutant('Killed'), endless], folder)).toEqual([
      'a.ts:2:5 ConditionalExpression Timeout: Hit limit reached',
    ]);
    const ignored = mutant('Ignored', { statusReason: 'a text' });
    expect(ignoredLines([ignored, ignored, mutant('Killed')])).toEqual(['2 left out: a text']);
  });
});

describe('texts for people', () => {
  const reason = (callee: object, key: number, type = 'StringLiteral', listKey = 'arguments') =>
    IGNORED_TEXTS.shouldIgnore({ node: { type }, key, listKey, parent: { type: 'CallExpression', callee } } as never);
  const named = (name: string) => ({ type: 'Identifier', name });

  test.each([
    ['the detail of a failed check', named('fail'), 1],
    ['the detail of a refusal', named('refuse'), 1],
    ['why a check was skipped', named('skipped'), 0],
    ['what is tolerated', named('tolerated'), 0],
    ['the description of a schema', { type: 'MemberExpression', property: { name: 'describe' } }, 0],
    ['the message of a bug', named('RangeError'), 0],
  ])('are left alone: %s', (_, callee, key) => {
    expect(reason(callee, key)).toEqual(expect.any(String));
    expect(reason(callee, key, 'TemplateLiteral')).toEqual(expect.any(String));
  });

  test.each([
    ['a reason code', named('fail'), 0],
    ['the reason of a refusal', named('refuse'), 0],
    ['the name of a check', named('attestedRule'), 0],
    ['another argument', named('tolerated'), 1],
    ['a member of that name', { type: 'MemberExpression', property: { name: 'includes' } }, 0],
  ])('are not mistaken: %s', (_, callee, key) => {
    expect(reason(callee, key)).toBeUndefined();
  });

  test('are not conditions, nor elements of lists', () => {
    expect(reason(named('fail'), 1, 'ConditionalExpression')).toBeUndefined();
    expect(reason(named('fail'), 1, 'StringLiteral', 'elements')).toBeUndefined();
  });
});
