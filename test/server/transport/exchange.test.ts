import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SessionServiceClient, SessionServiceService } from '../../../src/gen/tapgate/v1/session_service.ts';
import { CallCancelled, CallRefused } from '../../../src/server/transport/refused.ts';
import { ClientConversation, channelOptions } from '../../../src/wire/channel.ts';
import { refusalFromError } from '../../../src/wire/status.ts';
import { Certificates, callLines, channelTo } from './support/edge.ts';
import { directive, opening, type RunSession, withSession } from './support/session.ts';

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

const refusalOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => ({ ...refusalFromError(error), code: (error as { code: unknown }).code }),
  );

describe('a conversation', () => {
  test('takes messages in order, answers, and ends when the handler returns', async () => {
    const echo: RunSession = async (stream) => {
      let count = 0;
      while ((await stream.next()) !== null) await stream.send(directive(String(++count)));
    };
    await withSession(certificates, echo, {}, async ({ open, edge }) => {
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
    const run: RunSession = async (stream) => {
      seen.push(await stream.next(), await stream.next());
    };
    await withSession(certificates, run, {}, async ({ open }) => {
      const client = open();
      client.close();
      expect(await client.next()).toBeNull();
      expect(seen).toEqual([null, null]);
    });
  });

  test('refuses with DEADLINE_PASSED when no message comes in time', async () => {
    const run: RunSession = async (stream) => {
      await stream.next({ withinMilliseconds: 5 });
    };
    await withSession(certificates, run, {}, async ({ open }) => {
      const refusal = await refusalOf(open().next());
      expect(refusal).toMatchObject({ code: status.FAILED_PRECONDITION, reasons: ['DEADLINE_PASSED'] });
    });
  });

  test('goes on after a message that came too late, if the handler does', async () => {
    const run: RunSession = async (stream) => {
      const late = await stream.next({ withinMilliseconds: 5 }).catch((cause: unknown) => cause);
      expect(late).toBeInstanceOf(CallRefused);
      await stream.send(directive('late'));
      expect(await stream.next()).toEqual(opening);
    };
    await withSession(certificates, run, {}, async ({ open }) => {
      const client = open();
      await client.next();
      await client.send(opening);
      expect(await client.next()).toBeNull();
    });
  });

  test('allows one waiting call of next', async () => {
    const run: RunSession = async (stream) => {
      const first = stream.next();
      await expect(stream.next()).rejects.toThrow('already waits');
      expect(await first).toEqual(opening);
    };
    await withSession(certificates, run, {}, async ({ open }) => {
      const client = open();
      await client.send(opening);
      expect(await client.next()).toBeNull();
    });
  });

  test('tells a phone what it may know, and the log what was so', async () => {
    const run: RunSession = async (stream) => {
      await stream.send(directive('before'));
      stream.refuse(['CHAIN_FORGED_EXTENSION'], 'certificate 2');
      await expect(stream.send(directive('after'))).rejects.toBeInstanceOf(CallRefused);
      await expect(stream.next()).rejects.toBeInstanceOf(CallRefused);
    };
    await withSession(certificates, run, {}, async ({ open, edge }) => {
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
    const run: RunSession = async () => {
      throw new TypeError('a secret of the database');
    };
    await withSession(certificates, run, {}, async ({ open, edge }) => {
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
    const run: RunSession = async (stream) => {
      while ((await stream.next()) !== null);
    };
    await withSession(certificates, run, { maximumMessages: 3 }, async ({ open }) => {
      const client = open();
      for (let i = 0; i < 4; i += 1) await client.send(opening);
      const refusal = await refusalOf(client.next());
      expect(refusal).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reasons: ['TOO_MANY_REQUESTS'] });
      expect(refusal?.retryAfterMilliseconds).toBeGreaterThan(0);
    });
  });

  test('ends at its age although the handler waits for something else', async () => {
    let reason: unknown;
    const run: RunSession = async (stream) => {
      await new Promise((resolve) => stream.signal.addEventListener('abort', resolve));
      reason = stream.signal.reason;
    };
    await withSession(certificates, run, { maximumLifetimeMilliseconds: 5 }, async ({ open }) => {
      expect(await refusalOf(open().next())).toMatchObject({ reasons: ['DEADLINE_PASSED'] });
      expect(reason).toBeInstanceOf(CallRefused);
    });
  });

  test('tells the handler that the caller has left', async () => {
    const left = Promise.withResolvers<unknown>();
    const run: RunSession = async (stream) => {
      await stream.next();
      await stream.send(directive('go'));
      await stream.next().catch((cause: unknown) => left.resolve([cause, stream.signal.aborted]));
      await stream.next();
    };
    await withSession(certificates, run, {}, async ({ open, edge }) => {
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
    const run: RunSession = async (stream) => {
      await stream.next();
    };
    await withSession(certificates, run, {}, async ({ raw }) => {
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
    const run: RunSession = async (stream) => {
      await stream.next();
    };
    await withSession(certificates, run, {}, async ({ edge }) => {
      const options = { 'grpc.max_send_message_length': 1_000_000 };
      const [target, credentials] = channelTo(edge, await certificates.client('device'));
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
