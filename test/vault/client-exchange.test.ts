import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type ExchangeResponse, SignGrantCall } from '../../src/gen/tapgate/vault/v1/vault_service.ts';
import { Backoff } from '../../src/vault/backoff.ts';
import { type ExchangeOptions, VaultExchange } from '../../src/vault/client/exchange.ts';
import { VaultClient } from '../../src/vault/client.ts';
import { FakeVault, layoutAnswer } from './support/fake-vault.ts';
import { random, temporaryFolder } from './support/keystore.ts';

let folder: ReturnType<typeof temporaryFolder>;
let socket: string;
let vault: FakeVault;
const clients: { close(): void }[] = [];
beforeEach(async () => {
  folder = temporaryFolder();
  socket = join(folder.path, 'vault.sock');
  vault = new FakeVault();
  await vault.start(socket);
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  vault.stop();
  folder.remove();
});

const QUICK = { leastMilliseconds: 1, mostMilliseconds: 10 };
const exchange = (more: Partial<ExchangeOptions> = {}): VaultExchange => {
  const made = new VaultExchange({ socket, random, backoff: QUICK, callMilliseconds: 5_000, ...more });
  clients.push(made);
  return made;
};
const client = (more: Partial<ExchangeOptions> = {}): VaultClient => {
  const made = new VaultClient({ socket, random, backoff: QUICK, callMilliseconds: 5_000, ...more });
  clients.push(made);
  return made;
};
const LAYOUT = { $case: 'shuffleLayout', value: {} } as const;
const UNAVAILABLE = { ok: false, reason: 'VAULT_UNAVAILABLE' };

describe('answers', () => {
  test('find their calls by number, in whatever order they come', async () => {
    vault.onRequest = ({ id }) => {
      if (id !== 3n) return;
      const [connection] = vault.connections;
      for (const request of [...vault.received].reverse())
        connection?.write(layoutAnswer(request, `layout ${request.id}`));
    };
    const one = client();
    const layouts = await Promise.all([one.shuffleLayout(), one.shuffleLayout(), one.shuffleLayout()]);
    expect(layouts.map((layout) => layout.ok && layout.value)).toEqual(['layout 1', 'layout 2', 'layout 3']);
  });

  test.each<[string, ExchangeResponse['answer'], object]>([
    [
      'of the catalogue is passed on',
      { $case: 'refused', value: 'PIN_BLOCK_MALFORMED' },
      { reason: 'PIN_BLOCK_MALFORMED' },
    ],
    ['of another version is "unavailable"', { $case: 'refused', value: 'NEW_REASON' }, UNAVAILABLE],
    ['that is a name of every object is "unavailable"', { $case: 'refused', value: 'constructor' }, UNAVAILABLE],
    ['that is empty is "unavailable"', undefined, UNAVAILABLE],
    ['to another call is "unavailable"', { $case: 'verifyKeyProof', value: { valid: true } }, UNAVAILABLE],
  ])('a refusal or answer %s', async (_, answer, expected) => {
    vault.onRequest = ({ id }, connection) => connection.write({ id, answer });
    expect(await client().shuffleLayout()).toMatchObject({ ok: false, ...expected });
  });

  test('that nobody asked for, or twice, are not taken for another call', async () => {
    vault.onRequest = (request, connection) => {
      connection.write(layoutAnswer({ ...request, id: 99n }, 'stray'));
      connection.write(layoutAnswer(request, `layout ${request.id}`));
      connection.write(layoutAnswer(request, 'again'));
    };
    const one = client();
    expect(await one.shuffleLayout()).toEqual({ ok: true, value: 'layout 1' });
    expect(await one.shuffleLayout()).toEqual({ ok: true, value: 'layout 2' });
  });
});

