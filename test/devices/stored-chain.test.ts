import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeChain, encodeChain } from '../../src/devices/stored-chain.ts';

describe('a stored chain', () => {
  test('is each certificate after its length, 4 bytes big-endian', () => {
    expect(encodeChain([Buffer.of(1, 2), Buffer.alloc(0)]).toString('hex')).toBe('00000002010200000000');
  });

  test('gives back what was stored', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), (chain) => {
        expect(decodeChain(encodeChain(chain))).toEqual(chain.map((bytes) => Buffer.from(bytes)));
      }),
      { seed: 5, numRuns: 100 },
    );
  });

  test('that is cut anywhere inside is none', () => {
    const stored = encodeChain([Buffer.of(1, 2, 3), Buffer.of(4)]);
    const whole = [0, 7, stored.length];
    for (let length = 0; length <= stored.length; length += 1) {
      expect(decodeChain(stored.subarray(0, length)) !== null).toBe(whole.includes(length));
    }
  });
});
