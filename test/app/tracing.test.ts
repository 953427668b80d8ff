import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { Registry } from 'prom-client';
import { openAdmission } from '../../src/app/admission.ts';
import { openTracing, type Tracing, tracingTo } from '../../src/app/tracing.ts';
import { CreateInviteRequest, InviteAdminServiceClient } from '../../src/gen/tapgate/v1/invite_admin_service.ts';
import { refuse } from '../../src/reasons/result.ts';
import { admissionPolicySchema } from '../../src/server/admission/policy.ts';
import { registerServiceMetrics } from '../../src/server/ops/service-metrics.ts';
import type { TraceCall } from '../../src/server/transport/context.ts';
import { CallRefused, orRefuse } from '../../src/server/transport/refused.ts';
import { SqlPool } from '../../src/store/sql/engine/pool.ts';
import { prepared } from '../../src/store/sql/engine/statement.ts';
import { MemoryRateLimit } from '../../src/store/volatile/memory-rate-limit.ts';
import { VaultClient } from '../../src/vault/client.ts';
import { Certificates, channelTo, type Edge, startEdge } from '../server/transport/support/edge.ts';
import { invites, type RunInvite } from '../server/transport/support/invites.ts';
import { opening, type RunSession, withSession } from '../server/transport/support/session.ts';
import { temporaryDatabase } from '../store/engine/temporary.ts';
import { TestClock } from '../support/clock.ts';
import { SeededRandom } from '../support/random.ts';
import { FakeVault, layoutAnswer } from '../vault/support/fake-vault.ts';

const FIND_DEVICE = prepared('tracing-test-find', 'SELECT $1::text AS id');
const CALLERS_TRACE = '0af7651916cd43dd8448eb211c80319c';
const TRACEPARENT = `00-${CALLERS_TRACE}-b7ad6b7169203331-01`;

let certificates: Certificates;
let temporary: Awaited<ReturnType<typeof temporaryDatabase>>;
const vault = new FakeVault();
let socket: string;

beforeAll(async () => {
  certificates = await Certificates.make();
  temporary = await temporaryDatabase();
  socket = `${certificates.directory}/vault.sock`;
  vault.onRequest = (request, stream) => void stream.write(layoutAnswer(request));
  await vault.start(socket);
});

afterAll(async () => {
  vault.stop();
  await temporary.dispose();
  await certificates.remove();
});

let exporter: InMemorySpanExporter;
let tracing: Tracing;
beforeEach(() => {
  exporter = new InMemorySpanExporter();
  tracing = tracingTo(new SimpleSpanProcessor({ exporter }), 1);
});

interface Tree {
  readonly name: string;
  readonly below: readonly Tree[];
}

function treeOf(spans: readonly ReadableSpan[], parent: string | undefined): Tree[] {
  return spans
    .filter((span) => span.parentSpanContext?.spanId === parent)
    .map((span) => ({ name: span.name, below: treeOf(spans, span.spanContext().spanId) }));
}

/** Spans end after the client has its answer. */
async function finished(count: number): Promise<readonly ReadableSpan[]> {
  for (let look = 0; look < 200 && exporter.getFinishedSpans().length < count; look += 1) await sleep(5);
  return exporter.getFinishedSpans();
}

test('one attestation is a tree from its stream to the statements', async () => {
  const clock = new TestClock();
  const limit = () => new MemoryRateLimit(clock, new SeededRandom('tracing'), 10);
  const admission = openAdmission({
    clock,
    phones: limit(),
    partners: limit(),
    policy: () => admissionPolicySchema.parse({}),
    metrics: registerServiceMetrics(new Registry()),
    aroundAppraisal: tracing.around('attestation'),
  });
  const { connection: address } = temporary.database;
  const pool = new SqlPool({ address, applicationName: 'tracing test', around: tracing.around('sql') });
  const client = new VaultClient({ socket, random: new SeededRandom('vault') }, tracing.around('vault'));
  const run: RunSession = async (stream, context) => {
    await stream.next();
    await admission.attestations.exchange({ kind: 'device', deviceId: 'd' }, context, async () => {
      await pool.query(FIND_DEVICE, ['4539578763621486']);
      await admission.attestations.appraise(async () => {
        await pool.query('SELECT 1 AS one');
        orRefuse(await client.shuffleLayout());
      }, stream.signal);
    });
  };
  try {
    // Outside of a call nothing is recorded: no span stands alone.
    await pool.query('SELECT 2 AS two');
    await withSession(
      certificates,
      run,
      {},
      async ({ raw }) => {
        const stream = raw.open();
        stream.write(opening);
        await new Promise((resolve) => stream.on('error', resolve).on('end', resolve).resume());
      },
      { traceCall: tracing.traceCall },
    );
    const spans = await finished(5);
    expect(treeOf(spans, undefined)).toEqual([
      {
        name: 'tapgate.v1.SessionService/Open',
        below: [
          { name: 'sql tracing-test-find', below: [] },
          {
            name: 'attestation appraisal',
            below: [
              { name: 'sql SELECT', below: [] },
              { name: 'vault shuffleLayout', below: [] },
            ],
          },
        ],
      },
    ]);
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1);
    expect(JSON.stringify(spans.map(({ name, attributes, events }) => ({ name, attributes, events })))).not.toMatch(
      /4539578763621486/,
    );
  } finally {
    client.close();
    await pool.close();
  }
});

