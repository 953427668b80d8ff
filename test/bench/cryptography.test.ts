import { describe, expect, test } from '@jest/globals';
import { aesOf, DecisionCryptography } from '../../bench/gate/cryptography.ts';

describe('the AES of a decision', () => {
  // Initial key, one derivation for each one-bit of the counter, working key (X9.24-3 6.3, 6.4).
  test.each([
    [0x1, 3],
    [0x3, 4],
    [0x80, 3],
    [0xff, 10],
    [0xffff_0000, 18],
  ])('at the counter %d is %d blocks and two GCM operations', (counter, blocks) => {
    expect(aesOf(counter, false)).toEqual({ blocks, gcm: 2 });
  });

  test('with a PIN derives a second key and translates two blocks into two', () => {
    expect(aesOf(0x3, true)).toEqual({ blocks: 12, gcm: 2 });
  });
});

describe('the yardstick', () => {
  test('does its cryptography with and without a PIN at any counter', () => {
    const cryptography = new DecisionCryptography({ token: 700, intent: 500, receipt: 650, accountData: 60 });
    for (const counter of [1, 0xff, 0xffff_0000]) {
      for (const pin of [false, true]) expect(() => cryptography.decide(counter, pin)).not.toThrow();
    }
  });
});
