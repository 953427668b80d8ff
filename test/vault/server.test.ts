import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server as NetServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { SignGrantCall } from '../../src/gen/tapgate/vault/v1/vault_service.ts';
import { VaultClient } from '../../src/vault/client.ts';
import { framesOf, HELLO } from '../../src/vault/frames.ts';
import { wipeKeys } from '../../src/vault/keys.ts';
import { Custodian } from '../../src/vault/keystore/custodian.ts';
import type { LogFields } from '../../src/vault/log.ts';
import { startVaultServer, type VaultServer, type VaultServerOptions } from '../../src/vault/server.ts';
import { clock, random, temporaryFolder, unwrap, type VaultFixture, vaultFixture } from './support/keystore.ts';
import { RawConnection, request } from './support/raw-connection.ts';

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
const start = (custodian = fixture.custodian, more: Partial<VaultServerOptions> = {}) =>
  startVaultServer({
    ...more,
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
    log: (event, fields) => {
      logged.push([event, fields]);
      for (const listener of listeners.splice(0)) listener();
    },
  });
const listeners: (() => void)[] = [];
async function untilLogged(event: string): Promise<void> {
  while (!logged.some(([name]) => name === event)) await new Promise<void>((resolve) => listeners.push(resolve));
}
async function started(custodian = fixture.custodian, more: Partial<VaultServerOptions> = {}): Promise<VaultServer> {
  const server = unwrap(await start(custodian, more));
  running.push(() => server.stop());
  return server;
}

/** A connection of raw messages. */
function connected(hello?: Uint8Array): RawConnection {
  const connection = new RawConnection(socket, hello);
  running.push(() => connection.cut());
  return connection;
}
const LAYOUT = { $case: 'shuffleLayout', value: {} } as const;
const DESCRIBE = { $case: 'describeKeys', value: { knownGeneration: 0n } } as const;

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

