import { once } from 'node:events';
import {
  type Client,
  type ClientReadableStream,
  makeGenericClientConstructor,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { protoPath as healthProto } from 'grpc-health-check';
import { DeviceTokenServiceService, IntrospectResponse } from '../../../src/gen/tapgate/v1/device_token_service.ts';
import { SessionServiceService } from '../../../src/gen/tapgate/v1/session_service.ts';
import { conversation, serverStream, service, unary } from '../../../src/server/transport/service.ts';
import { ClientConversation } from '../../../src/wire/channel.ts';
import { refusalFromError } from '../../../src/wire/status.ts';
import { Certificates, channelTo, type Edge, startEdge } from './support/edge.ts';

let certificates: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

const sessions = () => service(SessionServiceService, { open: conversation(async () => {}) });

/** The service of a proto file of another package. */
function definitionOf(file: string, name: string, includeDirs: string[] = []): ServiceDefinition {
  return loadSync(file, { enums: String, includeDirs })[name] as ServiceDefinition;
}

async function clientOf(edge: Edge, definition: ServiceDefinition, name: string): Promise<Client> {
  return new (makeGenericClientConstructor(definition, name))(...channelTo(edge, await certificates.client('device')));
}

interface HealthClient extends Client {
  check(request: { service: string }, done: (error: ServiceError | null, answer: { status: string }) => void): void;
  watch(request: { service: string }): ClientReadableStream<{ status: string }>;
}

const healthOf = async (edge: Edge): Promise<HealthClient> =>
  (await clientOf(edge, definitionOf(healthProto, 'grpc.health.v1.Health'), 'Health')) as HealthClient;

const checkOf = (client: HealthClient, name: string) =>
  new Promise<string | number>((resolve) => {
    client.check({ service: name }, (error, answer) => resolve(error ? error.code : answer.status));
  });

describe('health', () => {
  test('answers for the listener and its services, and flips', async () => {
    const edge = await startEdge(certificates, 'device', [sessions()]);
    const client = await healthOf(edge);
    const watched = client.watch({ service: '' })[Symbol.asyncIterator]();
    expect((await watched.next()).value).toEqual({ status: 'SERVING' });
    expect(await checkOf(client, '')).toBe('SERVING');
    expect(await checkOf(client, 'tapgate.v1.SessionService')).toBe('SERVING');
    expect(await checkOf(client, 'tapgate.v1.InviteAdminService')).toBe(status.NOT_FOUND);
    edge.listener.setServing(false);
    expect((await watched.next()).value).toEqual({ status: 'NOT_SERVING' });
    expect(await checkOf(client, 'tapgate.v1.SessionService')).toBe('NOT_SERVING');
    edge.listener.setServing(true);
    expect((await watched.next()).value).toEqual({ status: 'SERVING' });
    const drained = edge.listener.drain(60_000);
    edge.listener.setServing(true);
    expect((await watched.next()).value).toEqual({ status: 'NOT_SERVING' });
    expect((await watched.next()).done).toBe(true);
    expect(await drained).toEqual({ cut: 0 });
    client.close();
  });
});

describe('watching health', () => {
  test('counts as an open call, and is refused over their number', async () => {
    const edge = await startEdge(certificates, 'device', [sessions()], { limits: { maximumOpenCalls: 1 } });
    const client = await healthOf(edge);
    const first = client.watch({ service: '' });
    first.on('error', () => {});
    await once(first, 'data');
    const second = client.watch({ service: '' });
    const [error] = await once(second.resume(), 'error').catch((cause: unknown) => [cause]);
    expect(refusalFromError(error)?.reasons).toEqual(['TOO_MANY_REQUESTS']);
    client.close();
    await edge.listener.drain(1_000);
  });
});

describe('reflection', () => {
  const protos = new URL('../../../node_modules/@grpc/reflection/build/proto/', import.meta.url).pathname;

  type Answer = Record<string, unknown> & { fileDescriptorResponse?: { fileDescriptorProto: Buffer[] } };

  async function reflect(edge: Edge, version: string, requests: object[]): Promise<Answer[]> {
    const name = `grpc.reflection.${version}.ServerReflection`;
    const definition = definitionOf(`grpc/reflection/${version}/reflection.proto`, name, [protos]);
    const client = await clientOf(edge, definition, name);
    const { path, requestSerialize, responseDeserialize } = definition.ServerReflectionInfo!;
    const call = client.makeBidiStreamRequest<object, Answer>(path, requestSerialize, responseDeserialize);
    const stream = new ClientConversation(call);
    const answers: Answer[] = [];
    try {
      for (const request of requests) {
        await stream.send(request);
        const answer = await stream.next();
        if (answer) answers.push(answer);
      }
      stream.close();
      expect(await stream.next()).toBeNull();
    } finally {
      client.close();
    }
    return answers;
  }

  test.each(['v1', 'v1alpha'])('%s knows the services of the listener and no other', async (version) => {
    const tokens = service(DeviceTokenServiceService, {
      getJwks: unary(async () => ({ keys: [] })),
      introspect: unary(async () => IntrospectResponse.fromPartial({})),
      watchRevocations: serverStream(async () => {}),
    });
    const edge = await startEdge(certificates, 'device', [sessions(), tokens]);
    const [list, own, other] = await reflect(edge, version, [
      { listServices: '*' },
      { fileContainingSymbol: 'tapgate.v1.SessionService' },
      { fileContainingSymbol: 'tapgate.v1.InviteAdminService' },
    ]);
    expect(list?.listServicesResponse).toEqual({
      service: [{ name: 'tapgate.v1.SessionService' }, { name: 'tapgate.v1.DeviceTokenService' }],
    });
    const text = Buffer.concat(own?.fileDescriptorResponse?.fileDescriptorProto ?? []).toString('latin1');
    expect(text).toContain('SessionService');
    expect(text).toContain('TransactionGrant');
    expect(text).not.toContain('InviteAdmin');
    expect(other?.errorResponse).toMatchObject({ errorCode: status.NOT_FOUND });
    await edge.listener.drain(1_000);
  });

  test('is bounded in messages', async () => {
    const edge = await startEdge(certificates, 'device', [sessions()]);
    const requests = Array.from({ length: 65 }, () => ({ listServices: '*' }));
    await expect(reflect(edge, 'v1', requests)).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    await edge.listener.drain(1_000);
  });

  test('refuses to start with a service that has no proto', async () => {
    const renamed = { ...sessions(), name: 'tapgate.v1.OtherService' };
    await expect(startEdge(certificates, 'device', [renamed])).rejects.toThrow('no proto file');
  });
});
