import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { encodePem } from '../../../src/encoding/pem.ts';
import { RedisConnection, type RedisEvent, type RedisTls } from '../../../src/store/volatile/redis-connection.ts';
import { RedisUrl } from '../../../src/store/volatile/redis-url.ts';
import { basicConstraints, extendedKeyUsage, keyUsage, subjectAltName } from '../../../src/x509/extensions.ts';
import { type CertificateExtension, issueCertificate } from '../../../src/x509/issue.ts';
import { SeededRandom } from '../../support/random.ts';
import { RedisServer } from './redis-server.ts';

const PASSWORD = 'correct horse/battery@staple';

let server: RedisServer | null = null;
const connections: RedisConnection[] = [];
const events: RedisEvent[] = [];

afterEach(async () => {
  for (const connection of connections.splice(0)) await connection.close();
  events.splice(0);
  await server?.dispose();
  server = null;
});

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

async function connect(url: string, tls?: RedisTls): Promise<RedisConnection> {
  const parsed = RedisUrl.parse(url);
  if (parsed === null) throw new Error('not an address of Redis');
  const connection = await RedisConnection.open({
    url: parsed,
    ...(tls === undefined ? {} : { tls }),
    random: new SeededRandom('access'),
    onEvent: (event) => events.push(event),
  });
  connections.push(connection);
  return connection;
}

describe('a Redis with passwords', () => {
  const start = async (...settings: string[]): Promise<number> => {
    const port = await freePort();
    server = await RedisServer.start(['--port', String(port), '--bind', '127.0.0.1', ...settings]);
    return port;
  };

  test('serves who has the password, in the database of the address', async () => {
    const port = await start('--requirepass', PASSWORD);
    const connection = await connect(`redis://:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/3`);
    expect(await connection.answers()).toBe(true);
    expect(String(await connection.run((client) => client.info('keyspace')))).toContain('db3:keys=1');
  });

  test('serves a user whose rights are the fewest that the stores need', async () => {
    const rights = ['~tapgate:v1:*', '+set', '+get', '+getdel', '+hello', '+client|setname'];
    const port = await start('--user', 'tapgate', 'on', '>secret', ...rights, '--user', 'default', 'off');
    const connection = await connect(`redis://tapgate:secret@127.0.0.1:${port}`);
    expect(await connection.answers()).toBe(true);
  });

  test.each([
    ['no password', '', 'NOAUTH'],
    ['another one', ':wrong-password@', 'WRONGPASS'],
  ])('does not serve who has %s, and the event names neither', async (_name, credentials, reason) => {
    const port = await start('--requirepass', PASSWORD);
    const connection = await connect(`redis://${credentials}127.0.0.1:${port}`);
    expect(await connection.answers()).toBe(false);
    expect(events).toContainEqual({ kind: 'unreachable', reason });
    expect(JSON.stringify(events)).not.toMatch(/wrong-password|horse/);
  });
});

describe('a Redis behind TLS', () => {
  const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });

  function authority(name: string) {
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const subject = [{ type: 'CN', value: name }] as const;
    let serial = 0;
    const issue = (own: KeyObject, common: string, extensions: readonly CertificateExtension[]): string => {
      serial += 1;
      const der = issueCertificate({
        subject: [{ type: 'CN', value: common }],
        issuer: subject,
        spki: spkiOf(own),
        serial: Uint8Array.of(serial),
        notBefore: new Date('2026-01-01T00:00:00Z'),
        notAfter: new Date('2056-01-01T00:00:00Z'),
        extensions,
        signingKey: keys.privateKey,
        signatureHash: 'sha256',
      });
      return encodePem('CERTIFICATE', der);
    };
    return {
      ca: issue(keys.publicKey, name, [basicConstraints({ ca: true }), keyUsage(['keyCertSign'])]),
      leaf: (purpose: 'serverAuth' | 'clientAuth', dns: readonly string[]) => {
        const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
        const names = dns.length === 0 ? [] : [subjectAltName({ dns: [...dns] })];
        const extensions = [
          basicConstraints({ ca: false }),
          keyUsage(['digitalSignature']),
          extendedKeyUsage([purpose]),
          ...names,
        ];
        const key = own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
        return { cert: issue(own.publicKey, purpose, extensions), key };
      },
    };
  }

  const ours = authority('ours');
  const theirs = authority('theirs');

  /** A server of our authority, for the name; it asks for a client certificate of the same authority. */
  const start = async (dns: string): Promise<number> => {
    const port = await freePort();
    const { cert, key } = ours.leaf('serverAuth', [dns]);
    // The files lie where the server that is stopped at the end removes them.
    const first = await RedisServer.start();
    const paths = Object.entries({ cert, key, ca: ours.ca }).map(([name, pem]) => {
      const path = join(first.folder, `${name}.pem`);
      writeFileSync(path, pem, { mode: 0o600 });
      return [name, path] as const;
    });
    const files = Object.fromEntries(paths);
    server = first;
    await first.kill();
    await first.restart([
      ...['--tls-port', String(port), '--bind', '127.0.0.1', '--tls-auth-clients', 'yes'],
      ...['--tls-cert-file', String(files.cert), '--tls-key-file', String(files.key)],
      ...['--tls-ca-cert-file', String(files.ca)],
    ]);
    return port;
  };

  test('serves where both sides prove themselves', async () => {
    const port = await start('localhost');
    const connection = await connect(`rediss://localhost:${port}`, { ca: ours.ca, ...ours.leaf('clientAuth', []) });
    expect(events).toEqual([{ kind: 'connected' }]);
    expect(await connection.answers()).toBe(true);
  });

  test.each<[string, string, RedisTls]>([
    ['whose authority is not known', 'localhost', ours.leaf('clientAuth', [])],
    ['of another authority', 'localhost', { ca: theirs.ca, ...ours.leaf('clientAuth', []) }],
    ['of another name', 'redis.example', { ca: ours.ca, ...ours.leaf('clientAuth', []) }],
    ['that is shown no certificate', 'localhost', { ca: ours.ca }],
    ['that is shown one of another authority', 'localhost', { ca: ours.ca, ...theirs.leaf('clientAuth', []) }],
  ])('is not used: one %s', async (_name, dns, tls) => {
    const port = await start(dns);
    const connection = await connect(`rediss://localhost:${port}`, tls);
    expect(await connection.answers()).toBe(false);
    expect(events.map(({ kind }) => kind)).not.toContain('connected');
  });

  test('is not spoken to in clear', async () => {
    const port = await start('localhost');
    expect(await (await connect(`redis://localhost:${port}`)).answers()).toBe(false);
  });
});
