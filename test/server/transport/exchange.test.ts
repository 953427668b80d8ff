import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  DirectiveKind,
  type OpenRequest,
  type OpenResponse,
  SessionServiceClient,
  SessionServiceService,
} from '../../../src/gen/tapgate/v1/session_service.ts';
import type { Conversation } from '../../../src/server/transport/exchange.ts';
import type { ConversationLimits } from '../../../src/server/transport/limits.ts';
import { CallCancelled, CallRefused } from '../../../src/server/transport/refused.ts';
import { conversation, type RunConversation, service } from '../../../src/server/transport/service.ts';
import { ClientConversation, channelOptions } from '../../../src/wire/channel.ts';
import { refusalFromError } from '../../../src/wire/status.ts';
import { Certificates, callLines, channelTo, type Edge, startEdge } from './support/edge.ts';

type Run = RunConversation<OpenRequest, OpenResponse>;

const opening: OpenRequest = { message: { $case: 'open', value: { deviceToken: 'a' } } };
const directive = (reason: string): OpenResponse => ({
  message: { $case: 'directive', value: { kind: DirectiveKind.SUSPEND, reason } },
});

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

interface Client {
  readonly edge: Edge;
  readonly raw: SessionServiceClient;
  open(): ClientConversation<OpenRequest, OpenResponse>;
}

/** Runs `use` against a device listener whose session service is `run`. */
async function withSession(run: Run, limits: Partial<ConversationLimits>, use: (client: Client) => Promise<void>) {
  const services = [service(SessionServiceService, { open: conversation(run, limits) })];
  const edge = await startEdge(certificates, 'device', services);
  const raw = new SessionServiceClient(...(await channelTo(edge, await certificates.client('device'))));
  try {
    await use({ edge, raw, open: () => new ClientConversation(raw.open()) });
  } finally {
    raw.close();
    await edge.listener.drain(2_000);
  }
}

const refusalOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => ({ ...refusalFromError(error), code: (error as { code: unknown }).code }),
  );

