import { once } from 'node:events';
import { constants, createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { issueServerCertificateOf, newAuthority, validFor } from '../../../src/certs/issue.ts';
import { readNothing } from '../../../src/virtual/attacks/slow-reader.ts';

const validity = validFor(new Date(), 1);
const authority = newAuthority('processing', validity);
const { certificate: cert, key } = issueServerCertificateOf('processing', authority, validity, []);
const PATH = '/tapgate.v1.DeviceTokenService/GetJwks';
const ANSWER = Buffer.alloc(1024);

let server: Http2SecureServer | null = null;

afterEach(() => {
  server?.close();
  server = null;
});

/** A server that treats each call so; answers its address. */
async function serving(treat: (stream: ServerHttp2Stream) => void): Promise<string> {
  server = createSecureServer({ cert, key, minVersion: 'TLSv1.3' });
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    treat(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `localhost:${(server.address() as AddressInfo).port}`;
}

const tls = { ca: authority.certificate };
const load = { connections: 2, streams: 3, waitMilliseconds: 300 };

describe('a client that reads nothing', () => {
  test('calls on every stream of every connection, and sees each one cut', async () => {
    let calls = 0;
    const address = await serving((stream) => {
      stream.respond({ ':status': 200 });
      stream.end(ANSWER);
      calls += 1;
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    });
    expect(await readNothing(address, tls, PATH, load)).toEqual({ cut: 6, others: 0 });
    expect(calls).toBe(6);
  });

  test('tells streams that stay open from those that are cut', async () => {
    const address = await serving((stream) => {
      stream.respond({ ':status': 200 });
      stream.end(ANSWER);
    });
    expect(await readNothing(address, tls, PATH, load)).toEqual({ cut: 0, others: 6 });
  });

  test('counts a reset for another reason as another end', async () => {
    const address = await serving((stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
    expect(await readNothing(address, tls, PATH, load)).toEqual({ cut: 0, others: 6 });
  });

  test('fails where there is no server to attack', async () => {
    const address = await serving(() => {});
    server?.close();
    await once(server ?? process, 'close');
    await expect(readNothing(address, tls, PATH, load)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
