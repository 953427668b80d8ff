import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readConfig } from '../../src/app/config.ts';
import { openDecoders } from '../../src/app/play-integrity.ts';
import { VIRTUAL_APPLICATION } from '../../src/virtual/keymint/profiles.ts';
import { honestPayload } from '../../src/virtual/play-integrity/payload.ts';
import { createVirtualPlay } from '../../src/virtual/play-integrity/play.ts';
import { accountFile } from '../jobs/play-integrity/support/account.ts';
import { json, type LoopbackServer, loopbackServer } from '../jobs/revocation/support/server.ts';
import { START, TestClock } from '../support/clock.ts';

const PACKAGE = VIRTUAL_APPLICATION.packageName;
const SECRET = 'c2VjcmV0';

let folder: string;
const servers: LoopbackServer[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tapgate-play-'));
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  rmSync(folder, { recursive: true, force: true });
});

function keyFile(name: string, text: string, mode = 0o600): void {
  writeFileSync(join(folder, name), text);
  chmodSync(join(folder, name), mode);
}

/** The decoders of a configuration with these applications, each in YAML's flow style. */
async function decodersOf(...applications: string[]) {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, `playIntegrity:\n${applications.map((application) => `  - { ${application} }\n`).join('')}`);
  const { playIntegrity } = await readConfig(file, folder, {});
  return openDecoders(playIntegrity, new TestClock());
}

const PAYLOAD = { application: VIRTUAL_APPLICATION, transcript: Buffer.alloc(32, 7), at: START };

/** Google's two servers in one: it gives access tokens, and decodes `standard-token`. */
async function google() {
  const server = await loopbackServer((request, response) => {
    if (request.url === '/token') {
      json(response, JSON.stringify({ access_token: 'access', token_type: 'Bearer', expires_in: 3599 }));
    } else if (request.headers.authorization === 'Bearer access') {
      json(response, JSON.stringify({ tokenPayloadExternal: honestPayload(PAYLOAD) }));
    } else response.writeHead(401).end();
  });
  servers.push(server);
  return server;
}

const at = ({ origin }: LoopbackServer): string => `endpoint: "${origin}", tokenEndpoint: "${origin}/token"`;

test("standard tokens are decoded by Google's server, with the account's access token", async () => {
  const server = await google();
  keyFile('account.json', accountFile());
  const decoders = await decodersOf(
    `package: ${PACKAGE}, serviceAccount: account.json, ${at(server)}`,
    `package: org.example.other, serviceAccount: account.json, ${at(server)}`,
  );
  for (const name of [PACKAGE, 'org.example.other']) {
    expect(await decoders.get(name)?.decode('standard-token')).toMatchObject({ ok: true });
  }
  // One source of access tokens for both.
  expect(server.requests.map(({ url }) => url)).toEqual([
    '/token',
    `/v1/${PACKAGE}:decodeIntegrityToken`,
    '/v1/org.example.other:decodeIntegrityToken',
  ]);
});

test('with keys and account, classic tokens stay here and all others go to the server', async () => {
  const server = await google();
  const play = createVirtualPlay();
  keyFile('keys.json', JSON.stringify(play.console));
  keyFile('account.json', accountFile());
  const decoders = await decodersOf(
    `package: ${PACKAGE}, classicKeys: keys.json, serviceAccount: account.json, ${at(server)}`,
  );
  const decoder = decoders.get(PACKAGE);
  expect(await decoder?.decode(await play.token(PAYLOAD))).toMatchObject({ ok: true });
  expect(server.requests).toHaveLength(0);
  expect(await decoder?.decode('standard-token')).toMatchObject({ ok: true });
  expect(server.requests).toHaveLength(2);
});

describe('a configuration is refused', () => {
  test.each<[string, string, string]>([
    ['without keys and account', `package: ${PACKAGE}`, 'classicKeys, serviceAccount or both'],
    [
      'that asks for access tokens in the open',
      `package: ${PACKAGE}, serviceAccount: a, tokenEndpoint: "http://example.org/token"`,
      'https://',
    ],
    [
      'that sends access tokens in the open',
      `package: ${PACKAGE}, serviceAccount: a, endpoint: "http://example.org"`,
      'https://',
    ],
    [
      'with a password in an address',
      `package: ${PACKAGE}, serviceAccount: a, endpoint: "https://user:${SECRET}@example.org"`,
      'https://',
    ],
    [
      'with a path that no request would have',
      `package: ${PACKAGE}, serviceAccount: a, endpoint: "https://example.org/v1"`,
      'scheme, host and port only',
    ],
  ])('%s', async (_, application, message) => {
    const refused = decodersOf(application);
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.not.toThrow(SECRET);
  });

  test('that names a package twice', async () => {
    keyFile('account.json', accountFile());
    const application = `package: ${PACKAGE}, serviceAccount: account.json`;
    await expect(decodersOf(application, application)).rejects.toThrow(`names ${PACKAGE} twice`);
  });
});

describe.each(['classicKeys', 'serviceAccount'])('a file of %s is refused', (kind) => {
  const opened = () => decodersOf(`package: ${PACKAGE}, ${kind}: key.json`);

  test('that is not there', async () => {
    await expect(opened()).rejects.toThrow('key.json does not exist');
  });

  test.each([0o604, 0o660, 0o644])('that others can open (%o)', async (mode) => {
    keyFile('key.json', accountFile(), mode);
    await expect(opened()).rejects.toThrow('chmod 600');
  });

  test('that is over 16 KiB', async () => {
    keyFile('key.json', `{"private_key":"${SECRET}${' '.repeat(16_384)}"}`);
    await expect(opened()).rejects.toThrow('over 16384 bytes');
  });

  test.each([SECRET, `{"private_key":"${SECRET}"}`])('that is another one, unquoted', async (text) => {
    keyFile('key.json', text);
    const refused = opened();
    await expect(refused).rejects.toThrow('key.json');
    await expect(refused).rejects.not.toThrow(SECRET);
  });
});