describe('a conversation', () => {
  test('takes messages in order, answers, and ends when the handler returns', async () => {
    const echo: Run = async (stream) => {
      let count = 0;
      while ((await stream.next()) !== null) await stream.send(directive(String(++count)));
    };
    await withSession(echo, {}, async ({ open, edge }) => {
      const client = open();
      for (let i = 0; i < 40; i += 1) await client.send(opening);
      client.close();
      const answers: unknown[] = [];
      for (let answer = await client.next(); answer; answer = await client.next()) answers.push(answer.message?.value);
      expect(answers).toHaveLength(40);
      expect(answers.at(-1)).toMatchObject({ reason: '40' });
      expect(callLines(edge)).toMatchObject([
        { method: 'tapgate.v1.SessionService/Open', plane: 'device', code: 'OK', received: 40, sent: 40 },
      ]);
    });
  });

  test('gives null once the client has half-closed, also to one that already waits', async () => {
    const seen: unknown[] = [];
    const run: Run = async (stream) => {
      seen.push(await stream.next(), await stream.next());
    };
    await withSession(run, {}, async ({ open }) => {
      const client = open();
      client.close();
      expect(await client.next()).toBeNull();
      expect(seen).toEqual([null, null]);
    });
  });

  test('refuses with DEADLINE_PASSED when no message comes in time', async () => {
    const run: Run = async (stream) => {
      await stream.next({ withinMilliseconds: 5 });
    };
    await withSession(run, {}, async ({ open }) => {
      const refusal = await refusalOf(open().next());
      expect(refusal).toMatchObject({ code: status.FAILED_PRECONDITION, reasons: ['DEADLINE_PASSED'] });
    });
  });

  test('goes on after a message that came too late, if the handler does', async () => {
    const run: Run = async (stream) => {
      const late = await stream.next({ withinMilliseconds: 5 }).catch((cause: unknown) => cause);
      expect(late).toBeInstanceOf(CallRefused);
      await stream.send(directive('late'));
      expect(await stream.next()).toEqual(opening);
    };
    await withSession(run, {}, async ({ open }) => {
      const client = open();
      await client.next();
      await client.send(opening);
      expect(await client.next()).toBeNull();
    });
  });

  test('allows one waiting call of next', async () => {
    const run: Run = async (stream) => {
      const first = stream.next();
      await expect(stream.next()).rejects.toThrow('already waits');
      expect(await first).toEqual(opening);
    };
    await withSession(run, {}, async ({ open }) => {
      const client = open();
      await client.send(opening);
      expect(await client.next()).toBeNull();
    });
  });

  test('tells a phone what it may know, and the log what was so', async () => {
    const run: Run = async (stream) => {
      await stream.send(directive('before'));
      stream.refuse(['CHAIN_FORGED_EXTENSION'], 'certificate 2');
      await expect(stream.send(directive('after'))).rejects.toBeInstanceOf(CallRefused);
      await expect(stream.next()).rejects.toBeInstanceOf(CallRefused);
    };
    await withSession(run, {}, async ({ open, edge }) => {
      const client = open();
      expect(await client.next()).toEqual(directive('before'));
      const refusal = await refusalOf(client.next());
      expect(refusal).toMatchObject({ code: status.PERMISSION_DENIED, reasons: ['ATTESTATION_REFUSED'] });
      expect(refusal?.metadata).toEqual({ call: expect.stringMatching(/^[0-9a-f]{16}$/) });
      expect(callLines(edge)).toMatchObject([
        { code: 'PERMISSION_DENIED', reasons: ['CHAIN_FORGED_EXTENSION'], detail: 'certificate 2' },
      ]);
      expect(await edge.registry.metrics()).toContain('reason="CHAIN_FORGED_EXTENSION"} 1');
    });
  });

  test('answers an unexpected exception with SERVICE_UNAVAILABLE and none of its text', async () => {
    const run: Run = async () => {
      throw new TypeError('a secret of the database');
    };
    await withSession(run, {}, async ({ open, edge }) => {
      const error = await open()
        .next()
        .catch((cause: unknown) => cause as Error & { metadata: { toJSON(): unknown } });
      expect(refusalFromError(error)).toMatchObject({ reasons: ['SERVICE_UNAVAILABLE'] });
      expect(refusalFromError(error)?.retryAfterMilliseconds).toBeGreaterThanOrEqual(1_000);
      expect(JSON.stringify([error, String(error)])).not.toContain('secret');
      expect(edge.lines).toContainEqual(
        expect.objectContaining({ err: expect.objectContaining({ type: 'TypeError' }) }),
      );
    });
  });

  test('refuses more messages than its limit', async () => {
    const run: Run = async (stream) => {
      while ((await stream.next()) !== null);
    };
    await withSession(run, { maximumMessages: 3 }, async ({ open }) => {
      const client = open();
      for (let i = 0; i < 4; i += 1) await client.send(opening);
      const refusal = await refusalOf(client.next());
      expect(refusal).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reasons: ['TOO_MANY_REQUESTS'] });
      expect(refusal?.retryAfterMilliseconds).toBeGreaterThan(0);
    });
  });

  test('ends at its age although the handler waits for something else', async () => {
    let reason: unknown;
    const run: Run = async (stream) => {
      await new Promise((resolve) => stream.signal.addEventListener('abort', resolve));
      reason = stream.signal.reason;
    };
    await withSession(run, { maximumLifetimeMilliseconds: 5 }, async ({ open }) => {
      expect(await refusalOf(open().next())).toMatchObject({ reasons: ['DEADLINE_PASSED'] });
      expect(reason).toBeInstanceOf(CallRefused);
    });
  });

  test('tells the handler that the caller has left', async () => {
    const left = Promise.withResolvers<unknown>();
    const run: Run = async (stream) => {
      await stream.next();
      await stream.send(directive('go'));
      await stream.next().catch((cause: unknown) => left.resolve([cause, stream.signal.aborted]));
      await stream.next();
    };
    await withSession(run, {}, async ({ open, edge }) => {
      const client = open();
      await client.send(opening);
      await client.next();
      client.cancel();
      expect(await left.promise).toEqual([expect.any(CallCancelled), true]);
      await expect(client.next()).rejects.toMatchObject({ code: status.CANCELLED });
      await edge.listener.drain(2_000);
      expect(callLines(edge)).toMatchObject([{ code: 'CANCELLED' }]);
    });
  });

  test('refuses bytes that are no message with MALFORMED_MESSAGE', async () => {
    const run: Run = async (stream) => {
      await stream.next();
    };
    await withSession(run, {}, async ({ raw }) => {
      const { path, responseDeserialize } = SessionServiceService.open;
      const bytes = (value: Buffer): Buffer => value;
      const call = raw.makeBidiStreamRequest(path, bytes, responseDeserialize);
      const client = new ClientConversation(call);
      await client.send(Buffer.from('0aff01', 'hex'));
      const refusal = await refusalOf(client.next());
      expect(refusal).toMatchObject({ code: status.INVALID_ARGUMENT, reasons: ['MALFORMED_MESSAGE'] });
      expect(refusal?.metadata?.detail).toBe('not the wire format');
    });
  });

  test('refuses a message over the size limit', async () => {
    const run: Run = async (stream) => {
      await stream.next();
    };
    await withSession(run, {}, async ({ edge }) => {
      const options = { 'grpc.max_send_message_length': 1_000_000 };
      const [target, credentials] = await channelTo(edge, await certificates.client('device'));
      const raw = new SessionServiceClient(target, credentials, { ...channelOptions(), ...options });
      const client = new ClientConversation(raw.open());
      await client.send({ message: { $case: 'open', value: { deviceToken: 'x'.repeat(65_536) } } });
      await expect(client.next()).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
      raw.close();
      await edge.listener.drain(2_000);
      expect(callLines(edge)).toMatchObject([{ code: 'CANCELLED', received: 0 }]);
    });
  });
});

