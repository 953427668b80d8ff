import { describe, expect, test } from '@jest/globals';
import { MAXIMUM_TOKEN_LENGTH } from '../../../src/attestation/play-integrity/decoder.ts';
import {
  createStandardDecoder,
  type Post,
  type PostRequest,
} from '../../../src/attestation/play-integrity/standard-decoder.ts';
import { ok, refuse } from '../../../src/reasons/result.ts';
import { bytesOf, documentOf, PACKAGE, verdictOf } from './support/verdict.ts';

const accessToken = async () => ok('an-access-token');
const decoderWith = (post: Post) =>
  createStandardDecoder({ post, accessToken, packageName: PACKAGE, deadlineMilliseconds: 2000 });
const answering = (status: number, body: Uint8Array) => decoderWith(async () => ok({ status, body }));
const payload = (document: unknown) => bytesOf({ tokenPayloadExternal: document });

test("Google's server is asked as it is documented, within bounds", async () => {
  const asked: PostRequest[] = [];
  const decoder = decoderWith(async (request) => {
    asked.push(request);
    return ok({ status: 200, body: payload(documentOf()) });
  });
  expect(await decoder.decode('opaque-token')).toEqual(ok(verdictOf(documentOf())));
  expect(asked).toEqual([
    {
      url: `https://playintegrity.googleapis.com/v1/${PACKAGE}:decodeIntegrityToken`,
      headers: { authorization: 'Bearer an-access-token', 'content-type': 'application/json' },
      body: '{"integrityToken":"opaque-token"}',
      deadlineMilliseconds: 2000,
      maximumBytes: 17_408,
    },
  ]);
});

test('a package name cannot change the path', async () => {
  const asked: string[] = [];
  const decoder = createStandardDecoder({
    post: async ({ url }) => {
      asked.push(url);
      return refuse('UNREACHABLE');
    },
    accessToken,
    packageName: '../v2/a?b#c',
    deadlineMilliseconds: 1,
    origin: 'https://localhost',
  });
  await decoder.decode('token');
  expect(asked).toEqual(['https://localhost/v1/..%2Fv2%2Fa%3Fb%23c:decodeIntegrityToken']);
});

describe('an answer about the token', () => {
  test('that denies it is a refusal', async () => {
    expect(await answering(400, Buffer.from('{}')).decode('token')).toMatchObject({ reason: 'TOKEN_REFUSED' });
  });

  test('with a verdict that cannot be read is a refusal', async () => {
    const decode = (document: unknown) => answering(200, payload(document)).decode('token');
    expect(await decode({})).toMatchObject({ reason: 'VERDICT_FIELD_INVALID' });
    expect(await decode(null)).toMatchObject({ reason: 'VERDICT_FIELD_INVALID' });
    expect(await decode({ ...documentOf(), more: Array(600).fill(0) })).toMatchObject({
      reason: 'VERDICT_TOO_COMPLEX',
    });
  });
});

describe('unavailable, and no denial, is', () => {
  test.each([301, 401, 403, 404, 429, 500, 502, 503, 0])('status %i', async (status) => {
    const decoded = await answering(status, payload(documentOf())).decode('token');
    expect(decoded).toEqual({ ok: false, reason: 'DECODER_UNAVAILABLE', detail: `status ${status}` });
  });

  test.each([
    ['a page', Buffer.from('<html>proxy</html>')],
    ['an empty answer', Buffer.alloc(0)],
    ['JSON without a payload', Buffer.from('{"error":{}}')],
    ['JSON that is no object', Buffer.from('null')],
    ['an answer over the limit', Buffer.alloc(20_000, 0x20)],
    ['what is not UTF-8', Buffer.of(0xff, 0xfe)],
  ])('%s', async (_, body) => {
    expect(await answering(200, body).decode('token')).toMatchObject({ ok: false, reason: 'DECODER_UNAVAILABLE' });
  });

  test.each(['UNREACHABLE', 'DEADLINE_PASSED', 'ANSWER_TOO_LARGE'] as const)('%s', async (failure) => {
    const decoder = decoderWith(async () => refuse(failure));
    expect(await decoder.decode('token')).toEqual({ ok: false, reason: 'DECODER_UNAVAILABLE', detail: failure });
  });

  test('a missing access token, without a request', async () => {
    const decoder = createStandardDecoder({
      post: () => Promise.reject(new Error('a request was made')),
      accessToken: async () => refuse('ACCESS_TOKEN_UNAVAILABLE'),
      packageName: PACKAGE,
      deadlineMilliseconds: 1,
    });
    expect(await decoder.decode('token')).toMatchObject({ reason: 'DECODER_UNAVAILABLE', detail: 'no access token' });
  });

  test('a failure of the way to Google, whose message is not repeated', async () => {
    const decoder = decoderWith(() => Promise.reject(new Error('Bearer an-access-token')));
    expect(await decoder.decode('token')).toEqual({
      ok: false,
      reason: 'DECODER_UNAVAILABLE',
      detail: 'the exchange failed',
    });
  });
});

describe('a token is refused without a request', () => {
  const decoder = decoderWith(() => Promise.reject(new Error('a request was made')));

  test('where it is too long', async () => {
    expect(await decoder.decode('a'.repeat(MAXIMUM_TOKEN_LENGTH + 1))).toMatchObject({ reason: 'TOKEN_TOO_LARGE' });
  });

  test.each(['', 'a b', 'a\nb', 'ä', '\u0000'])('where it is %j', async (token) => {
    expect(await decoder.decode(token)).toMatchObject({ reason: 'TOKEN_MALFORMED' });
  });
});

describe('an access token that the server does not take', () => {
  /** A server that takes one access token, and a source that gives these in turn. */
  function decoderOf(taken: string, given: readonly string[]) {
    const presented: string[] = [];
    const refused: (string | undefined)[] = [];
    const decoder = createStandardDecoder({
      post: async ({ headers }) => {
        presented.push(headers.authorization ?? '');
        const isTaken = headers.authorization === `Bearer ${taken}`;
        return ok(isTaken ? { status: 200, body: payload(documentOf()) } : { status: 401, body: Buffer.from('{}') });
      },
      accessToken: async (wasRefused) => {
        refused.push(wasRefused);
        const next = given[refused.length - 1];
        return next === undefined ? refuse('ACCESS_TOKEN_UNAVAILABLE') : ok(next);
      },
      packageName: PACKAGE,
      deadlineMilliseconds: 2000,
    });
    return { decoder, presented, refused };
  }

  test('is replaced once', async () => {
    const { decoder, presented, refused } = decoderOf('new', ['old', 'new']);
    expect(await decoder.decode('token')).toEqual(ok(verdictOf(documentOf())));
    expect(presented).toEqual(['Bearer old', 'Bearer new']);
    expect(refused).toEqual([undefined, 'old']);
  });

  test('is not replaced twice', async () => {
    const { decoder, presented } = decoderOf('third', ['first', 'second', 'third']);
    expect(await decoder.decode('token')).toMatchObject({ reason: 'DECODER_UNAVAILABLE', detail: 'status 401' });
    expect(presented).toHaveLength(2);
  });

  test('and cannot be replaced decides nothing', async () => {
    const { decoder, presented } = decoderOf('new', ['old']);
    expect(await decoder.decode('token')).toMatchObject({ reason: 'DECODER_UNAVAILABLE', detail: 'status 401' });
    expect(presented).toHaveLength(1);
  });
});