describe('a connection', () => {
  test('that holds no call is answered as malformed', async () => {
    await started();
    const vault = connected();
    vault.send(request(undefined));
    expect(await vault.next()).toEqual({ id: 7n, answer: { $case: 'refused', value: 'MALFORMED_MESSAGE' } });
    expect(logged).toEqual([['refused', { operation: 'none', reason: 'MALFORMED_MESSAGE', detail: 'no call' }]]);
  });

  test('is told a reason and nothing else; the detail is in the log', async () => {
    await started();
    const vault = connected();
    vault.send(request({ $case: 'signGrant', value: SignGrantCall.create({ payload: Buffer.from('0a', 'hex') }) }));
    expect(await vault.next()).toEqual({ id: 7n, answer: { $case: 'refused', value: 'MALFORMED_MESSAGE' } });
    expect(logged[0]?.[1]).toMatchObject({ operation: 'signGrant' });
  });

  test('is told of a bug that the vault is unavailable; its class alone is in the log', async () => {
    const custodian = unwrap(Custodian.open(fixture.directory, { random, clock }));
    const { keys } = custodian;
    wipeKeys(keys);
    await started(custodian);
    const vault = connected();
    const id = Buffer.concat([keys.pinBdk.id, Buffer.alloc(4)]);
    const accountId = Buffer.concat([keys.accountDataBdk.id, Buffer.alloc(4)]);
    vault.send(
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
    expect(await vault.next()).toEqual({ id: 7n, answer: { $case: 'refused', value: 'VAULT_UNAVAILABLE' } });
    expect(logged).toEqual([['failed', { operation: 'verifyKeyProof', exception: 'SecretWiped' }]]);
  });

  test.each([
    ['of no message', Buffer.from('00000008ffffffffffffffff', 'hex'), 'NO_MESSAGE'],
    ['without a message', Buffer.alloc(4), 'FRAME_EMPTY'],
    ['longer than a message may be', Buffer.from('00040001', 'hex'), 'FRAME_TOO_LONG'],
    ['of the greatest length', Buffer.from('ffffffff', 'hex'), 'FRAME_TOO_LONG'],
  ])('is cut at a frame %s, and others go on', async (_what, bytes, fault) => {
    await started();
    const [bad, good] = [connected(), connected()];
    bad.socket.write(bytes);
    await bad.closed;
    expect(logged).toEqual([['connection refused', { fault }]]);
    good.send(request(LAYOUT));
    expect((await good.next()).answer?.$case).toBe('shuffleLayout');
  });

  test.each([
    ['of another version', Buffer.from('TAPGATE\x02', 'latin1')],
    ['of another protocol', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')],
  ])('is cut at a hello %s, before any call', async (_what, hello) => {
    await started();
    const bad = connected(hello);
    bad.send(request(LAYOUT));
    await bad.closed;
    expect(bad.answered).toBe(0);
    expect(logged).toEqual([['connection refused', { fault: 'FRAME_HELLO' }]]);
  });

  test('that ends within a frame is cut, and what came whole was answered', async () => {
    await started();
    const vault = connected();
    vault.socket.write(Buffer.concat([framesOf([request(LAYOUT)]), Buffer.from('000000080a', 'hex')]));
    expect((await vault.next()).answer?.$case).toBe('shuffleLayout');
    vault.end();
    await vault.closed;
    expect(logged).toEqual([['connection refused', { fault: 'FRAME_TRUNCATED' }]]);
  });

  test('is read no further while its answers are not taken', async () => {
    await started();
    const vault = connected();
    const calls = 4_000;
    vault.send(request(DESCRIBE));
    await vault.next();
    vault.socket.pause();
    keysAsked = 0;
    for (let id = 0; id < calls; id += 1) vault.send(request(DESCRIBE, BigInt(id)));
    await untilSteady(() => keysAsked);
    expect(keysAsked).toBeGreaterThan(0);
    expect(keysAsked).toBeLessThan(calls);
    vault.socket.resume();
    for (let id = 0; id < calls; id += 1) expect((await vault.next()).id).toBe(BigInt(id));
    expect(keysAsked).toBe(calls);
  });

  test('whose calls come together has them answered one by one, in their order; refusals, too', async () => {
    await started();
    const vault = connected();
    const unknown = { $case: 'signGrant', value: SignGrantCall.create({ payload: Buffer.from('x') }) } as const;
    vault.send(request(LAYOUT, 3n), request(unknown, 1n), request(undefined, 2n), request(LAYOUT, 9n));
    const answers = [await vault.next(), await vault.next(), await vault.next(), await vault.next()];
    expect(answers.map(({ id, answer }) => [id, answer?.$case])).toEqual([
      [3n, 'shuffleLayout'],
      [1n, 'refused'],
      [2n, 'refused'],
      [9n, 'shuffleLayout'],
    ]);
  });

  test('that is closed for writing has everything answered first', async () => {
    await started();
    const vault = connected();
    const calls = 200;
    vault.send(...Array.from({ length: calls }, (_, id) => request(DESCRIBE, BigInt(id))));
    vault.end();
    await vault.closed;
    expect(vault.answered).toBe(calls);
  });

  test.each<[string, (vault: RawConnection) => void]>([
    ['its hello', () => undefined],
    ['the rest of a frame', (vault) => vault.socket.write(Buffer.concat([HELLO, Buffer.from('0000000801', 'hex')]))],
    [
      'room for its answers',
      (vault) => {
        vault.socket.pause();
        vault.socket.write(HELLO);
        for (let id = 0; id < 4_000; id += 1) vault.send(request(DESCRIBE, BigInt(id)));
      },
    ],
  ])('is cut where it owes %s and does not move; one that has nothing to say is not', async (_what, owe) => {
    await started(fixture.custodian, { stallMilliseconds: 100 });
    const [silent, stalled] = [connected(), connected(Buffer.alloc(0))];
    silent.send(request(LAYOUT));
    await silent.next();
    owe(stalled);
    await untilLogged('connection refused');
    expect(logged).toContainEqual(['connection refused', { fault: 'STALLED' }]);
    stalled.socket.resume();
    await stalled.closed;
    silent.send(request(LAYOUT));
    expect((await silent.next()).answer?.$case).toBe('shuffleLayout');
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
  test('lets an open connection end, then settles', async () => {
    const server = await started();
    const vault = connected();
    vault.send(request(LAYOUT));
    await vault.next();
    const drained = server.drain(20_000);
    vault.send(request(LAYOUT));
    expect((await vault.next()).answer?.$case).toBe('shuffleLayout');
    vault.end();
    await drained;
  });

  test('cuts what is left at its deadline', async () => {
    const server = await started();
    const vault = connected();
    vault.send(request(LAYOUT));
    await vault.next();
    await server.drain(50);
    await vault.closed;
  });
});