describe('a call', () => {
  async function asked(edge: Edge, name: string, metadata: Metadata): Promise<unknown> {
    const client = new InviteAdminServiceClient(...channelTo(edge, await certificates.client('admin', name)));
    try {
      return await new Promise((resolve) =>
        client.createInvite(
          CreateInviteRequest.fromPartial({ acquirer: 'acme', merchant: 'shop' }),
          metadata,
          (error, answer) => resolve(error ?? answer),
        ),
      );
    } finally {
      client.close();
    }
  }

  async function traced(run: RunInvite, traceparent: string): Promise<ReadableSpan | undefined> {
    const metadata = new Metadata();
    metadata.set('traceparent', traceparent);
    const edge = await startEdge(certificates, 'admin', [invites(run)], { traceCall: tracing.traceCall });
    try {
      await asked(edge, 'admin/ada@officer', metadata);
      return (await finished(1))[0];
    } finally {
      await edge.listener.drain(2_000);
    }
  }

  const answer: RunInvite = async () => ({ inviteId: 'i', code: 'c', expiresAt: new Date() });

  test('of a partner goes on with the trace that it names', async () => {
    const span = await traced(answer, TRACEPARENT);
    expect(span?.spanContext().traceId).toBe(CALLERS_TRACE);
    expect(span?.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(span?.attributes).toEqual({
      'rpc.system': 'grpc',
      'rpc.method': 'tapgate.v1.InviteAdminService/CreateInvite',
      'tapgate.plane': 'admin',
    });
  });

  test.each([
    '',
    'nonsense',
    `${TRACEPARENT}-more`,
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    'x'.repeat(7_000),
  ])('of a partner with a traceparent of no known form begins a trace (%#)', async (traceparent) => {
    const span = await traced(answer, traceparent);
    expect(span?.parentSpanContext).toBeUndefined();
    expect(span?.spanContext().traceId).not.toBe(CALLERS_TRACE);
  });

  test('that is refused says by which reason, and is no error', async () => {
    const run: RunInvite = async () => {
      throw new CallRefused(['ROLE_NOT_ALLOWED'], 'a person');
    };
    const span = await traced(run, TRACEPARENT);
    expect(span?.attributes['tapgate.reason']).toBe('ROLE_NOT_ALLOWED');
    expect(span?.status.code).toBe(0);
    expect(JSON.stringify(span?.attributes)).not.toContain('a person');
  });

  test('that fails unexpectedly says what kind of failure it was, and not its words', async () => {
    const run: RunInvite = async () => {
      throw new RangeError('card 4539578763621486');
    };
    const span = await traced(run, TRACEPARENT);
    expect(span).toMatchObject({ status: { code: 2 }, events: [] });
    expect(span?.attributes['error.type']).toBe('RangeError');
    expect(JSON.stringify([span?.attributes, span?.status])).not.toContain('4539');
  });

  test("of a phone is not told to go on with the phone's trace", async () => {
    const seen: Parameters<TraceCall>[0][] = [];
    const traceCall: TraceCall = (call, work) => {
      seen.push(call);
      return work();
    };
    await withSession(
      certificates,
      async () => {},
      {},
      async ({ raw }) => {
        const metadata = new Metadata();
        metadata.set('traceparent', TRACEPARENT);
        const stream = raw.open(metadata);
        await new Promise((resolve) => stream.on('error', resolve).on('end', resolve).resume());
      },
      { traceCall },
    );
    expect(seen).toEqual([{ method: 'tapgate.v1.SessionService/Open', plane: 'device', traceparent: null }]);
  });
});

test('a refusal as a value is told by its reason', async () => {
  await tracing.traceCall({ method: 'a', plane: 'device', traceparent: null }, () =>
    tracing.around('vault')('signGrant', async () => refuse('VAULT_UNAVAILABLE', 'no answer in time')),
  );
  expect(exporter.getFinishedSpans()[0]?.attributes).toEqual({
    'tapgate.operation': 'signGrant',
    'tapgate.reason': 'VAULT_UNAVAILABLE',
  });
});

test('a trace that is not sampled costs its children nothing', async () => {
  const none = tracingTo(new SimpleSpanProcessor({ exporter }), 0);
  await none.traceCall({ method: 'a', plane: 'device', traceparent: null }, () =>
    none.around('sql')('find', async () => null),
  );
  expect(exporter.getFinishedSpans()).toEqual([]);
});

test('spans are sent to the collector as OTLP, and a collector that is away holds nothing up', async () => {
  const bodies: Buffer[] = [];
  const types: (string | undefined)[] = [];
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    types.push(request.headers['content-type']);
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      bodies.push(Buffer.concat(chunks));
      response.end();
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo;
  const sent = openTracing({ endpoint: `http://127.0.0.1:${port}/v1/traces`, fraction: 1 });
  const away = openTracing({ endpoint: 'http://127.0.0.1:1/v1/traces', fraction: 1 });
  for (const each of [sent, away])
    await each.traceCall(
      { method: 'tapgate.v1.SessionService/Open', plane: 'device', traceparent: null },
      async () => {},
    );
  await sent.close();
  await away.close();
  await new Promise((resolve) => collector.close(resolve));
  expect(types).toEqual(['application/x-protobuf']);
  expect(bodies[0]?.includes('tapgate.v1.SessionService/Open')).toBe(true);
});
