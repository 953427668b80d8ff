import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson, isPolicyVersion, versionOf, versionOfJson } from '../../src/policy/version.ts';

/** The same value with the members of every object in the opposite order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([name, member]) => [name, reversed(member)])
      .reverse(),
  );
}

describe('the version of a policy', () => {
  test('is 16 digits that stay the same for the same content, whatever the order of its members', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (document) => {
        const { version } = versionOf(document);
        expect(version).toMatch(/^[0-9a-f]{16}$/);
        expect(versionOf(reversed(document)).version).toBe(version);
        expect(versionOf(structuredClone(document)).version).toBe(version);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  const BASE = { pin: { allowed: true, signs: ['overlay', 'hooking'] }, limit: 5000 };
  test.each<[string, unknown]>([
    ['a number', { ...BASE, limit: 5001 }],
    ['a flag', { ...BASE, pin: { ...BASE.pin, allowed: false } }],
    ['the order of a list', { ...BASE, pin: { ...BASE.pin, signs: ['hooking', 'overlay'] } }],
    ['a list by one', { ...BASE, pin: { ...BASE.pin, signs: ['overlay'] } }],
    ['a name', { pin: BASE.pin, limits: 5000 }],
    ['a number into text', { ...BASE, limit: '5000' }],
    ['a member by null', { ...BASE, more: null }],
    ['the place of a member', { pin: { ...BASE.pin, limit: 5000 } }],
  ])('changes with %s', (_what, changed) => {
    expect(versionOf(changed).version).not.toBe(versionOf(BASE).version);
  });

  test('takes no notice of a member that is not there', () => {
    expect(versionOf({ ...BASE, more: undefined }).version).toBe(versionOf(BASE).version);
  });

  test('comes with the document as it is', () => {
    expect(versionOf(BASE).document).toBe(BASE);
  });
});

describe('the canonical form', () => {
  test.each<[unknown, string]>([
    [{ b: [1, 'x', null], a: { d: true, c: undefined } }, '{"a":{"d":true},"b":[1,"x",null]}'],
    [[{ b: 1, a: 2 }, []], '[{"a":2,"b":1},[]]'],
    [{}, '{}'],
  ])('of %j', (document, json) => {
    expect(canonicalJson(document)).toBe(json);
    expect(versionOfJson(json)).toBe(versionOf(document).version);
  });

  test('names a document as it always has', () => {
    expect(versionOfJson('{}')).toBe('abdb5ad95388c760');
  });

  test.each([
    ['0123456789abcdef', true],
    ['0123456789abcde', false],
    ['0123456789abcdef0', false],
    ['0123456789ABCDEF', false],
    ['0123456789abcdeg', false],
    ['', false],
  ])('%j is a version: %s', (text, is) => {
    expect(isPolicyVersion(text)).toBe(is);
  });
});
