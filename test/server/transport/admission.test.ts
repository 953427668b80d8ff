import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { isReason, REASONS, type Reason } from '../../../src/reasons/catalogue.ts';
import type { Admit } from '../../../src/server/transport/context.ts';
import { CallRefused } from '../../../src/server/transport/refused.ts';
import { DEFAULT_RETRY_DELAY } from '../../../src/wire/status.ts';
import { Certificates, callLines, startEdge } from './support/edge.ts';
import { ask, failureOf, invites, type RunInvite, whoami, withEdge } from './support/invites.ts';
import { opening, type RunSession, withSession } from './support/session.ts';

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

const overLimit: Admit = async () => {
  throw new CallRefused(['TOO_MANY_REQUESTS'], 'limit by address', {
    minimumMilliseconds: 30_000,
    spreadMilliseconds: 500,
  });
};

const admin = () => certificates.client('admin', 'admin/ada@officer');

test('a call that is not admitted is told the delay of its own, and its handler does not run', async () => {
  let runs = 0;
  const run: RunInvite = (...args) => {
    runs += 1;
    return whoami(...args);
  };
  await withEdge(startEdge(certificates, 'admin', [invites(run)], { admit: overLimit }), async (edge) => {
    const failure = await failureOf(ask(edge, await admin()));
    expect(failure).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reasons: ['TOO_MANY_REQUESTS'] });
    expect(failure?.retryAfterMilliseconds).toBeGreaterThanOrEqual(30_000);
    expect(failure?.retryAfterMilliseconds).toBeLessThan(30_500);
    expect(callLines(edge)).toMatchObject([{ reasons: ['TOO_MANY_REQUESTS'], detail: 'limit by address' }]);
  });
  expect(runs).toBe(0);
});

test('a stream that is not admitted ends before its handler', async () => {
  const run: RunSession = async () => {
    throw new Error('the handler ran');
  };
  await withSession(
    certificates,
    run,
    {},
    async ({ open, edge }) => {
      const stream = open();
      await stream.send(opening);
      expect(await failureOf(stream.next())).toMatchObject({ reasons: ['TOO_MANY_REQUESTS'] });
      expect(await edge.registry.getSingleMetricAsString('tapgate_call_reasons_total')).toContain(
        'method="tapgate.v1.SessionService/Open",reason="TOO_MANY_REQUESTS"} 1',
      );
    },
    { admit: overLimit },
  );
});

test('messages that come while a call waits to be admitted are not lost', async () => {
  const admitted = Promise.withResolvers<void>();
  const taken: unknown[] = [];
  const run: RunSession = async (stream) => {
    taken.push(await stream.next(), await stream.next(), await stream.next());
  };
  await withSession(
    certificates,
    run,
    {},
    async ({ open }) => {
      const stream = open();
      await stream.send(opening);
      await stream.send(opening);
      stream.close();
      admitted.resolve();
      expect(await stream.next()).toBeNull();
      expect(taken).toEqual([opening, opening, null]);
    },
    { admit: () => admitted.promise },
  );
});

test('an admission that fails lets nobody in', async () => {
  const admit: Admit = async () => {
    throw new Error('the limit is lost');
  };
  await withEdge(startEdge(certificates, 'admin', [invites(whoami)], { admit }), async (edge) => {
    expect(await failureOf(ask(edge, await admin()))).toMatchObject({
      code: status.UNAVAILABLE,
      reasons: ['SERVICE_UNAVAILABLE'],
    });
  });
});

test('a caller is asked for its certificate before it is counted', async () => {
  const seen: unknown[] = [];
  const admit: Admit = async ({ method, caller, peerAddress }) => {
    seen.push(method, caller, peerAddress.replace(/:\d+$/, ''));
  };
  await withEdge(startEdge(certificates, 'admin', [invites(whoami)], { admit }), async (edge) => {
    await ask(edge, await admin());
  });
  expect(seen).toEqual([
    'tapgate.v1.InviteAdminService/CreateInvite',
    { plane: 'admin', role: 'officer', person: 'ada' },
    '127.0.0.1',
  ]);
});

test('a refusal without a delay of its own has the default one', async () => {
  const admit: Admit = async () => {
    throw new CallRefused(['TOO_MANY_REQUESTS']);
  };
  const { minimumMilliseconds, spreadMilliseconds } = DEFAULT_RETRY_DELAY;
  await withEdge(startEdge(certificates, 'admin', [invites(whoami)], { admit }), async (edge) => {
    const delay = (await failureOf(ask(edge, await admin())))?.retryAfterMilliseconds;
    expect(delay).toBeGreaterThanOrEqual(minimumMilliseconds);
    expect(delay).toBeLessThan(minimumMilliseconds + spreadMilliseconds);
  });
});

test('every reason that is counted is one of the catalogue, those told inside a stream too', async () => {
  const all = Object.keys(REASONS) as Reason[];
  const run: RunSession = async (stream, context) => {
    await stream.next();
    for (const reason of all) context.refused([reason, reason]);
    throw new CallRefused(['TOKEN_INVALID']);
  };
  await withSession(certificates, run, {}, async ({ open, edge }) => {
    const stream = open();
    await stream.send(opening);
    await failureOf(stream.next());
    const counted = await edge.registry.getSingleMetric('tapgate_call_reasons_total')?.get();
    const labels = counted?.values.map(({ labels: { reason }, value }) => [String(reason), value] as const) ?? [];
    expect(labels.every(([reason]) => isReason(reason))).toBe(true);
    expect(new Map(labels).get('TOKEN_INVALID')).toBe(2);
    expect(labels).toHaveLength(all.length);
  });
});
