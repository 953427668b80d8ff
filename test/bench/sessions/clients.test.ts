import { describe, expect, test } from '@jest/globals';
import { addedBytes } from '../../../bench/sessions/probe.ts';
import { ksnOf } from '../../../bench/sessions/session-phone.ts';

describe('what the sessions group computes', () => {
  test('a key serial number is the identifier and the counter, both big-endian', () => {
    expect(ksnOf(Buffer.from('0102030405060708', 'hex'), 0x1_02_03).toString('hex')).toBe('010203040506070800010203');
  });

  test('added memory is heap and external memory; resident memory is another matter', () => {
    const before = { heapUsed: 100, external: 20, rss: 1000 };
    expect(addedBytes(before, { heapUsed: 160, external: 25, rss: 9000 })).toBe(65);
  });
});