describe('calls that come up together', () => {
  const ordered = (count: number): Promise<string[]> => {
    const one = client();
    const asked = Array.from({ length: count }, () => one.shuffleLayout());
    return Promise.all(asked.map(async (layout) => JSON.stringify(await layout)));
  };
  const numbered = (count: number): string[] =>
    Array.from({ length: count }, (_, at) => JSON.stringify({ ok: true, value: `layout ${at + 1}` }));

  test.each([1, 2, 17, 40, 300])('are %i, answered each by itself and sent in their order', async (count) => {
    vault.onRequest = (request, connection) => connection.write(layoutAnswer(request, `layout ${request.id}`));
    expect(await ordered(count)).toEqual(numbered(count));
    expect(vault.received.map(({ id }) => Number(id))).toEqual(Array.from({ length: count }, (_, at) => at + 1));
  });

  test('are answered out of their order, or in part refused', async () => {
    vault.onRequest = ({ id }, connection) => {
      if (id !== 4n) return;
      for (const early of [3n, 1n]) connection.write(layoutAnswer({ id: early }, `layout ${early}`));
      connection.write({ id: 2n, answer: { $case: 'refused', value: 'GRANT_UNKNOWN' } });
      connection.write(layoutAnswer({ id }, 'layout 4'));
    };
    const [first, second, third, fourth] = await ordered(4);
    expect([first, third, fourth]).toEqual(numbered(4).filter((_, at) => at !== 1));
    expect(second).toContain('GRANT_UNKNOWN');
  });

  test.each([
    ['no answer', [Buffer.from([0, 0, 0, 2, 0x0a, 0xff])]],
    ['a frame without a message', [Buffer.alloc(4)]],
    ['a frame that is too long', [Buffer.from('00040001', 'hex')]],
  ])('are refused where what comes is %s, and the next ones are answered', async (_what, bytes) => {
    vault.onRequest = (request, connection) => {
      if (request.id > 2n) connection.write(layoutAnswer(request));
      else for (const part of bytes) connection.socket.write(part);
    };
    const one = client();
    const refused = await Promise.all([one.shuffleLayout(), one.shuffleLayout()]);
    expect(refused).toMatchObject([UNAVAILABLE, UNAVAILABLE]);
    expect((await one.shuffleLayout()).ok).toBe(true);
  });

  test('of which one is too long for a message are answered but for that one', async () => {
    vault.onRequest = (request, connection) => connection.write(layoutAnswer(request));
    const one = exchange();
    const call = (bytes: number) =>
      one.call({ $case: 'signGrant', value: SignGrantCall.create({ payload: Buffer.alloc(bytes) }) });
    const answers = await Promise.all([call(70_000), call(262_144), call(70_000), one.call(LAYOUT)]);
    expect(answers.map(({ ok }) => ok)).toEqual([true, false, true, true]);
    expect(answers[1]).toMatchObject({ ...UNAVAILABLE, detail: 'a call that is too long' });
    expect(vault.connections).toHaveLength(1);
  });
});

