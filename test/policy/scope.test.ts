import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isGroupName, type PolicyScope, parseScope, scopeKey, scopeText } from '../../src/policy/scope.ts';

describe('a scope of policy', () => {
  test.each<[string, PolicyScope, string]>([
    ['default', { kind: 'default' }, 'default'],
    ['canary:1%', { kind: 'canary', basisPoints: 100 }, 'canary'],
    ['canary:0.01%', { kind: 'canary', basisPoints: 1 }, 'canary'],
    ['canary:2.5%', { kind: 'canary', basisPoints: 250 }, 'canary'],
    ['canary:100%', { kind: 'canary', basisPoints: 10_000 }, 'canary'],
    [
      'merchant:acquirer-a/shop-1',
      { kind: 'merchant', acquirer: 'acquirer-a', merchant: 'shop-1' },
      'merchant:acquirer-a/shop-1',
    ],
    ['group:pilots', { kind: 'group', group: 'pilots' }, 'group:pilots'],
  ])('%s is read, written and keyed', (text, scope, key) => {
    expect(parseScope(text)).toEqual({ ok: true, value: scope });
    expect(scopeText(scope)).toBe(text);
    expect(scopeKey(scope)).toBe(key);
  });

  test.each(['canary:5', 'canary:05%', 'canary:5.00%'])('%s is five percent too', (text) => {
    expect(parseScope(text)).toEqual({ ok: true, value: { kind: 'canary', basisPoints: 500 } });
  });

  test.each([
    '',
    'Default',
    'default:',
    'canary',
    'canary:',
    'canary:0%',
    'canary:0.001%',
    'canary:0.00%',
    'canary:100.01%',
    'canary:101%',
    'canary:1000%',
    'canary:-1%',
    'canary:1e1%',
    'canary:5%%',
    'canary: 5%',
    'merchant:',
    'merchant:acquirer-a',
    'merchant:acquirer-a/',
    'merchant:/shop-1',
    'merchant:acquirer-a/shop/1',
    'merchant:Acquirer/shop',
    'merchant:acquirer-a/Shop',
    'group:',
    'group:a b',
    'group:-a',
    `group:${'a'.repeat(65)}`,
    'device:1',
    'device:acquirer-a/shop-1',
    ':acquirer-a/shop-1',
    'group',
  ])('%j is none', (text) => {
    expect(parseScope(text)).toMatchObject({ ok: false, reason: 'POLICY_SCOPE_INVALID' });
  });

  test('a name of 64 characters is one', () => {
    expect(isGroupName('a'.repeat(64))).toBe(true);
    expect(isGroupName('a'.repeat(65))).toBe(false);
    expect(isGroupName('')).toBe(false);
  });

  test('every share survives being written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), (basisPoints) => {
        expect(parseScope(scopeText({ kind: 'canary', basisPoints }))).toEqual({
          ok: true,
          value: { kind: 'canary', basisPoints },
        });
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
