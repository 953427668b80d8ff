import type { RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createStatusListSource } from '../../../src/jobs/revocation/location.ts';
import type { SourceRequest } from '../../../src/jobs/revocation/source.ts';
import { json, type LoopbackServer, listOf, loopbackServer } from './support/server.ts';

const AT = new Date('2026-06-15T12:00:00Z');
const LIMITS = { maximumBytes: 65_536, maximumEntries: 100 };
const MEBIBYTE = Buffer.alloc(1_048_576, 0x20);
const servers: LoopbackServer[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function serving(answer: RequestListener, { limits = LIMITS, deadlineMilliseconds = 10_000 } = {}) {
  const server = await loopbackServer(answer);
  servers.push(server);
  const source = createStatusListSource(`${server.origin}/attestation/status?key=hidden`, {
    deadlineMilliseconds,
    limits,
  });
  if (!source.ok) throw new Error(source.reason);
  const read = (over: Partial<SourceRequest> = {}) =>
    source.value.read({ etag: null, at: AT, signal: new AbortController().signal, ...over });
  return { server, source: source.value, read };
}

describe('a list at a URL', () => {
  test('is read with its time, entity tag and age', async () => {
    const { source, read, server } = await serving((_, response) =>
      json(response, listOf('5871', '0aBc'), { etag: '"v1"', 'cache-control': 'public, max-age=7200' }),
    );
    expect(await read()).toEqual({
      ok: true,
      value: {
        kind: 'list',
        list: {
          fetchedAt: AT,
          entries: new Map([
            ['5871', { status: 'REVOKED', reason: null }],
            ['abc', { status: 'REVOKED', reason: null }],
          ]),
        },
        etag: '"v1"',
        maximumAgeSeconds: 7200,
      },
    });
    expect(server.requests[0]?.headers).toMatchObject({ accept: 'application/json' });
    expect(server.requests[0]?.headers).not.toHaveProperty('if-none-match');
    expect(source.name).toBe(`${server.origin}/attestation/status`);
  });

  test('is as old as the cache that gave it says', async () => {
    const { read } = await serving((_, response) =>
      json(response, listOf(), { age: '600', 'cache-control': 'max-age=3600' }),
    );
    expect(await read()).toMatchObject({
      value: { list: { fetchedAt: new Date(AT.getTime() - 600_000) }, maximumAgeSeconds: 3000 },
    });
  });

  test('is not sent again where it is unchanged', async () => {
    const { read, server } = await serving((request, response) => {
      if (request.headers['if-none-match'] !== '"v1"') return json(response, listOf('5871'), { etag: '"v1"' });
      response.writeHead(304, { 'cache-control': 'max-age=60' }).end();
    });
    expect(await read({ etag: '"v1"' })).toEqual({
      ok: true,
      value: { kind: 'unchanged', fetchedAt: AT, maximumAgeSeconds: 60 },
    });
    expect(server.requests).toHaveLength(1);
  });

  test('may be compressed', async () => {
    const { read } = await serving((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      response.end(gzipSync(listOf('5871')));
    });
    expect(await read()).toMatchObject({
      ok: true,
      value: { list: { entries: new Map([['5871', expect.anything()]]) } },
    });
  });

  test.each(['', 'v1', `"${'x'.repeat(300)}"`, '"a"b"'])('has no entity tag where that is %j', async (etag) => {
    const { read } = await serving((_, response) => json(response, listOf(), { etag }));
    expect(await read()).toMatchObject({ ok: true, value: { etag: null } });
  });
});

describe('no list is', () => {
  test('a 304 that nobody asked for', async () => {
    const { read } = await serving((_, response) => response.writeHead(304).end());
    expect(await read()).toEqual({ ok: false, reason: 'SOURCE_STATUS', detail: 'status 304' });
  });

  test.each([204, 206, 404, 429, 500, 503])('an answer of status %i', async (status) => {
    const { read } = await serving((_, response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(status === 204 ? undefined : listOf());
    });
    expect(await read()).toEqual({ ok: false, reason: 'SOURCE_STATUS', detail: `status ${status}` });
  });

  test('a redirection, which is not followed', async () => {
    const { read, server } = await serving((request, response) => {
      if (request.url === '/elsewhere') return json(response, listOf());
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    expect(await read()).toEqual({ ok: false, reason: 'SOURCE_STATUS', detail: 'status 302' });
    expect(server.requests).toHaveLength(1);
  });

  test.each(['text/html', 'text/plain; charset=utf-8', 'application/jsonp', 'multipart/mixed'])(
    'an answer of type %s',
    async (type) => {
      const { read } = await serving((_, response) => json(response, listOf(), { 'content-type': type }));
      expect(await read()).toEqual({ ok: false, reason: 'SOURCE_CONTENT_TYPE', detail: JSON.stringify(type) });
    },
  );

  test('an answer without a type', async () => {
    const { read } = await serving((_, response) => response.writeHead(200).end(listOf()));
    expect(await read()).toEqual({ ok: false, reason: 'SOURCE_CONTENT_TYPE', detail: '"none"' });
  });

  test.each([
    ['', 'STATUS_LIST_NOT_JSON'],
    ['<html>', 'STATUS_LIST_NOT_JSON'],
    [listOf('5871').slice(0, -3), 'STATUS_LIST_NOT_JSON'],
    ['{"entries":[]}', 'STATUS_LIST_NO_ENTRIES'],
    ['{"entries":{"no hex":{"status":"REVOKED"}}}', 'STATUS_LIST_SERIAL_INVALID'],
    ['{"entries":{"5871":{}}}', 'STATUS_LIST_STATUS_INVALID'],
  ])('%j', async (body, reason) => {
    const { read } = await serving((_, response) => json(response, body));
    expect(await read()).toMatchObject({ ok: false, reason });
  });
});

describe('bounds', () => {
  test('an announced length over the limit is refused unread', async () => {
    const { read } = await serving((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(100 * MEBIBYTE.length) });
      response.write('{');
    });
    expect(await read()).toMatchObject({ ok: false, reason: 'STATUS_LIST_TOO_LARGE' });
  });

  test('100 MiB without an announced length end at the limit, with the transfer', async () => {
    let sent = 0;
    const closed = Promise.withResolvers<void>();
    const { read } = await serving((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = (): void => {
        while (sent < 100 * MEBIBYTE.length) {
          sent += MEBIBYTE.length;
          if (!response.write(MEBIBYTE)) return void response.once('drain', more);
        }
        response.end();
      };
      response.on('close', () => closed.resolve());
      more();
    });
    expect(await read()).toMatchObject({ ok: false, reason: 'STATUS_LIST_TOO_LARGE' });
    await closed.promise;
    // What the sockets of both sides hold is sent; the rest is not.
    expect(sent).toBeLessThan(50 * MEBIBYTE.length);
  });

  test('100 MiB that fit into 100 KiB end at the limit', async () => {
    const bomb = gzipSync(Buffer.alloc(100 * MEBIBYTE.length, 0x20));
    const { read } = await serving((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(bomb);
    });
    const before = process.memoryUsage().arrayBuffers;
    expect(await read()).toMatchObject({ ok: false, reason: 'STATUS_LIST_TOO_LARGE' });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * MEBIBYTE.length);
  });

  test('more entries than the limit are refused', async () => {
    const body = listOf(...Array.from({ length: 101 }, (_, index) => (index + 1).toString(16)));
    const { read } = await serving((_, response) => json(response, body));
    expect(await read()).toMatchObject({ ok: false, reason: 'STATUS_LIST_TOO_LARGE' });
  });

  test('a server that says nothing is left at the deadline', async () => {
    const { read } = await serving(() => {}, { deadlineMilliseconds: 100 });
    expect(await read()).toMatchObject({ ok: false, reason: 'DEADLINE_PASSED' });
  });

  test('a list that comes drop by drop is left at the deadline', async () => {
    const { read } = await serving(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const drops = setInterval(() => response.write(' '), 10);
        response.on('close', () => clearInterval(drops));
      },
      { deadlineMilliseconds: 200 },
    );
    expect(await read()).toMatchObject({ ok: false, reason: 'DEADLINE_PASSED' });
  });

  test('who has stopped waits no longer', async () => {
    const stop = new AbortController();
    const { read } = await serving(() => stop.abort());
    expect(await read({ signal: stop.signal })).toMatchObject({ ok: false, reason: 'STOPPED' });
  });
});

describe('a connection', () => {
  test('that is cut within the list gives no part of it', async () => {
    const { read } = await serving((_, response) => {
      const body = listOf('5871');
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(body.length) });
      response.write(body.slice(0, 10), () => response.destroy());
    });
    expect(await read()).toMatchObject({ ok: false, reason: 'ANSWER_CUT' });
  });

  test('that is cut within a chunked list gives no part of it', async () => {
    const { read } = await serving((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write(listOf('5871'), () => response.destroy());
    });
    expect(await read()).toMatchObject({ ok: false, reason: 'ANSWER_CUT' });
  });

  test('that is cut before the answer is none', async () => {
    const { read } = await serving((request) => request.socket.destroy());
    expect(await read()).toMatchObject({ ok: false, reason: 'UNREACHABLE' });
  });

  test('that nobody takes is none', async () => {
    const { read, server } = await serving(() => {});
    await server.close();
    expect(await read()).toEqual({ ok: false, reason: 'UNREACHABLE', detail: 'ECONNREFUSED' });
  });
});
