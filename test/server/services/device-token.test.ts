import type { ClientReadableStream } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  DeviceTokenServiceClient,
  TokenRevocationReason,
  type WatchRevocationsResponse,
} from '../../../src/gen/tapgate/v1/device_token_service.ts';
import { callUnary } from '../../../src/wire/call.ts';
import { codesOf } from '../../../src/wire/refusal.ts';
import { refusalFromError } from '../../../src/wire/status.ts';
import { Certificates, channelTo, type Edge } from '../transport/support/edge.ts';
import { TokenTable } from './support.ts';

/** What a watcher is told, and how its stream ended. */
class Watcher {
  readonly messages: WatchRevocationsResponse[] = [];
  end: { readonly reasons: readonly string[] } | null = null;
  readonly stream: ClientReadableStream<WatchRevocationsResponse>;
  #wake = (): void => {};

  constructor(client: DeviceTokenServiceClient, cursor: string) {
    this.stream = client.watchRevocations({ cursor });
    this.stream.on('data', (message: WatchRevocationsResponse) => {
      this.messages.push(message);
      this.#wake();
    });
    this.stream.on('error', (error) => {
      this.end = { reasons: refusalFromError(error)?.reasons ?? [] };
      this.#wake();
    });
    this.stream.on('end', () => {
      this.end ??= { reasons: [] };
      this.#wake();
    });
  }

  get devices(): string[] {
    return this.messages.flatMap(({ entries }) => entries.map(({ deviceId }) => deviceId));
  }

