import { beforeEach, expect, test } from '@jest/globals';
import { secondsAfter } from '../../src/ports/clock.ts';
import { KeyAdvice } from '../../src/sessions/key-advice.ts';
import type { KeyWear } from '../../src/sessions/key-wear.ts';
import { START } from '../support/clock.ts';

const LIMITS = {
  maximumTransactions: 4,
  rotateKeysAtFraction: 0.5,
  bdkIds: { pin: Buffer.alloc(4, 1), accountData: Buffer.alloc(4, 2) },
};
const EXPIRES = secondsAfter(START, 1000);
const pinKeyId = (derivation: number): Buffer => Buffer.concat([Buffer.alloc(4, 1), Buffer.alloc(4, derivation)]);
const ksn = (derivation: number): Buffer => Buffer.concat([pinKeyId(derivation), Buffer.alloc(4)]);
const wearOf = (derivation: number, transactions = 0): KeyWear => ({
  activatedAt: START,
  expiresAt: EXPIRES,
  transactions,
  pinInitialKeyId: pinKeyId(derivation),
  accountDataInitialKeyId: Buffer.alloc(8, 2),
});
const rotate = (detail: string) => ({ kind: 'rotate-keys', at: EXPIRES, detail });

let kept: KeyWear | null;
let looks: number;
let advice: KeyAdvice;

beforeEach(() => {
  looks = 0;
  kept = wearOf(7);
  advice = new KeyAdvice('device', {
    keyWear: async (deviceId) => {
      expect(deviceId).toBe('device');
      looks += 1;
      return kept;
    },
  });
});

test('nothing is advised before the keys were looked at, nor where a phone has none', async () => {
  expect(advice.take(LIMITS, EXPIRES)).toBeNull();
  kept = null;
  await advice.look();
  expect(advice.take(LIMITS, EXPIRES)).toBeNull();
});

test('transactions count without another look, and the advice is given once', async () => {
  await advice.look();
  await advice.began(ksn(7));
  expect(advice.take(LIMITS, START)).toBeNull();
  await advice.began(ksn(7));
  expect(advice.take(LIMITS, START)).toEqual(rotate('transactions'));
  await advice.began(ksn(7));
  expect(advice.take(LIMITS, START)).toBeNull();
  expect(looks).toBe(1);
});

test('new keys are looked at when a transaction begins under them, and advised on anew', async () => {
  kept = wearOf(7, 3);
  await advice.look();
  expect(advice.take(LIMITS, START)).toEqual(rotate('transactions'));
  kept = wearOf(8, 1);
  await advice.began(ksn(8));
  expect(advice.take(LIMITS, START)).toBeNull();
  await advice.began(ksn(8));
  expect(advice.take(LIMITS, START)).toEqual(rotate('transactions'));
  expect(looks).toBe(2);
});

test('keys that a phone got while its session was open are looked at when it begins', async () => {
  kept = null;
  await advice.look();
  kept = wearOf(7, 2);
  await advice.began(ksn(7));
  expect(advice.take(LIMITS, START)).toEqual(rotate('transactions'));
});

test('a base derivation key that is replaced while the session is open is advised on', async () => {
  await advice.look();
  expect(advice.take(LIMITS, START)).toBeNull();
  const bdkIds = { ...LIMITS.bdkIds, pin: Buffer.alloc(4, 9) };
  expect(advice.take({ ...LIMITS, bdkIds }, START)).toEqual(rotate('base derivation key'));
});

test('what is kept of identifiers does not hold the block that they were read from', async () => {
  const block = Buffer.concat([pinKeyId(7), Buffer.alloc(4096)]);
  kept = { ...wearOf(7), pinInitialKeyId: block.subarray(0, 8) };
  await advice.look();
  block.fill(0);
  await advice.began(ksn(7));
  expect(looks).toBe(1);
});
