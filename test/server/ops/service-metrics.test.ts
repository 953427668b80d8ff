import { expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { REASONS } from '../../../src/reasons/catalogue.ts';
import { registerReadMetrics, registerServiceMetrics } from '../../../src/server/ops/service-metrics.ts';
import { TestClock } from '../../support/clock.ts';

test('the age of the revocation list is read when it is asked for, and absent without a list', async () => {
  const registry = new Registry();
  const clock = new TestClock();
  let fetchedAt: Date | null = null;
  registerReadMetrics(registry, {
    revocationListFetchedAt: () => fetchedAt,
    serviceKeyUntil: () => null,
    now: () => clock.now(),
  });
  const read = () => registry.getSingleMetricAsString('tapgate_revocation_list_age_seconds');
  expect(await read()).not.toMatch(/^tapgate/m);
  fetchedAt = clock.now();
  clock.advance(90_000);
  expect(await read()).toMatch(/^tapgate_revocation_list_age_seconds 90$/m);
});

test('the time that the service key has left is told, and never less than none', async () => {
  const registry = new Registry();
  const clock = new TestClock();
  let until: Date | null = null;
  registerReadMetrics(registry, {
    revocationListFetchedAt: () => null,
    serviceKeyUntil: () => until,
    now: () => clock.now(),
  });
  const read = () => registry.getSingleMetricAsString('tapgate_service_key_remaining_seconds');
  expect(await read()).not.toMatch(/^tapgate/m);
  until = new Date(clock.now().getTime() + 60_000);
  expect(await read()).toMatch(/_seconds 60$/m);
  clock.advance(61_000);
  expect(await read()).toMatch(/_seconds 0$/m);
});

test('a registry has the metrics once', () => {
  const registry = new Registry();
  registerServiceMetrics(registry);
  expect(() => registerServiceMetrics(registry)).toThrow();
});

test('codes of the catalogue are fit to be labels', () => {
  for (const reason of Object.keys(REASONS)) expect(reason).toMatch(/^[A-Z][A-Z0-9_]{1,60}$/);
});
