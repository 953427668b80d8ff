import { X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { describeCertificates } from '../../src/certs/describe.ts';
import { type CertificatesRequest, initCertificates, issueClientCertificate } from '../../src/certs/init.ts';

const now = new Date('2026-06-01T12:00:00Z');
let directory: string;
let request: CertificatesRequest;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tapgate-pki-'));
  request = {
    directory,
    hosts: ['gate.shop.example', '192.0.2.7', '2001:db8::7'],
    acquirers: ['acme', 'umbra'],
    admins: [
      { role: 'officer', person: 'ada' },
      { role: 'auditor', person: 'ada' },
    ],
    now,
    days: 90,
  };
});
afterEach(() => rm(directory, { recursive: true }));

const read = (name: string) => readFile(join(directory, name), 'utf8');
const certificateOf = async (name: string) => new X509Certificate(await read(name));

async function snapshot(): Promise<Record<string, string>> {
  const names = await readdir(directory, { recursive: true });
  const files = names.filter((name) => /\.(crt|key)$/.test(name)).sort();
  return Object.fromEntries(await Promise.all(files.map(async (name) => [name, await read(name)])));
}

async function init(more: Partial<CertificatesRequest> = {}) {
  const made = await initCertificates({ ...request, ...more });
  if (!made.ok) throw new Error(`${made.reason}: ${made.detail}`);
  return made.value;
}

