import type { RequestListener } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createStandardDecoder } from '../../../src/attestation/play-integrity/standard-decoder.ts';
import { networkPost } from '../../../src/jobs/play-integrity/post.ts';
import { ok } from '../../../src/reasons/result.ts';
import { VIRTUAL_APPLICATION } from '../../../src/virtual/keymint/profiles.ts';
import { honestPayload } from '../../../src/virtual/play-integrity/payload.ts';
import { json, type LoopbackServer, loopbackServer } from '../revocation/support/server.ts';

const servers: LoopbackServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function decoderAt(answer: RequestListener, deadlineMilliseconds = 10_000) {
  const server = await loopbackServer(answer);
  servers.push(server);
  const decoder = createStandardDecoder({
    post: networkPost,
    accessToken: async () => ok('an-access-token'),
    packageName: VIRTUAL_APPLICATION.packageName,
    deadlineMilliseconds,
    origin: server.origin,
  });
  return { decoder, server };
}

const PAYLOAD = JSON.stringify({
  tokenPayloadExternal: honestPayload({
    application: VIRTUAL_APPLICATION,
    transcript: Buffer.alloc(32, 0x31),
    at: new Date('2026-06-15T12:00:00Z'),
  }),
});

test('a standard token is decoded by the server', async () => {
  const bodies: Promise<string>[] = [];
  const { decoder, server } = await decoderAt((request, response) => {
    bodies.push(text(request));
    json(response, PAYLOAD);
  });
  expect(await decoder.decode('opaque')).toMatchObject({
    ok: true,
    value: { appIntegrity: { packageName: VIRTUAL_APPLICATION.packageName } },
  });
  const [request] = server.requests;
  expect([request?.method, request?.url]).toEqual(['POST', '/v1/org.tapgate.virtualphone:decodeIntegrityToken']);
  expect(request?.headers).toMatchObject({
    authorization: 'Bearer an-access-token',
    'content-type': 'application/json',
  });
  expect(await Promise.all(bodies)).toEqual(['{"integrityToken":"opaque"}']);
});

test('a token that the server denies is refused', async () => {
  const { decoder } = await decoderAt((_, response) => response.writeHead(400).end('{"error":{"code":400}}'));
  expect(await decoder.decode('opaque')).toMatchObject({ ok: false, reason: 'TOKEN_REFUSED' });
});

describe('unavailable is a server that', () => {
  test.each<[string, RequestListener, string]>([
    ['says nothing', () => {}, 'DEADLINE_PASSED'],
    ['hangs up', (request) => request.socket.destroy(), 'UNREACHABLE'],
    [
      'stops within its answer',
      (_, response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{', () => response.destroy());
      },
      'UNREACHABLE',
    ],
    [
      'answers without end',
      (_, response) => response.writeHead(200).end(Buffer.alloc(1_000_000, 0x20)),
      'ANSWER_TOO_LARGE',
    ],
    ['sends elsewhere', (_, response) => response.writeHead(307, { location: '/v2' }).end(), 'status 307'],
    ['is out of order', (_, response) => response.writeHead(503).end(), 'status 503'],
  ])('%s', async (_, answer, detail) => {
    const { decoder } = await decoderAt(answer, detail === 'DEADLINE_PASSED' ? 100 : 10_000);
    expect(await decoder.decode('opaque')).toEqual({ ok: false, reason: 'DECODER_UNAVAILABLE', detail });
  });
});
