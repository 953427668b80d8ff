import { once } from 'node:events';
import { createServer } from 'node:tls';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SessionServiceClient } from '../../src/gen/tapgate/v1/session_service.ts';
import { ClientConversation, channelCredentials, channelOptions, ExchangeTimeout } from '../../src/wire/channel.ts';
import { refusalFromError } from '../../src/wire/status.ts';
import { Certificates } from '../server/transport/support/edge.ts';
import { directive, opening, withSession } from '../server/transport/support/session.ts';

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

describe('credentials of a channel', () => {
  test('need key and certificate together', async () => {
    const { ca, cert, key } = await certificates.client('processing', 'processing/acme');
    expect(() => channelCredentials({ ca, ...(cert && { cert }) })).toThrow(TypeError);
    expect(() => channelCredentials({ ca, ...(key && { key }) })).toThrow(TypeError);
  });

  test('refuse a server that speaks TLS 1.2 only, and one of another authority', async () => {
    const ca = await certificates.read('device/ca.crt');
    const attempt = async (plane: 'device' | 'admin', maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<string | null> => {
      const own = {
        key: await certificates.read(`${plane}/server.key`),
        cert: await certificates.read(`${plane}/server.crt`),
      };
      let protocol: string | null = null;
      const server = createServer({ ...own, maxVersion, ALPNProtocols: ['h2'] }, (socket) => {
        protocol = socket.getProtocol();
        socket.on('error', () => {});
        socket.destroy();
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as { port: number };
      const options = channelOptions({ ownConnection: true, serverName: 'localhost' });
      const client = new SessionServiceClient(`127.0.0.1:${port}`, channelCredentials({ ca }), options);
      await expect(new ClientConversation(client.open()).next()).rejects.toMatchObject({ code: status.UNAVAILABLE });
      client.close();
      server.close();
      return protocol;
    };
    expect(await attempt('device', 'TLSv1.3')).toBe('TLSv1.3');
    expect(await attempt('device', 'TLSv1.2')).toBeNull();
    expect(await attempt('admin', 'TLSv1.3')).not.toBe('TLSv1.2');
  });
});

describe("a client's conversation", () => {
  test('says when nothing comes in time, and goes on', async () => {
    await withSession(
      certificates,
      async (stream) => {
        await stream.next();
        await stream.send(directive('late'));
      },
      {},
      async ({ open }) => {
        const client = open();
        await expect(client.next({ withinMilliseconds: 5 })).rejects.toBeInstanceOf(ExchangeTimeout);
        await client.send(opening);
        expect(await client.next()).toEqual(directive('late'));
        expect(await client.next()).toBeNull();
        expect(await client.next()).toBeNull();
      },
    );
  });

  test('gives every message before the refusal that follows them, however late they are taken', async () => {
    const refused = Promise.withResolvers<void>();
    await withSession(
      certificates,
      async (stream) => {
        for (let i = 0; i < 50; i += 1) await stream.send(directive(String(i)));
        stream.refuse(['SESSION_UNKNOWN']);
        refused.resolve();
      },
      {},
      async ({ open }) => {
        const client = open();
        await refused.promise;
        const reasons: unknown[] = [];
        const end = await (async () => {
          for (;;) reasons.push((await client.next())?.message?.value);
        })().catch((error: unknown) => refusalFromError(error)?.reasons);
        expect(reasons).toHaveLength(50);
        expect(end).toEqual(['SESSION_UNKNOWN']);
        await client.send(opening);
        client.close();
        await expect(client.next()).rejects.toMatchObject({ code: status.FAILED_PRECONDITION });
      },
    );
  });

  test('allows one waiting call of next, and its cancel is told to it', async () => {
    await withSession(
      certificates,
      async (stream) => {
        await stream.next();
      },
      {},
      async ({ open }) => {
        const client = open();
        const waiting = client.next();
        await expect(client.next()).rejects.toThrow('already waits');
        client.cancel();
        await expect(waiting).rejects.toMatchObject({ code: status.CANCELLED });
      },
    );
  });
});