describe('initCertificates', () => {
  test('makes an authority and a server of each plane, and clients, with private keys for their owner only', async () => {
    const { created, kept } = await init();
    expect(kept).toEqual([]);
    expect(created).toHaveLength(10);
    expect(Object.keys(await snapshot())).toEqual(
      [
        'admin/ada@auditor',
        'admin/ada@officer',
        'admin/ca',
        'admin/server',
        'device/ca',
        'device/server',
        'processing/acme',
        'processing/ca',
        'processing/server',
        'processing/umbra',
      ].flatMap((name) => [`${name}.crt`, `${name}.key`]),
    );
    for (const name of Object.keys(await snapshot())) {
      expect([name, (await stat(join(directory, name))).mode & 0o777]).toEqual([
        name,
        name.endsWith('.key') ? 0o600 : 0o644,
      ]);
    }
    expect((await stat(join(directory, 'admin'))).mode & 0o777).toBe(0o700);
  });

  test('chains every certificate to the authority of its plane and to no other', async () => {
    await init();
    for (const row of await describeCertificates(directory, now)) {
      const certificate = new X509Certificate(await readFile(row.path));
      for (const plane of ['device', 'processing', 'admin']) {
        const authority = await certificateOf(`${plane}/ca.crt`);
        expect(certificate.verify(authority.publicKey)).toBe(plane === row.plane);
      }
      expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' });
      expect(certificate.ca).toBe(row.kind === 'authority');
    }
  });

  test('names what each certificate is for', async () => {
    await init();
    const server = await certificateOf('device/server.crt');
    for (const host of ['localhost', 'gate.shop.example']) expect(server.checkHost(host)).toBe(host);
    for (const ip of ['127.0.0.1', '::1', '192.0.2.7', '2001:db8::7']) expect(server.checkIP(ip)).toBe(ip);
    expect(server.checkHost('other.example')).toBeUndefined();
    expect(server.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    const acquirer = await certificateOf('processing/acme.crt');
    expect(acquirer.subjectAltName).toBe('URI:spiffe://tapgate/processing/acme');
    expect(acquirer.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect((await certificateOf('admin/ada@auditor.crt')).subjectAltName).toBe(
      'URI:spiffe://tapgate/admin/auditor/ada',
    );
  });

  test('makes certificates valid from a little before now for the days asked, never beyond their authority', async () => {
    await init();
    const server = await certificateOf('device/server.crt');
    expect(server.validFromDate).toEqual(new Date('2026-06-01T11:55:00Z'));
    expect(server.validToDate).toEqual(new Date('2026-08-30T12:00:00Z'));
    const later = new Date('2036-04-01T00:00:00Z');
    const caller = { plane: 'processing', acquirer: 'late' } as const;
    expect(await issueClientCertificate({ directory, caller, now: later, days: 365 })).toMatchObject({ ok: true });
    expect((await certificateOf('processing/late.crt')).validToDate).toEqual(
      (await certificateOf('processing/ca.crt')).validToDate,
    );
  });

  test('changes nothing when repeated, and adds only what is missing', async () => {
    await init();
    const before = await snapshot();
    const again = await init();
    expect(again.created).toEqual([]);
    expect(again.kept).toHaveLength(10);
    expect(await snapshot()).toEqual(before);
    const more = await init({ acquirers: ['acme', 'umbra', 'third'] });
    expect(more.created).toEqual([join(directory, 'processing/third.crt')]);
    expect(await snapshot()).toMatchObject(before);
  });

  test.each([
    ['a host that the server certificate lacks', async () => ({ hosts: ['new.example'] }), 'CERTIFICATE_DIFFERS'],
    [
      'a certificate without its key',
      async () => unlink(join(directory, 'processing/acme.key')),
      'CERTIFICATES_INCOMPLETE',
    ],
    ['a key without its certificate', async () => unlink(join(directory, 'admin/ca.crt')), 'CERTIFICATES_INCOMPLETE'],
    [
      'certificates without their authority',
      async () => {
        await unlink(join(directory, 'device/ca.crt'));
        await unlink(join(directory, 'device/ca.key'));
      },
      'CERTIFICATES_INCOMPLETE',
    ],
    [
      "another client's certificate under the name",
      async () => {
        for (const end of ['crt', 'key']) {
          await writeFile(join(directory, `processing/acme.${end}`), await read(`processing/umbra.${end}`));
        }
      },
      'CERTIFICATE_DIFFERS',
    ],
    [
      'a file that is no certificate',
      async () => writeFile(join(directory, 'device/server.crt'), 'not a certificate'),
      'CERTIFICATE_DIFFERS',
    ],
    [
      'an authority whose key is another one',
      async () => writeFile(join(directory, 'device/ca.key'), await read('admin/ca.key')),
      'CERTIFICATE_DIFFERS',
    ],
    [
      'a certificate of another authority',
      async () => {
        for (const end of ['crt', 'key']) {
          await writeFile(join(directory, `device/server.${end}`), await read(`admin/server.${end}`));
        }
      },
      'CERTIFICATE_DIFFERS',
    ],
  ])('refuses to touch %s', async (_, spoil, reason) => {
    await init();
    const more = await spoil();
    const before = await snapshot();
    expect(await initCertificates({ ...request, ...more })).toMatchObject({ ok: false, reason });
    expect(await snapshot()).toEqual(before);
  });

  test.each<[string, Partial<CertificatesRequest>]>([
    ['an acquirer in upper case', { acquirers: ['Acme'] }],
    ['an acquirer with a path', { acquirers: ['../acme'] }],
    ['an acquirer called as the authority is', { acquirers: ['ca'] }],
    ['an acquirer called as the server is', { acquirers: ['server'] }],
    ['an empty acquirer', { acquirers: [''] }],
    ['a person with a slash', { admins: [{ role: 'officer', person: 'a/b' }] }],
    ['a role with an at sign', { admins: [{ role: 'a@b', person: 'ada' }] }],
    ['a host with a space', { hosts: ['gate example'] }],
    ['a wildcard host', { hosts: ['*.example'] }],
    ['no days', { days: 0 }],
    ['half a day', { days: 0.5 }],
    ['a century', { days: 36_500 }],
  ])('refuses %s before it writes anything', async (_, more) => {
    expect(await initCertificates({ ...request, ...more })).toMatchObject({ ok: false, reason: 'NAME_INVALID' });
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('issueClientCertificate', () => {
  const issue = (acquirer: string) =>
    issueClientCertificate({ directory, caller: { plane: 'processing', acquirer }, now, days: 30 });

  test('issues one more under the authority that is there', async () => {
    await init();
    expect(await issue('third')).toEqual({
      ok: true,
      value: {
        certificate: join(directory, 'processing/third.crt'),
        key: join(directory, 'processing/third.key'),
      },
    });
    const authority = await certificateOf('processing/ca.crt');
    expect((await certificateOf('processing/third.crt')).verify(authority.publicKey)).toBe(true);
  });

  test('refuses a name that is taken, one that cannot be, and a folder without an authority', async () => {
    expect(await issue('third')).toMatchObject({ ok: false, reason: 'AUTHORITY_MISSING' });
    await init();
    expect(await issue('acme')).toMatchObject({ ok: false, reason: 'CERTIFICATE_EXISTS' });
    expect(await issue('server')).toMatchObject({ ok: false, reason: 'NAME_INVALID' });
    await unlink(join(directory, 'processing/ca.key'));
    expect(await issue('third')).toMatchObject({ ok: false, reason: 'AUTHORITY_MISSING' });
  });
});

describe('describeCertificates', () => {
  test('lists planes and names with what expires when, and what is not of its plane', async () => {
    await init();
    await writeFile(join(directory, 'admin/stranger.crt'), await read('processing/acme.crt'));
    const rows = await describeCertificates(directory, new Date('2026-08-31T12:00:00Z'));
    expect(rows.map(({ plane, name }) => `${plane}/${name}`)).toEqual([
      'device/ca',
      'device/server',
      'processing/acme',
      'processing/ca',
      'processing/server',
      'processing/umbra',
      'admin/ada@auditor',
      'admin/ada@officer',
      'admin/ca',
      'admin/server',
      'admin/stranger',
    ]);
    expect(rows.find(({ name }) => name === 'acme')).toMatchObject({
      kind: 'client',
      names: ['URI:spiffe://tapgate/processing/acme'],
      daysLeft: -1,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      trusted: true,
    });
    expect(rows.filter(({ trusted }) => !trusted).map(({ name }) => name)).toEqual(['stranger']);
  });

  test('is empty for a folder that is not there', async () => {
    expect(await describeCertificates(join(directory, 'none'), now)).toEqual([]);
  });
});
