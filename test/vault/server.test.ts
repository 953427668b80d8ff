import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server as NetServer } from 'node:net';
import { join } from 'node:path';
import { Client, type ClientDuplexStream, credentials, status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  ExchangeRequest,
  ExchangeResponse,
  VaultServiceService,
} from '../../src/gen/tapgate/vault/v1/vault_service.ts';
import { VaultClient } from '../../src/vault/client.ts';
import { wipeKeys } from '../../src/vault/keys.ts';
import { Custodian } from '../../src/vault/keystore/custodian.ts';
import type { LogFields } from '../../src/vault/log.ts';
import { startVaultServer, type VaultServer } from '../../src/vault/server.ts';
import { clock, random, temporaryFolder, unwrap, type VaultFixture, vaultFixture } from './support/keystore.ts';

let fixture: VaultFixture;
let folder: ReturnType<typeof temporaryFolder>;
let socket: string;
let logged: [string, LogFields | undefined][];
const running: (() => void)[] = [];
beforeAll(() => {
  fixture = vaultFixture();
});
afterAll(() => fixture.remove());
beforeEach(() => {
  folder = temporaryFolder();
  socket = join(folder.path, 'run', 'vault.sock');
  logged = [];
});
afterEach(() => {
  for (const stop of running.splice(0).reverse()) stop();
  folder.remove();
});

let keysAsked = 0;
const start = (custodian = fixture.custodian) =>
  startVaultServer({
    socket,
    // Counts how often the keys are asked for: once a call.
    custodian: new Proxy(custodian, {
      get: (target, name) => {
        if (name === 'keys') keysAsked += 1;
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    }),
    ports: { random, clock },
    log: (event, fields) => logged.push([event, fields]),
  });
async function started(custodian = fixture.custodian): Promise<VaultServer> {
  const server = unwrap(await start(custodian));
  running.push(() => server.stop());
  return server;
}

/** An exchange of raw bytes. */
function rawExchange(): ClientDuplexStream<Buffer, Buffer> {
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  const same = (bytes: Buffer): Buffer => bytes;
  const stream = client.makeBidiStreamRequest(VaultServiceService.exchange.path, same, same);
  running.push(() => {
    stream.cancel();
    client.close();
  });
  stream.on('error', () => undefined);
  return stream;
}
const next = (stream: ClientDuplexStream<Buffer, Buffer>): Promise<ExchangeResponse> =>
  new Promise((resolve) => stream.once('data', (bytes: Buffer) => resolve(ExchangeResponse.decode(bytes))));
const failure = (stream: ClientDuplexStream<Buffer, Buffer>): Promise<number> =>
  new Promise((resolve) => stream.once('error', (error) => resolve('code' in error ? Number(error.code) : -1)));
const request = (call: ExchangeRequest['call'], id = 7n): Buffer =>
  Buffer.from(ExchangeRequest.encode({ id, call }).finish());

describe("the vault's socket", () => {
  test('is for its owner only, and so is its folder', async () => {
    await started();
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder.path, 'run')).mode & 0o777).toBe(0o700);
  });

  test('is gone when the vault has stopped', async () => {
    const server = await started();
    await server.drain(1_000);
    expect(existsSync(socket)).toBe(false);
  });

  test('that a killed vault left behind is replaced', async () => {
    mkdirSync(join(folder.path, 'run'), { mode: 0o700 });
    await leaveStaleSocket(socket);
    expect(existsSync(socket)).toBe(true);
    await started();
    const client = new VaultClient({ socket, random });
    running.push(() => client.close());
    expect(await client.shuffleLayout()).toMatchObject({ ok: true });
  });

  test('that another vault listens at is left to it', async () => {
    await started();
    expect(await start()).toMatchObject({ ok: false, reason: 'SOCKET_IN_USE' });
    const client = new VaultClient({ socket, random });
    running.push(() => client.close());
    expect(await client.shuffleLayout()).toMatchObject({ ok: true });
  });

  test('is not put in the place of a file', async () => {
    mkdirSync(join(folder.path, 'run'), { mode: 0o700 });
    writeFileSync(socket, 'x');
    expect(await start()).toEqual({ ok: false, reason: 'SOCKET_IO', detail: 'not a socket' });
  });

  test('is not put in a folder that others may enter', async () => {
    mkdirSync(join(folder.path, 'run'), { mode: 0o700 });
    chmodSync(join(folder.path, 'run'), 0o755);
    expect(await start()).toEqual({ ok: false, reason: 'SOCKET_FOLDER', detail: 'KEYSTORE_MODE' });
  });

  test('is not put in a folder whose own folder is missing', async () => {
    socket = join(folder.path, 'no', 'run', 'vault.sock');
    expect(await start()).toEqual({ ok: false, reason: 'SOCKET_FOLDER', detail: 'ENOENT' });
  });

  test.each(['run/vault.sock', `/tmp/${'a'.repeat(100)}.sock`])('is refused at %s', async (path) => {
    socket = path;
    expect(await start()).toEqual({ ok: false, reason: 'SOCKET_PATH' });
  });
});

