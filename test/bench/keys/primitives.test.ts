import { describe, expect, test } from '@jest/globals';
import { keysDerived } from '../../../bench/keys/bare-aes.ts';
import { BareInjection } from '../../../bench/keys/bare-injection.ts';
import { keyOperations } from '../../../bench/keys/primitives.ts';
import { TRANSPORTS } from '../../../src/virtual/phone/transport-keys.ts';
import { SeededRandom } from '../../support/random.ts';

const operations = keyOperations(new SeededRandom('bench'));

describe('the yardstick', () => {
  // Initial key, one derivation for each one-bit of the counter, working key (X9.24-3 6.3, 6.4).
  test.each([
    [0x1, 3],
    [0xff, 10],
    [0xffff_0000, 18],
  ])('at the counter %d derives %d keys', (counter, keys) => {
    expect(keysDerived(counter)).toBe(keys);
  });

  test.each(TRANSPORTS)('of an injection by %s does its cryptography and says what it is', (transport) => {
    const bare = new BareInjection(transport);
    expect(() => bare.inject()).not.toThrow();
    expect(bare.description).toMatch(/P-256|RSA/);
  });
});

describe('key operations', () => {
  test('are the initial key, working keys and PIN translations at 1, 8 and 16 bits, key blocks both ways', () => {
    const withGoal = operations.filter(({ goal }) => goal !== null);
    expect(withGoal.map(({ name }) => name)).toEqual([
      'initial-key',
      ...['1-bit', '8-bits', '16-bits'].map((bits) => `working-key-${bits}`),
      ...['1-bit', '8-bits', '16-bits'].map((bits) => `pin-translation-${bits}`),
      'key-block-wrap',
      'key-block-unwrap',
    ]);
    for (const { goal } of withGoal) expect(goal).toEqual({ relation: '<=', ratio: 2 });
  });

  test.each(operations.map((operation) => [operation.name, operation] as const))(
    '%s works as often as it is asked, beside its yardstick',
    (_name, { ours, yardstick }) => {
      for (let round = 0; round < 3; round += 1) {
        expect(ours).not.toThrow();
        expect(yardstick).not.toThrow();
      }
    },
  );
});
