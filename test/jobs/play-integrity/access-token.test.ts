import type { RequestListener } from 'node:http';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import type { Post } from '../../../src/attestation/play-integrity/standard-decoder.ts';
import { createAccessTokenSource } from '../../../src/jobs/play-integrity/access-token.ts';
import { networkPost } from '../../../src/jobs/play-integrity/post.ts';
import { parseServiceAccount } from '../../../src/jobs/play-integrity/service-account.ts';
import { START, TestClock } from '../../support/clock.ts';
import { json, type LoopbackServer, loopbackServer } from '../revocation/support/server.ts';
import { ACCOUNT_EMAIL, ACCOUNT_KEY_ID, ACCOUNT_PUBLIC_KEY, accountFile } from './support/account.ts';

const UNAVAILABLE = { ok: false, reason: 'ACCESS_TOKEN_UNAVAILABLE' };
const LIFETIME = 3599;

const servers: LoopbackServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const parsed = parseServiceAccount(accountFile());
if (!parsed.ok) throw new Error(parsed.reason);
const account = parsed.value;

/** A source that asks a server on this machine; by default its tokens are numbered. */
async function sourceAt(answer?: RequestListener, deadlineMilliseconds = 10_000) {
  let issued = 0;
  const issue: RequestListener = (_, response) => {
    issued += 1;
    json(response, JSON.stringify({ access_token: `token-${issued}`, token_type: 'Bearer', expires_in: LIFETIME }));
  };
  const server = await loopbackServer(answer ?? issue);
  servers.push(server);
  const clock = new TestClock();
  const endpoint = `${server.origin}/token`;
  const source = createAccessTokenSource({ post: networkPost, clock, account, endpoint, deadlineMilliseconds });
  return { source, server, clock, endpoint };
}

const pass = (clock: TestClock, seconds: number): void => clock.advance(seconds * 1000);

const textOf = async (answer: ReturnType<Awaited<ReturnType<typeof sourceAt>>['source']>): Promise<string | null> => {
  const token = await answer;
  return token.ok ? token.value : null;
};

test('the account proves itself with a signed assertion (RFC 7523 2.1, 3)', async () => {
  const bodies: string[] = [];
  const { source, server, endpoint } = await sourceAt(async (request, response) => {
    bodies.push(await text(request));
    json(response, JSON.stringify({ access_token: 'ya29.token', token_type: 'Bearer', expires_in: LIFETIME }));
  });
  expect(await source()).toEqual({ ok: true, value: 'ya29.token' });
  const [request] = server.requests;
  expect([request?.method, request?.url, request?.headers['content-type']]).toEqual([
    'POST',
    '/token',
    'application/x-www-form-urlencoded',
  ]);
  const form = new URLSearchParams(bodies[0]);
  expect([...form.keys()]).toEqual(['grant_type', 'assertion']);
  expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer');
  const assertion = form.get('assertion') ?? '';
  expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'RS256', typ: 'JWT', kid: ACCOUNT_KEY_ID });
  const { payload } = await jwtVerify(assertion, ACCOUNT_PUBLIC_KEY, { currentDate: START });
  const issuedAt = START.getTime() / 1000;
  expect(payload).toEqual({
    iss: ACCOUNT_EMAIL,
    scope: 'https://www.googleapis.com/auth/playintegrity',
    aud: endpoint,
    iat: issuedAt,
    exp: issuedAt + 300,
  });
});

describe('a token', () => {
  test('is kept until a minute before it expires', async () => {
    const { source, server, clock } = await sourceAt();
    expect(await textOf(source())).toBe('token-1');
    pass(clock, LIFETIME - 61);
    expect(await textOf(source())).toBe('token-1');
    pass(clock, 1);
    expect(await textOf(source())).toBe('token-2');
    expect(server.requests).toHaveLength(2);
  });

  test('is fetched once for all who wait for it', async () => {
    const { source, server } = await sourceAt();
    const tokens = await Promise.all(Array.from({ length: 20 }, () => textOf(source())));
    expect(new Set(tokens)).toEqual(new Set(['token-1']));
    expect(server.requests).toHaveLength(1);
  });

  test('that is refused is replaced once, whoever tells it', async () => {
    const { source, server, clock } = await sourceAt();
    await source();
    pass(clock, 60);
    const tokens = await Promise.all([textOf(source('token-1')), textOf(source('token-1'))]);
    expect(tokens).toEqual(['token-2', 'token-2']);
    expect(await textOf(source('token-1'))).toBe('token-2');
    expect(server.requests).toHaveLength(2);
  });

  test('that is refused as soon as it was issued is not replaced for five seconds', async () => {
    const { source, server, clock } = await sourceAt();
    await source();
    pass(clock, 4);
    expect(await source('token-1')).toEqual(UNAVAILABLE);
    expect(await textOf(source())).toBe('token-1');
    expect(server.requests).toHaveLength(1);
    pass(clock, 1);
    expect(await textOf(source('token-1'))).toBe('token-2');
  });
});

