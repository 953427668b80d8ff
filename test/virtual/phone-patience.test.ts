import { expect, test } from '@jest/globals';
import { type Patience, patiently } from '../../src/virtual/phone/patience.ts';
import { PhoneRefused } from '../../src/virtual/phone/refused.ts';

/** Patience that writes down how long it slept. */
function patience(more: Partial<Patience> = {}): Patience & { readonly slept: number[] } {
  const slept: number[] = [];
  return { slept, attempts: 5, longestMilliseconds: 60_000, sleep: async (time) => void slept.push(time), ...more };
}

/** Work that is refused so often before it is done. */
function refusedFirst(times: number, refusal: PhoneRefused): () => Promise<string> {
  let attempts = 0;
  return async () => {
    attempts += 1;
    if (attempts <= times) throw refusal;
    return `done at attempt ${attempts}`;
  };
}

const busy = new PhoneRefused(['ATTESTATION_BUSY'], 'call', 700);

test('a phone that is one of too many comes back after the delay that it was told', async () => {
  const waiting = patience();
  expect(await patiently(refusedFirst(2, busy), waiting)).toBe('done at attempt 3');
  expect(waiting.slept).toEqual([700, 700]);
});

test('it gives up after its attempts, with the refusal', async () => {
  const waiting = patience();
  await expect(patiently(refusedFirst(9, busy), waiting)).rejects.toBe(busy);
  expect(waiting.slept).toHaveLength(4);
});

test.each([
  ['another reason', new PhoneRefused(['BOOT_UNLOCKED'], 'call', 700)],
  ['a delay that is too long', new PhoneRefused(['TOO_MANY_REQUESTS'], 'call', 60_001)],
  ['no delay', new PhoneRefused(['TOO_MANY_REQUESTS'])],
])('it does not wait for %s', async (_what, refusal) => {
  const waiting = patience();
  await expect(patiently(refusedFirst(1, refusal), waiting)).rejects.toBe(refusal);
  expect(waiting.slept).toEqual([]);
});

test('it does not hide another error', async () => {
  const lost = new Error('connection lost');
  await expect(patiently(() => Promise.reject(lost), patience())).rejects.toBe(lost);
});
