import { once } from 'node:events';
import { connect } from 'node:net';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CreateInviteResponse } from '../../../src/gen/tapgate/v1/invite_admin_service.ts';
import { CallRefused } from '../../../src/server/transport/refused.ts';
import { Certificates, callLines, startEdge } from './support/edge.ts';
import { ask, failureOf, invites, type RunInvite, whoami, withEdge } from './support/invites.ts';

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

describe('a unary call', () => {
  test('answers reasons as they are to partners, with the detail of a malformed message only', async () => {
    const refusals = [
      new CallRefused(['MALFORMED_MESSAGE'], 'acquirer'),
      new CallRefused(['CHAIN_FORGED_EXTENSION', 'PATCH_TOO_OLD'], 'certificate 2'),
    ];
    const run: RunInvite = async () => {
      throw refusals.shift() ?? new Error('asked too often');
    };
    await withEdge(startEdge(certificates, 'processing', [invites(run)]), async (edge) => {
      const tls = await certificates.client('processing', 'processing/acme');
      expect(await failureOf(ask(edge, tls))).toMatchObject({
        code: status.INVALID_ARGUMENT,
        reasons: ['MALFORMED_MESSAGE'],
        metadata: { detail: 'acquirer' },
      });
      const second = await failureOf(ask(edge, tls));
      expect(second).toMatchObject({
        code: status.PERMISSION_DENIED,
        reasons: ['CHAIN_FORGED_EXTENSION', 'PATCH_TOO_OLD'],
      });
      expect(Object.keys(second?.metadata ?? {})).toEqual(['call']);
      const metrics = await edge.registry.metrics();
      expect(metrics).toContain('method="tapgate.v1.InviteAdminService/CreateInvite",code="INVALID_ARGUMENT"} 1');
      expect(metrics).toContain('tapgate_unary_call_seconds_count{listener="processing"');
    });
  });

  test('is ended by the service after its longest time', async () => {
    let reason: unknown;
    const run: RunInvite = async (_, { signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      reason = signal.reason;
      return CreateInviteResponse.create();
    };
    await withEdge(startEdge(certificates, 'device', [invites(run, 5)]), async (edge) => {
      const failure = await failureOf(ask(edge, await certificates.client('device')));
      expect(failure).toMatchObject({ code: status.FAILED_PRECONDITION, reasons: ['DEADLINE_PASSED'] });
      expect(reason).toBeInstanceOf(CallRefused);
      expect(callLines(edge)).toHaveLength(1);
    });
  });

  test("is ended at the client's own deadline, and the handler is told", async () => {
    const told = Promise.withResolvers<unknown>();
    const run: RunInvite = (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          told.resolve(signal.reason);
          reject(signal.reason);
        });
      });
    await withEdge(startEdge(certificates, 'device', [invites(run)]), async (edge) => {
      const failure = await failureOf(ask(edge, await certificates.client('device'), { deadline: Date.now() + 300 }));
      expect(failure?.code).toBe(status.DEADLINE_EXCEEDED);
      expect(await told.promise).toMatchObject({ name: 'CallCancelled' });
      expect(callLines(edge)).toMatchObject([{ code: 'CANCELLED' }]);
    });
  });

  test('is refused over the listener’s number of open calls', async () => {
    const release = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    const run: RunInvite = async (message, context) => {
      entered.resolve();
      await release.promise;
      return whoami(message, context);
    };
    await withEdge(
      startEdge(certificates, 'device', [invites(run)], { limits: { maximumOpenCalls: 1 } }),
      async (edge) => {
        const tls = await certificates.client('device');
        const first = ask(edge, tls);
        await entered.promise;
        const second = await failureOf(ask(edge, tls));
        expect(second).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reasons: ['TOO_MANY_REQUESTS'] });
        expect(second?.retryAfterMilliseconds).toBeGreaterThanOrEqual(1_000);
        release.resolve();
        expect((await first).inviteId).toContain('device');
      },
    );
  });
});

describe('connections', () => {
  test('over the limit are dropped before TLS, and counted', async () => {
    await withEdge(
      startEdge(certificates, 'device', [invites(whoami)], { limits: { maximumConnections: 1 } }),
      async (edge) => {
        const { port } = edge.listener.address;
        const first = connect(port, '127.0.0.1');
        await once(first, 'connect');
        const second = connect(port, '127.0.0.1');
        await once(second, 'close');
        expect(await edge.registry.metrics()).toContain('tapgate_connections_dropped_total{listener="device"} 1');
        expect(await edge.registry.metrics()).toContain('tapgate_connections{listener="device"} 1');
        first.destroy();
      },
    );
  });

  test('that never speak TLS are closed after the time for a handshake', async () => {
    await withEdge(
      startEdge(certificates, 'device', [invites(whoami)], { limits: { handshakeMilliseconds: 20 } }),
      async (edge) => {
        const socket = connect(edge.listener.address.port, '127.0.0.1');
        socket.on('error', () => {});
        await once(socket, 'close');
      },
    );
  });

  test('are counted out when they close', async () => {
    const edge = await startEdge(certificates, 'device', [invites(whoami)]);
    await ask(edge, await certificates.client('device'));
    await edge.listener.drain(2_000);
    expect(await edge.registry.metrics()).toContain('tapgate_connections{listener="device"} 0');
  });

  test('cannot be accepted on a port that is taken', async () => {
    await withEdge(startEdge(certificates, 'device', []), async (edge) => {
      const second = startEdge(certificates, 'device', [], { address: edge.listener.address });
      await expect(second).rejects.toMatchObject({ code: 'EADDRINUSE' });
    });
  });
});