describe('a client that does not read', () => {
  const kilobytes = directive('x'.repeat(16_384));

  test('is cut after the time that it has, with few messages waiting', async () => {
    const done = Promise.withResolvers<{ cause: unknown; sent: number }>();
    const run: Run = async (stream: Conversation<OpenRequest, OpenResponse>) => {
      try {
        for (;;) await stream.send(kilobytes);
      } catch (cause) {
        done.resolve({ cause, sent: stream.counts.sent });
        throw cause;
      }
    };
    await withSession(run, { sendWithinMilliseconds: 50 }, async ({ raw, edge }) => {
      const call = raw.open();
      const ended = Promise.withResolvers<number>();
      call.on('error', ({ code }: { code: number }) => ended.resolve(code));
      call.pause();
      const { cause, sent } = await done.promise;
      expect(cause).toMatchObject({ reasons: ['DEADLINE_PASSED'], detail: 'the client does not read' });
      // Windows of HTTP/2 and sockets, and the 16 messages of grpc-js: far from what an endless loop would pile up.
      expect(sent).toBeLessThan(100);
      call.resume();
      expect(await ended.promise).toBe(status.RESOURCE_EXHAUSTED);
      expect(callLines(edge)).toMatchObject([{ code: 'FAILED_PRECONDITION', reasons: ['DEADLINE_PASSED'] }]);
    });
  });

  test('is cut at once when a handler piles up messages without waiting', async () => {
    const done = Promise.withResolvers<number>();
    const run: Run = async (stream) => {
      const sends = Array.from({ length: 1_000 }, () => stream.send(kilobytes));
      const settled = await Promise.allSettled(sends);
      done.resolve(settled.filter(({ status: state }) => state === 'rejected').length);
    };
    await withSession(run, { maximumUnsent: 32 }, async ({ raw }) => {
      const call = raw.open();
      call.on('error', () => {});
      call.pause();
      expect(await done.promise).toBeGreaterThan(900);
      call.resume();
    });
  });

  test('does not hold its stream by ignoring the status', async () => {
    const finished = Promise.withResolvers<void>();
    const run: Run = async (stream) => {
      // Within the buffers, so that nothing waits for room; the status then waits behind them.
      for (let i = 0; i < 12; i += 1) await stream.send(kilobytes);
      finished.resolve();
    };
    await withSession(run, { sendWithinMilliseconds: 50 }, async ({ raw, edge }) => {
      const call = raw.open();
      const ended = Promise.withResolvers<number>();
      call.on('error', ({ code }: { code: number }) => ended.resolve(code));
      call.pause();
      await finished.promise;
      const { cut } = await edge.listener.drain(5_000);
      expect(cut).toBe(0);
      call.resume();
    });
  });
});

describe('a client that writes without pause', () => {
  test('is read no further than the handler takes', async () => {
    const release = Promise.withResolvers<void>();
    let taken = 0;
    const run: Run = async (stream) => {
      await stream.send(directive('started'));
      await release.promise;
      while ((await stream.next()) !== null) taken += 1;
    };
    await withSession(run, { maximumMessages: 100_000 }, async ({ open }) => {
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