/** What a process leaves that is killed while it listens: a socket that nobody answers at. */
async function leaveStaleSocket(path: string): Promise<void> {
  const server: NetServer = createServer();
  await new Promise<void>((resolve) => server.listen(`${path}.made`, resolve));
  const { renameSync } = await import('node:fs');
  renameSync(`${path}.made`, path);
  await new Promise((resolve) => server.close(resolve));
}

describe('a stream of calls', () => {
  test('that holds no call is answered as malformed', async () => {
    await started();
    const stream = rawExchange();
    stream.write(request(undefined));
    expect(await next(stream)).toEqual({ id: 7n, answer: { $case: 'refused', value: 'MALFORMED_MESSAGE' } });
    expect(logged).toEqual([['refused', { operation: 'none', reason: 'MALFORMED_MESSAGE', detail: 'no call' }]]);
  });

  test('is told a reason and nothing else; the detail is in the log', async () => {
    await started();
    const stream = rawExchange();
    stream.write(request({ $case: 'signGrant', value: { payload: Buffer.from('0a', 'hex') } }));
    expect(await next(stream)).toEqual({ id: 7n, answer: { $case: 'refused', value: 'MALFORMED_MESSAGE' } });
    expect(logged[0]?.[1]).toMatchObject({ operation: 'signGrant' });
  });

  test('is told of a bug that the vault is unavailable; its class alone is in the log', async () => {
    const custodian = unwrap(Custodian.open(fixture.directory, { random, clock }));
    const { keys } = custodian;
    wipeKeys(keys);
    await started(custodian);
    const stream = rawExchange();
    const id = Buffer.concat([keys.pinBdk.id, Buffer.alloc(4)]);
    const accountId = Buffer.concat([keys.accountDataBdk.id, Buffer.alloc(4)]);
    stream.write(
      request({
        $case: 'verifyKeyProof',
        value: {
          pinInitialKeyId: id,
          accountDataInitialKeyId: accountId,
          offer: Buffer.from('offer'),
          pinCmac: Buffer.alloc(16),
          accountDataCmac: Buffer.alloc(16),
        },
      }),
    );
    expect(await next(stream)).toEqual({ id: 7n, answer: { $case: 'refused', value: 'VAULT_UNAVAILABLE' } });
    expect(logged).toEqual([['failed', { operation: 'verifyKeyProof', exception: 'SecretWiped' }]]);
  });

  test('that is no message ends, and others go on', async () => {
    await started();
    const [bad, good] = [rawExchange(), rawExchange()];
    const ended = failure(bad);
    bad.write(Buffer.from('ffffffffffffffff', 'hex'));
    expect(await ended).toBe(status.INTERNAL);
    good.write(request({ $case: 'shuffleLayout', value: {} }));
    expect((await next(good)).answer?.$case).toBe('shuffleLayout');
  });

  test('over the largest message ends', async () => {
    await started();
    const stream = rawExchange();
    const ended = failure(stream);
    stream.write(request({ $case: 'signDeviceToken', value: { claims: 'x'.repeat(300_000) } }));
    expect(await ended).toBe(status.RESOURCE_EXHAUSTED);
  });

  test('is read no further while its answers are not taken', async () => {
    await started();
    const stream = rawExchange();
    const calls = 4_000;
    stream.write(request({ $case: 'describeKeys', value: { knownGeneration: 0n } }));
    await next(stream);
    stream.pause();
    keysAsked = 0;
    for (let id = 0; id < calls; id += 1)
      stream.write(request({ $case: 'describeKeys', value: { knownGeneration: 0n } }, BigInt(id)));
    await untilSteady(() => keysAsked);
    expect(keysAsked).toBeGreaterThan(0);
    expect(keysAsked).toBeLessThan(calls);
    let answers = 0;
    const all = new Promise<void>((resolve) =>
      stream.on('data', () => {
        answers += 1;
        if (answers === calls) resolve();
      }),
    );
    stream.resume();
    await all;
    expect(keysAsked).toBe(calls);
  });
});

