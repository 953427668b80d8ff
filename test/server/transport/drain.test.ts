import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type OpenRequest,
  type OpenResponse,
  SessionServiceClient,
  SessionServiceService,
} from '../../../src/gen/tapgate/v1/session_service.ts';
import { CallRefused } from '../../../src/server/transport/refused.ts';
import { conversation, type RunConversation, service } from '../../../src/server/transport/service.ts';
import { ClientConversation } from '../../../src/wire/channel.ts';
import { refusalFromError } from '../../../src/wire/status.ts';
import { Certificates, callLines, channelTo, type Edge, startEdge } from './support/edge.ts';

type Run = RunConversation<OpenRequest, OpenResponse>;
const hello: OpenResponse = { message: { $case: 'opened', value: { policyVersion: '1', serviceKeys: [] } } };

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

const sessions = (run: Run) => service(SessionServiceService, { open: conversation(run) });

/** Opens a session stream and waits until its handler runs. */
async function openSession(edge: Edge) {
  const raw = new SessionServiceClient(...channelTo(edge, await certificates.client('device')));
  const client = new ClientConversation(raw.open());
  expect(await client.next()).toEqual(hello);
  return { client, close: () => raw.close() };
}

const refusalOf = (promise: Promise<unknown>) => promise.then(() => null, refusalFromError);

describe('drain', () => {
  test('ends an open stream with SHUTTING_DOWN, long before the deadline', async () => {
    const run: Run = async (stream) => {
      await stream.send(hello);
      await stream.next();
    };
    const edge = await startEdge(certificates, 'device', [sessions(run)]);
    const { client } = await openSession(edge);
    const drained = edge.listener.drain(60_000);
    expect(await refusalOf(client.next())).toMatchObject({ reasons: ['SHUTTING_DOWN'] });
    expect(await drained).toEqual({ cut: 0 });
    expect(callLines(edge)).toMatchObject([{ code: 'UNAVAILABLE', reasons: ['SHUTTING_DOWN'] }]);
  });

  test('lets a handler answer what it has in hand', async () => {
    const run: Run = async (stream) => {
      await stream.send(hello);
      await new Promise((resolve) => stream.signal.addEventListener('abort', resolve));
      expect(stream.signal.reason).toBeInstanceOf(CallRefused);
      await stream.send(hello);
    };
    const edge = await startEdge(certificates, 'device', [sessions(run)]);
    const { client } = await openSession(edge);
    const drained = edge.listener.drain(60_000);
    expect(await client.next()).toEqual(hello);
    expect(await client.next()).toBeNull();
    expect(await drained).toEqual({ cut: 0 });
  });

  test('refuses shortly before the deadline where a handler does not end', async () => {
    const never = Promise.withResolvers<void>();
    const run: Run = async (stream) => {
      await stream.send(hello);
      await never.promise;
    };
    const edge = await startEdge(certificates, 'device', [sessions(run)]);
    const { client } = await openSession(edge);
    const drained = edge.listener.drain(500);
    expect(await refusalOf(client.next())).toMatchObject({ reasons: ['SHUTTING_DOWN'] });
    expect(await drained).toEqual({ cut: 0 });
    never.resolve();
  });

  test('cuts at the deadline what does not close: a client that does not read', async () => {
    const run: Run = async (stream) => {
      await stream.send(hello);
      const large: OpenResponse = {
        message: { $case: 'opened', value: { policyVersion: 'x'.repeat(65_536), serviceKeys: [] } },
      };
      for (;;) await stream.send(large);
    };
    const edge = await startEdge(certificates, 'device', [sessions(run)]);
    const { client, close } = await openSession(edge);
    expect(await edge.listener.drain(200)).toEqual({ cut: 1 });
    const failures = (async () => {
      while ((await client.next()) !== null);
    })();
    await expect(failures).rejects.toHaveProperty('code');
    close();
  });

  test('accepts no connection and no call any more, and answers the same when asked twice', async () => {
    const run: Run = async (stream) => {
      await stream.send(hello);
      await stream.next();
    };
    const edge = await startEdge(certificates, 'device', [sessions(run)]);
    const first = edge.listener.drain(1_000);
    expect(edge.listener.drain(1)).toBe(first);
    const raw = new SessionServiceClient(...channelTo(edge, await certificates.client('device')));
    const late = new ClientConversation(raw.open());
    await expect(late.next()).rejects.toMatchObject({ code: status.UNAVAILABLE });
    raw.close();
    await first;
  });
});
