import { once } from 'node:events';
import { connect, constants } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type OpenRequest, SessionServiceService } from '../../../src/gen/tapgate/v1/session_service.ts';
import { Certificates, callLines } from './support/edge.ts';
import { directive, type RunSession, type SessionStream, withSession } from './support/session.ts';

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

/** Takes all messages up to the end of the stream; the error that ended it, or null. */
async function endOf(client: SessionStream): Promise<unknown> {
  try {
    while ((await client.next()) !== null);
    return null;
  } catch (error) {
    return error;
  }
}

describe('a client that does not read', () => {
  const kilobytes = directive('x'.repeat(16_384));

  test('is cut after the time that it has, with few messages waiting', async () => {
    const done = Promise.withResolvers<{ cause: unknown; sent: number }>();
    const run: RunSession = async (stream) => {
      try {
        for (;;) await stream.send(kilobytes);
      } catch (cause) {
        done.resolve({ cause, sent: stream.counts.sent });
        throw cause;
      }
    };
    await withSession(certificates, run, { sendWithinMilliseconds: 50 }, async ({ open, edge }) => {
      const client = open();
      const { cause, sent } = await done.promise;
      expect(cause).toMatchObject({ reasons: ['SLOW_READER'], detail: 'the client does not read' });
      // Two windows of HTTP/2 and what either side's grpc-js holds: far from what an endless loop would pile up.
      expect(sent).toBeLessThan(100);
      expect(await endOf(client)).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
      expect(callLines(edge)).toMatchObject([{ code: 'RESOURCE_EXHAUSTED', reasons: ['SLOW_READER'] }]);
    });
  });

  test('is cut at once when a handler piles up messages without waiting', async () => {
    const done = Promise.withResolvers<number>();
    const run: RunSession = async (stream) => {
      const sends = Array.from({ length: 1_000 }, () => stream.send(kilobytes));
      const settled = await Promise.allSettled(sends);
      done.resolve(settled.filter((each) => each.status === 'rejected').length);
    };
    await withSession(certificates, run, { maximumUnsent: 32 }, async ({ open }) => {
      const client = open();
      expect(await done.promise).toBeGreaterThan(900);
      expect(await endOf(client)).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    });
  });

  test('does not hold its stream by leaving the status unread', async () => {
    const refused = Promise.withResolvers<void>();
    const run: RunSession = async (stream) => {
      for (let i = 0; i < 60; i += 1) stream.send(kilobytes).catch(() => {});
      // This status waits behind them.
      stream.refuse(['SESSION_UNKNOWN']);
      refused.resolve();
    };
    await withSession(certificates, run, { sendWithinMilliseconds: 50 }, async ({ open, edge }) => {
      const client = open();
      await refused.promise;
      const { cut } = await edge.listener.drain(5_000);
      expect(cut).toBe(0);
      expect(await endOf(client)).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    });
  });
});

describe('a client that keeps its side open after the status', () => {
  test('has its stream reset', async () => {
    await withSession(
      certificates,
      async () => {},
      { sendWithinMilliseconds: 20 },
      async ({ edge }) => {
        const ca = await certificates.read('device/ca.crt');
        const session = connect(`https://${edge.target}`, { ca, servername: 'localhost' });
        const stream = session.request(
          {
            ':method': 'POST',
            ':path': SessionServiceService.open.path,
            'content-type': 'application/grpc',
            te: 'trailers',
          },
          { endStream: false },
        );
        stream.on('error', () => {});
        stream.resume();
        const [headers] = await once(stream, 'response');
        expect(headers['grpc-status']).toBe('0');
        await once(stream, 'close');
        expect(stream.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
        session.destroy();
      },
    );
  });
});

describe('a client that writes without pause', () => {
  test('is read no further than the handler takes', async () => {
    const release = Promise.withResolvers<void>();
    let taken = 0;
    const run: RunSession = async (stream) => {
      await stream.send(directive('started'));
      await release.promise;
      while ((await stream.next()) !== null) taken += 1;
    };
    await withSession(certificates, run, { maximumMessages: 100_000 }, async ({ open }) => {
      const client = open();
      await client.next();
      const large: OpenRequest = { message: { $case: 'open', value: { deviceToken: 'x'.repeat(16_384) } } };
      let written = 0;
      const flood = (async () => {
        for (; written < 300; written += 1) await client.send(large);
        client.close();
      })();
      // Two round trips of another call: what could be read without the handler has been.
      for (let i = 0; i < 2; i += 1) {
        const other = open();
        await other.next();
        other.cancel();
      }
      expect(written).toBeLessThan(200);
      release.resolve();
      await flood;
      expect(await client.next()).toBeNull();
      expect(taken).toBe(300);
    });
  });
});