/** Settles once a number that grows has not grown for a while. */
function untilSteady(read: () => number): Promise<void> {
  return new Promise((resolve) => {
    let last = -1;
    const timer = setInterval(() => {
      if (read() > 0 && read() === last) {
        clearInterval(timer);
        resolve();
      }
      last = read();
    }, 250);
  });
}

describe('a drain', () => {
  test('lets an open stream end, then settles', async () => {
    const server = await started();
    const stream = rawExchange();
    stream.write(request({ $case: 'shuffleLayout', value: {} }));
    await next(stream);
    const drained = server.drain(20_000);
    stream.write(request({ $case: 'shuffleLayout', value: {} }));
    expect((await next(stream)).answer?.$case).toBe('shuffleLayout');
    stream.end();
    stream.resume();
    await drained;
  });

  test('cuts what is left at its deadline', async () => {
    const server = await started();
    const stream = rawExchange();
    stream.write(request({ $case: 'shuffleLayout', value: {} }));
    await next(stream);
    const cut = failure(stream);
    stream.resume();
    await server.drain(50);
    expect(await cut).toBeGreaterThan(0);
  });
});

describe('a batch', () => {
  const LAYOUT = { $case: 'shuffleLayout', value: {} } as const;
  const batch = (...calls: Buffer[]): Buffer => request({ $case: 'batch', value: { calls } }, 0n);
  const answersIn = ({ id, answer }: ExchangeResponse): ExchangeResponse[] => {
    expect(id).toBe(0n);
    return answer?.$case === 'batch' ? answer.value.answers.map((bytes) => ExchangeResponse.decode(bytes)) : [];
  };

  test('is answered call by call, in its order, under their own ids: refusals, too', async () => {
    await started();
    const stream = rawExchange();
    const unknown = { $case: 'signGrant', value: { payload: Buffer.from('x') } } as const;
    stream.write(batch(request(LAYOUT, 3n), request(unknown, 1n), request(undefined, 2n), request(LAYOUT, 9n)));
    const answers = answersIn(await next(stream));
    expect(answers.map(({ id, answer }) => [id, answer?.$case])).toEqual([
      [3n, 'shuffleLayout'],
      [1n, 'refused'],
      [2n, 'refused'],
      [9n, 'shuffleLayout'],
    ]);
  });

  test('has no batch in it, nothing that is no call, and no more than 16 calls', async () => {
    await started();
    const stream = rawExchange();
    stream.write(batch(batch(request(LAYOUT, 1n)), Buffer.from([0x0a, 0xff]), request(LAYOUT, 5n)));
    expect(answersIn(await next(stream)).map(({ id, answer }) => [id, answer?.$case])).toEqual([
      [0n, 'refused'],
      [5n, 'shuffleLayout'],
    ]);
    stream.write(batch(...Array.from({ length: 17 }, (_, at) => request(LAYOUT, BigInt(at)))));
    expect(answersIn(await next(stream)).map(({ id }) => id)).toEqual(
      Array.from({ length: 16 }, (_, at) => BigInt(at)),
    );
  });
});
