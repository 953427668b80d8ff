import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { p256Coordinates } from '../../src/encoding/p256.ts';
import { httpJwks } from '../../src/verifier/index.ts';
import { deviceTokenKeysOf, parseJwks } from '../../src/verifier/jwks.ts';
import { signingKey } from '../support/signing-key.ts';
import { unwrap } from '../support/unwrap.ts';

const point = p256Coordinates(signingKey().spki);
const KEY = { kty: 'EC', crv: 'P-256', kid: 'one', ...point, alg: 'ES256', use: 'sig', tapgate_use: 'device-token' };
const idsOf = (keys: readonly object[]) => [...deviceTokenKeysOf(unwrap(parseJwks(JSON.stringify({ keys })))).keys()];

describe('a key set', () => {
  test.each<[string, readonly object[], readonly string[]]>([
    ['gives the keys of device tokens', [KEY, { ...KEY, kid: 'two' }], ['one', 'two']],
    ['keeps those of receipts apart', [{ ...KEY, tapgate_use: 'receipt' }], []],
    ['passes over other kinds', [{ kty: 'RSA', kid: 'r', n: 'AQAB', e: 'AQAB' }, KEY], ['one']],
    ['passes over another algorithm', [{ ...KEY, alg: 'ES384' }], []],
    ['passes over what is no point of the curve', [{ ...KEY, x: 'A'.repeat(43) }], []],
  ])('%s', (_what, keys, ids) => {
    expect(idsOf(keys)).toEqual(ids);
  });

  test('of every purpose that there ever was gives those of its own, wherever they stand', () => {
    const others = Array.from({ length: 4000 }, (_, n) => ({ ...KEY, kid: `other-${n}`, tapgate_use: 'audit' }));
    const own = Array.from({ length: 65 }, (_, n) => ({ ...KEY, kid: `own-${n}` }));
    expect(idsOf([...others, ...own])).toEqual(own.map(({ kid }) => kid));
  });

  test('that was not parsed counts keys of its use alone', () => {
    const [own] = unwrap(parseJwks(JSON.stringify({ keys: [KEY] })));
    const others = Array.from({ length: 5000 }, (_, n) => ({ ...own!, kid: `other-${n}`, tapgateUse: 'audit' }));
    expect([...deviceTokenKeysOf([...others, own!]).keys()]).toEqual(['one']);
  });

  test.each(['', '[]', '{}', '{"keys":{}}', JSON.stringify({ keys: Array(4097).fill(KEY) })])(
    'is refused: %.20s',
    (text) => {
      expect(parseJwks(text)).toMatchObject({ reason: 'MALFORMED_MESSAGE' });
    },
  );
});

describe('published keys by HTTP', () => {
  let server: Server;
  let base: string;
  let answer: (response: ServerResponse) => void;
  beforeAll(async () => {
    server = createServer((_request, response) => answer(response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test('are read', async () => {
    answer = (response) => response.end(JSON.stringify({ keys: [KEY] }));
    expect(await httpJwks(base)()).toHaveLength(1);
  });

  test.each<[string, (response: ServerResponse) => void]>([
    ['another status', (response) => response.writeHead(503).end('{"keys":[]}')],
    ['a redirect', (response) => response.writeHead(302, { location: base }).end()],
    ['no key set', (response) => response.end('<html>')],
    ['over 64 KiB', (response) => response.end(`{"keys":[],"pad":"${'x'.repeat(70_000)}"}`)],
  ])('are not taken from %s', async (_what, respond) => {
    answer = respond;
    await expect(httpJwks(base)()).rejects.toBeDefined();
  });

  test.each(['http://tapgate.example/jwks', 'file:///etc/passwd', 'ftp://localhost/jwks'])(
    'are not asked of %s',
    (url) => {
      expect(() => httpJwks(url)).toThrow(TypeError);
    },
  );
});
