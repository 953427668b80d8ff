import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { CachedReceiptKeys } from '../../../src/virtual/processing/receipt-keys.ts';

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;

function source() {
  const state = { seconds: 1_000, fetched: 0, lost: false, ids: ['one'] };
  const fetch = async (): Promise<ReadonlyMap<string, KeyObject>> => {
    state.fetched += 1;
    if (state.lost) throw new Error('lost');
    return new Map(state.ids.map((id) => [id, key]));
  };
  const keys = new CachedReceiptKeys(fetch, { now: () => new Date(state.seconds * 1_000) });
  return { state, keys };
}

test('keys are fetched once, by many at a time', async () => {
  const { state, keys } = source();
  await Promise.all(Array.from({ length: 10 }, () => keys.keys()));
  expect((await keys.keys('one')).size).toBe(1);
  expect(state.fetched).toBe(1);
});

test('an unknown id asks again, but not every time', async () => {
  const { state, keys } = source();
  await keys.keys();
  await keys.keys('two');
  expect(state.fetched).toBe(1);
  state.seconds += 5;
  state.ids = ['two'];
  expect([...(await keys.keys('two')).keys()]).toEqual(['two']);
  expect(state.fetched).toBe(2);
});

test('old keys are not used, also where no new ones are to be had', async () => {
  const { state, keys } = source();
  await keys.keys();
  state.seconds += 599;
  await keys.keys();
  expect(state.fetched).toBe(1);
  state.seconds += 1;
  state.lost = true;
  await expect(keys.keys()).rejects.toThrow('lost');
  state.lost = false;
  expect((await keys.keys()).size).toBe(1);
});