  get cursor(): string {
    return this.messages.at(-1)?.cursor ?? '';
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

let certificates: Certificates;
let table: TokenTable;
let edge: Edge;
let acme: DeviceTokenServiceClient;
let umbra: DeviceTokenServiceClient;
beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());
beforeEach(async () => {
  table = new TokenTable();
  await table.follower.start();
  edge = await table.serve(certificates);
  acme = new DeviceTokenServiceClient(...channelTo(edge, await certificates.client('processing', 'processing/acme')));
  umbra = new DeviceTokenServiceClient(...channelTo(edge, await certificates.client('processing', 'processing/umbra')));
});
afterEach(async () => {
  acme.close();
  umbra.close();
  await edge.listener.drain(500);
  await table.follower.stop();
});

describe('introspection', () => {
  const introspect = async (deviceToken: string) => {
    const answer = await callUnary(acme.introspect.bind(acme), { deviceToken }, 5_000);
    return { ...answer, reasons: codesOf(answer.refusal) };
  };

  test('says that a token counts, whose it is, and which key has to sign', async () => {
    const phone = await table.enrol();
    expect(await introspect(table.tokenOf(phone, 'acme'))).toMatchObject({
      active: true,
      reasons: [],
      deviceId: phone.deviceId,
      merchant: phone.merchant,
      sessionKeyThumbprint: phone.sessionKey.thumbprint,
      expiresAt: expect.objectContaining({}),
    });
  });

  test('says why one does not, and nothing of its phone', async () => {
    const phone = await table.enrol();
    const token = table.tokenOf(phone, 'acme');
    const nothing = { active: false, deviceId: '', merchant: '', sessionKeyThumbprint: '', expiresAt: undefined };
    expect(await introspect('no token')).toMatchObject({ ...nothing, reasons: ['TOKEN_INVALID'] });
    const others = table.tokenOf(phone, 'umbra');
    expect(await introspect(others)).toMatchObject({ ...nothing, reasons: ['TOKEN_AUDIENCE_MISMATCH'] });
    await table.stores.suspend(phone.deviceId);
    expect(await introspect(token)).toMatchObject({ ...nothing, reasons: ['DEVICE_SUSPENDED'] });
  });

  test('needs a token', async () => {
    const refused = await callUnary(acme.introspect.bind(acme), { deviceToken: '' }, 5_000).catch(refusalFromError);
    expect(refused).toMatchObject({ reasons: ['MALFORMED_MESSAGE'] });
  });
});

describe('the watch of revocations', () => {
  test("tells what is kept of one's own devices, then each as it comes", async () => {
    table.publish('acme', 'kept-1');
    table.publish('umbra', 'foreign');
    table.publish('acme', 'kept-2', 'DEVICE_SUSPENDED');
    const watcher = new Watcher(acme, '');
    await watcher.until(() => watcher.devices.length === 2);
    table.publish('acme', 'new', 'SESSION_ENDED');
    table.publish('umbra', 'foreign');
    await table.follower.refresh();
    await watcher.until(() => watcher.devices.length === 3);
    expect(watcher.devices).toEqual(['kept-1', 'kept-2', 'new']);
    expect(watcher.messages.flatMap(({ entries }) => entries.map(({ reason }) => reason))).toEqual([
      TokenRevocationReason.DEVICE_REVOKED,
      TokenRevocationReason.DEVICE_SUSPENDED,
      TokenRevocationReason.SESSION_ENDED,
    ]);
    expect(watcher.messages.at(-1)).toMatchObject({ heartbeatSeconds: 1, maximumStalenessSeconds: 5 });
    watcher.stream.cancel();
  });

  test('says as of when it is complete, from a reading that began after the call, and again in silence', async () => {
    const called = Date.now();
    const watcher = new Watcher(acme, '');
    await watcher.until(() => watcher.messages.length === 3);
    const told = watcher.messages.map(({ asOf }) => asOf?.getTime() ?? 0);
    expect(told[0]).toBeGreaterThanOrEqual(called);
    expect(told[2]).toBeGreaterThan(told[0]! + 1_000);
    watcher.stream.cancel();
  });

  test('says no newer instant while the store does not answer', async () => {
    const watcher = new Watcher(acme, '');
    await watcher.until(() => watcher.messages.length === 1);
    table.feed.failure = new Error('lost');
    const { length } = watcher.messages;
    const last = watcher.messages.at(-1)?.asOf?.getTime() ?? 0;
    await watcher.until(() => watcher.messages.length >= length + 2);
    expect((watcher.messages.at(-1)?.asOf?.getTime() ?? 0) - last).toBeLessThan(1_000);
    table.feed.failure = null;
    watcher.stream.cancel();
  });

  test('goes on after a cut without missing or mixing up anything', async () => {
    let cursor = '';
    let told: string[] = [];
    for (let cut = 0; cut < 10; cut += 1) {
      const watcher = new Watcher(acme, cursor);
      for (let n = 0; n < 130; n += 1) table.publish('acme', `device-${cut * 130 + n}`);
      void table.follower.refresh();
      await watcher.until(() => watcher.devices.length >= (cut % 3) * 40 + 1);
      watcher.stream.cancel();
      told = [...told, ...watcher.devices];
      cursor = watcher.cursor;
    }
    const last = new Watcher(acme, cursor);
    await last.until(() => told.length + last.devices.length >= 1300);
    expect([...told, ...last.devices]).toEqual(Array.from({ length: 1300 }, (_, n) => `device-${n}`));
    last.stream.cancel();
  });

  test('refuses a cursor that is none, or of another acquirer', async () => {
    table.publish('acme', 'one');
    const own = new Watcher(acme, '');
    await own.until(() => own.devices.length === 1);
    const ends = [new Watcher(acme, 'nonsense'), new Watcher(umbra, own.cursor)];
    for (const watcher of ends) {
      await watcher.until(() => watcher.end !== null);
      expect(watcher.end?.reasons).toEqual(['REVOCATION_CURSOR_INVALID']);
    }
    own.stream.cancel();
  });

  test('tells those who watch, and those who come back, that the database was put back', async () => {
    table.publish('acme', 'one');
    await table.follower.refresh();
    const restore = table.feed.backup();
    table.publish('acme', 'two');
    const watcher = new Watcher(acme, '');
    await watcher.until(() => watcher.devices.length === 2);
    restore();
    await watcher.until(() => watcher.end !== null);
    const back = new Watcher(acme, watcher.cursor);
    await back.until(() => back.end !== null);
    expect([watcher.end?.reasons, back.end?.reasons]).toEqual([['REVOCATION_FEED_RESET'], ['REVOCATION_FEED_RESET']]);
    const anew = new Watcher(acme, '');
    await anew.until(() => anew.devices.length === 1);
    anew.stream.cancel();
  });

  test('ends when the service drains', async () => {
    const watcher = new Watcher(acme, '');
    await watcher.until(() => watcher.messages.length === 1);
    await edge.listener.drain(2_000);
    await watcher.until(() => watcher.end !== null);
    expect(watcher.end?.reasons).toEqual(['SHUTTING_DOWN']);
  });

  test('serves a thousand watchers from one reading', async () => {
    const clients = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const tls = await certificates.client('processing', 'processing/acme');
        return new DeviceTokenServiceClient(...channelTo(edge, tls));
      }),
    );
    const watchers = clients.flatMap((client) => Array.from({ length: 100 }, () => new Watcher(client, '')));
    await Promise.all(watchers.map((watcher) => watcher.until(() => watcher.messages.length > 0)));
    const before = { ...table.feed.readings };
    table.publish('acme', 'one');
    await table.follower.refresh();
    await Promise.all(watchers.map((watcher) => watcher.until(() => watcher.devices.length === 1)));
    expect(table.feed.readings.since).toBe(before.since + 1);
    for (const client of clients) client.close();
    for (const watcher of watchers) watcher.stream.cancel();
  });
});