describe('bounds', () => {
  test('no more calls are in flight than allowed; the others wait their turn', async () => {
    const one = exchange({ maximumInFlight: 2 });
    const calls = [1, 2, 3, 4].map(() => one.call(LAYOUT));
    await vault.untilReceived(2);
    expect(one.load).toEqual({ inFlight: 2, waiting: 2 });
    vault.connections[0]?.write(layoutAnswer({ id: 1n, call: LAYOUT }));
    await vault.untilReceived(3);
    expect(vault.received.map(({ id }) => id)).toEqual([1n, 2n, 3n]);
    for (const id of [2n, 3n]) vault.connections[0]?.write(layoutAnswer({ id, call: LAYOUT }));
    await vault.untilReceived(4);
    vault.connections[0]?.write(layoutAnswer({ id: 4n, call: LAYOUT }));
    expect(await Promise.all(calls)).toMatchObject([{ ok: true }, { ok: true }, { ok: true }, { ok: true }]);
  });

  test('calls over the number that may wait are refused at once', async () => {
    const one = exchange({ maximumInFlight: 1, maximumWaiting: 2 });
    void one.call(LAYOUT);
    await vault.untilReceived(1);
    void one.call(LAYOUT);
    void one.call(LAYOUT);
    expect(await one.call(LAYOUT)).toMatchObject({ ...UNAVAILABLE, detail: 'too many calls wait' });
    expect(one.load).toEqual({ inFlight: 1, waiting: 2 });
  });

  test('a call ends in its time where the vault is silent, and the silent connection is left', async () => {
    const one = exchange({ callMilliseconds: 100 });
    expect(await one.call(LAYOUT)).toMatchObject({ ...UNAVAILABLE, detail: 'no answer in time' });
    vault.onRequest = (request, connection) => connection.write(layoutAnswer(request));
    expect(await one.call(LAYOUT)).toMatchObject({ ok: true });
    expect(vault.connections).toHaveLength(2);
  });

  test('a call that is never answered does not cost a connection on which others are', async () => {
    const one = exchange({ callMilliseconds: 300 });
    let first = true;
    const again = (): void => void one.call(LAYOUT).then((result) => result.ok && first && again());
    vault.onRequest = (request, connection) => {
      if (request.id > 1n) connection.write(layoutAnswer(request));
    };
    const silent = one.call(LAYOUT);
    again();
    expect(await silent).toMatchObject(UNAVAILABLE);
    first = false;
    // The vault still has it, so its place stays taken.
    expect(one.load.inFlight).toBeGreaterThanOrEqual(1);
    expect(await one.call(LAYOUT)).toMatchObject({ ok: true });
    expect(vault.connections).toHaveLength(1);
  });

  test.each([
    ['says nothing', null],
    ['is of another version', Buffer.from('TAPGATE\x02', 'latin1')],
  ])('a vault that takes connections and %s is unavailable', async (_what, hello) => {
    vault.hello = hello;
    const one = exchange({ callMilliseconds: 100 });
    expect(await one.call(LAYOUT)).toMatchObject(UNAVAILABLE);
    expect(vault.received).toHaveLength(0);
  });
});

describe('a vault that goes and comes', () => {
  test('is waited for at the start', async () => {
    vault.stop();
    const one = client();
    const layout = one.shuffleLayout();
    vault = new FakeVault();
    vault.onRequest = (request, connection) => connection.write(layoutAnswer(request));
    await vault.start(socket);
    expect(await layout).toEqual({ ok: true, value: '0123456789' });
  });

  test('refuses what it had, and answers what comes after', async () => {
    const one = client();
    const lost = one.shuffleLayout();
    await vault.untilReceived(1);
    vault.stop();
    expect(await lost).toMatchObject({ ...UNAVAILABLE, detail: 'the connection broke' });
    vault = new FakeVault();
    vault.onRequest = (request, connection) => connection.write(layoutAnswer(request));
    await vault.start(socket);
    expect(await one.shuffleLayout()).toMatchObject({ ok: true });
  });

  test('that is not there is unavailable in the time of the call', async () => {
    vault.stop();
    expect(await client({ callMilliseconds: 50 }).shuffleLayout()).toMatchObject(UNAVAILABLE);
  });

  test('answers nothing to a client that was closed', async () => {
    const one = client();
    const open = one.shuffleLayout();
    await vault.untilReceived(1);
    const waiting = one.shuffleLayout();
    one.close();
    expect(await open).toMatchObject(UNAVAILABLE);
    expect(await waiting).toMatchObject(UNAVAILABLE);
    expect(await one.shuffleLayout()).toMatchObject({ ...UNAVAILABLE, detail: 'closed' });
  });
});

describe('delays between attempts', () => {
  const limits = { leastMilliseconds: 100, mostMilliseconds: 1_000 };
  const fixed = (byte: number) => ({ bytes: (length: number) => Buffer.alloc(length, byte) });

  test('double to the most, and begin anew after a success', () => {
    const backoff = new Backoff(limits, fixed(0));
    expect([1, 2, 3, 4, 5, 6].map(() => backoff.next())).toEqual([100, 200, 400, 800, 1000, 1000]);
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });

  test('are cut by up to a half at random', () => {
    expect(new Backoff(limits, fixed(0x80)).next()).toBeCloseTo(75, 0);
    expect(new Backoff(limits, fixed(0xff)).next()).toBeCloseTo(50, 0);
  });
});
