import { afterAll, expect, test } from '@jest/globals';
import { exchange } from '../../src/jobs/exchange.ts';
import { systemTimer } from '../../src/jobs/timer.ts';
import { json, loopbackServer } from './revocation/support/server.ts';

const server = await loopbackServer((_, response) => json(response, '{}'));
afterAll(() => server.close());
const request = { method: 'GET' as const, url: server.origin, headers: {}, deadlineMilliseconds: 10_000 };

test('who reads only the headers has them', async () => {
  const answer = await exchange(request, async ({ status, header }) => [status, header('content-type')]);
  expect(answer).toEqual({ ok: true, value: [200, 'application/json; charset=UTF-8'] });
});

test('a fault of the reader is no failure of the network', async () => {
  const reading = exchange(request, () => Promise.reject(new RangeError('a fault')));
  await expect(reading).rejects.toThrow('a fault');
});

test('a timer runs once, or not where it is cancelled', async () => {
  const ran: string[] = [];
  const done = Promise.withResolvers<void>();
  const cancel = systemTimer.after(1, () => ran.push('cancelled'));
  cancel();
  systemTimer.after(5, () => {
    ran.push('ran');
    done.resolve();
  });
  // A waiting timer of the service keeps no process alive; this one does, until it has run.
  const alive = setInterval(() => {}, 1000);
  await done.promise;
  clearInterval(alive);
  expect(ran).toEqual(['ran']);
});
