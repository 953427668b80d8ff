import { expect, test } from '@jest/globals';
import { secondsAfter } from '../../src/ports/clock.ts';
import { type KeyWear, keyDirective } from '../../src/sessions/key-wear.ts';
import { START } from '../support/clock.ts';

const bdk = (first: number): Buffer => Buffer.from([first, 2, 3, 4]);
const initialKeyId = (first: number): Buffer => Buffer.concat([bdk(first), Buffer.alloc(4, 7)]);
const EXPIRES = secondsAfter(START, 1000);
const LIMITS = { maximumTransactions: 100, rotateKeysAtFraction: 0.9, bdkIds: { pin: bdk(1), accountData: bdk(9) } };
const WEAR: KeyWear = {
  activatedAt: START,
  expiresAt: EXPIRES,
  transactions: 0,
  pinInitialKeyId: initialKeyId(1),
  accountDataInitialKeyId: initialKeyId(9),
};

test.each<[string, Partial<KeyWear>, number, string | null]>([
  ['new', {}, 0, null],
  ['almost nine tenths of their life old', {}, 899_999, null],
  ['nine tenths of their life old', {}, 900_000, 'age'],
  ['expired', {}, 2_000_000, 'age'],
  ['used 89 times of 100', { transactions: 89 }, 0, null],
  ['used 90 times of 100', { transactions: 90 }, 0, 'transactions'],
  ['used 90 times and old', { transactions: 90 }, 900_000, 'age'],
  ['under another PIN BDK', { pinInitialKeyId: initialKeyId(8) }, 0, 'base derivation key'],
  ['under another account data BDK', { accountDataInitialKeyId: initialKeyId(1) }, 0, 'base derivation key'],
  ['under another BDK, and old', { pinInitialKeyId: initialKeyId(8) }, 900_000, 'base derivation key'],
])('keys that are %s: %#', (_what, over, milliseconds, detail) => {
  const directive = keyDirective({ ...WEAR, ...over }, LIMITS, new Date(START.getTime() + milliseconds));
  expect(directive).toEqual(detail === null ? null : { kind: 'rotate-keys', at: EXPIRES, detail });
});