const answerOf = (changes: Record<string, unknown>): RequestListener => {
  const answer = { access_token: 'token', token_type: 'Bearer', expires_in: LIFETIME, ...changes };
  return (_, response) => json(response, JSON.stringify(answer));
};

describe('there is no token from a server that', () => {
  test.each<[string, RequestListener]>([
    ['hangs up', (request) => request.socket.destroy()],
    [
      'stops within its answer',
      (_, response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{', () => response.destroy());
      },
    ],
    ['answers without end', (_, response) => response.writeHead(200).end(Buffer.alloc(1_000_000, 0x20))],
    ['shows a page', (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>')],
    ['answers what is not UTF-8', (_, response) => response.writeHead(200).end(Buffer.from([0x22, 0xff, 0x22]))],
    ['denies the account', (_, response) => response.writeHead(400).end('{"error":"invalid_grant"}')],
    ['is out of order', (_, response) => response.writeHead(503).end()],
    ['answers another object', (_, response) => json(response, '[]')],
    ['leaves the token out', answerOf({ access_token: undefined })],
    ['breaks out of the header', answerOf({ access_token: 'token\r\nx: y' })],
    ['answers a token without end', answerOf({ access_token: 'x'.repeat(4097) })],
    ['answers a token of another type', answerOf({ token_type: 'mac' })],
    ['answers a token that has as good as expired', answerOf({ expires_in: 119 })],
    ['answers a token that never expires', answerOf({ expires_in: 86_401 })],
    ['tells the lifetime as text', answerOf({ expires_in: '3599' })],
  ])('%s', async (_, answer) => {
    const { source } = await sourceAt(answer);
    expect(await source()).toEqual(UNAVAILABLE);
  });

  test('says nothing', async () => {
    const { source } = await sourceAt(() => {}, 100);
    expect(await source()).toEqual(UNAVAILABLE);
  });

  test('answers drop by drop', async () => {
    const { source } = await sourceAt((_, response) => {
      const drop = setInterval(() => response.write(' '), 10);
      response.on('close', () => clearInterval(drop));
    }, 150);
    expect(await source()).toEqual(UNAVAILABLE);
  });

  test('sends elsewhere, and nothing is sent there', async () => {
    const elsewhere = await loopbackServer((_, response) => response.end());
    servers.push(elsewhere);
    const { source } = await sourceAt((_, response) => {
      response.writeHead(307, { location: `${elsewhere.origin}/token` }).end();
    });
    expect(await source()).toEqual(UNAVAILABLE);
    expect(elsewhere.requests).toHaveLength(0);
  });
});

describe('after a failure', () => {
  const failing: RequestListener = (_, response) => response.writeHead(503).end();

  test('nothing is fetched for five seconds', async () => {
    const { source, server, clock } = await sourceAt(failing);
    await source();
    pass(clock, 4);
    expect(await source()).toEqual(UNAVAILABLE);
    expect(server.requests).toHaveLength(1);
    pass(clock, 1);
    await source();
    expect(server.requests).toHaveLength(2);
  });

  test('a clock that was set back does not lengthen the pause', async () => {
    const { source, server, clock } = await sourceAt(failing);
    await source();
    pass(clock, -3600);
    await source();
    expect(server.requests).toHaveLength(2);
  });

  test('nothing is told of key and assertion', async () => {
    const sent: string[] = [];
    const post: Post = async ({ body }) => {
      sent.push(new URLSearchParams(body).get('assertion') ?? '');
      throw new Error(`failed with ${body}`);
    };
    const source = createAccessTokenSource({
      post,
      clock: new TestClock(),
      account,
      endpoint: 'https://localhost/token',
      deadlineMilliseconds: 1,
    });
    const answer = await source();
    expect(answer).toEqual(UNAVAILABLE);
    expect(sent[0]?.length).toBeGreaterThan(300);
    expect(inspect(answer, { depth: null })).not.toContain(sent[0]);
  });
});
