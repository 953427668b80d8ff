import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type AuditRecord, NotRecordable, recordHash, recordValue } from '../../src/audit/record.ts';

describe('a value of a record', () => {
  test.each<[string, unknown, unknown]>([
    ['text', 'shop', 'shop'],
    ['empty text', '', ''],
    ['true', true, true],
    ['false', false, false],
    ['nothing', null, null],
    ['an amount', 9_007_199_254_740_993n, '9007199254740993'],
    ['a small number', 978, '978'],
    ['zero', 0, '0'],
    ['a negative number', -1, '-1'],
    ['an instant', new Date('2026-02-22T10:00:00.123Z'), '2026-02-22T10:00:00.123Z'],
    ['bytes', Buffer.from('00ff', 'hex'), '00ff'],
    ['no bytes', Buffer.alloc(0), ''],
    ['a structure', { b: 1, a: [true, null] }, '{"a":[true,null],"b":1}'],
    ['a list', ['B', 'A'], '["B","A"]'],
  ])('%s has one form', (_what, value, form) => {
    expect(recordValue(value)).toBe(form);
  });

  test.each<[string, unknown]>([
    ['a fraction', 1.5],
    ['no number', Number.NaN],
    ['a number that is not exact', 2 ** 53],
    ['nothing at all', undefined],
    ['a function', () => 0],
  ])('%s has none', (_what, value) => {
    expect(() => recordValue(value)).toThrow(NotRecordable);
  });
});

describe('the hash of a record', () => {
  const record = { amount: '1250', merchant: 'shop', pin: false, reason: null };

  test('is of 32 bytes, and the same for the same columns in any order', () => {
    const { amount, merchant, pin, reason } = record;
    expect(recordHash('decision/1', 'kept', record)).toHaveLength(32);
    expect(recordHash('decision/1', 'kept', { reason, pin, merchant, amount })).toEqual(
      recordHash('decision/1', 'kept', record),
    );
  });

  test.each<[string, string, 'kept' | 'erasable', AuditRecord]>([
    ['source', 'decision/2', 'kept', record],
    ['part', 'decision/1', 'erasable', record],
    ['value', 'decision/1', 'kept', { ...record, amount: '1251' }],
    ['name', 'decision/1', 'kept', { amounts: '1250', merchant: 'shop', pin: false, reason: null }],
    ['a column more', 'decision/1', 'kept', { ...record, more: '' }],
    ['a column less', 'decision/1', 'kept', { amount: '1250', merchant: 'shop', pin: false }],
    ['empty text for nothing', 'decision/1', 'kept', { ...record, reason: '' }],
    ['text for a truth value', 'decision/1', 'kept', { ...record, pin: 'false' }],
    ['a truth value for another', 'decision/1', 'kept', { ...record, pin: true }],
  ])('is another one for another %s', (_what, source, part, other) => {
    expect(recordHash(source, part, other)).not.toEqual(recordHash('decision/1', 'kept', record));
  });

  test('tells all records apart', () => {
    const value = fc.oneof(fc.string(), fc.boolean(), fc.constant(null));
    const any = fc.dictionary(fc.stringMatching(/^[a-z_]{1,5}$/), value, { maxKeys: 4 });
    fc.assert(
      fc.property(any, any, (a, b) => {
        const same = JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
        expect(recordHash('s/1', 'kept', a).equals(recordHash('s/1', 'kept', b))).toBe(same);
      }),
      { seed: 7, numRuns: 500 },
    );
  });
});
