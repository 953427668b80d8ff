import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { callerFromCertificate, requireAcquirer, requireRole } from '../../../src/server/transport/peer.ts';
import type { ChannelTls } from '../../../src/wire/channel.ts';
import { extendedKeyUsage, subjectAltName } from '../../../src/x509/extensions.ts';
import { issueCertificate } from '../../../src/x509/issue.ts';
import { Certificates, callLines, type Edge, startEdge } from './support/edge.ts';
import { ask, failureOf, invites, type RunInvite, whoami, withEdge } from './support/invites.ts';

let certificates: Certificates;
let strangers: Certificates;
beforeAll(async () => {
  certificates = await Certificates.make();
  strangers = await Certificates.make();
});
afterAll(async () => {
  await certificates.remove();
  await strangers.remove();
});

/** Protocol of a bare TLS connection, or the code of its error. */
async function handshake(edge: Edge, tls: ChannelTls, maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<unknown> {
  const { port } = edge.listener.address;
  const socket = connect({
    ...tls,
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    ALPNProtocols: ['h2'],
    maxVersion,
  });
  try {
    const [error] = await Promise.race([once(socket, 'secureConnect'), once(socket, 'error')]).catch((cause) => [
      cause,
    ]);
    return error ? error.code : socket.getProtocol();
  } finally {
    socket.destroy();
  }
}

describe('TLS of a listener', () => {
  test('speaks TLS 1.3 and refuses TLS 1.2', async () => {
    await withEdge(startEdge(certificates, 'device', [invites(whoami)]), async (edge) => {
      const tls = await certificates.client('device');
      expect(await handshake(edge, tls, 'TLSv1.3')).toBe('TLSv1.3');
      expect(await handshake(edge, tls, 'TLSv1.2')).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
    });
  });

  test.each(['processing', 'admin'] as const)('of the %s plane needs client authorities to start', async (plane) => {
    const { key, cert } = await certificates.server(plane);
    const start = startEdge(certificates, plane, [], { tls: { key, cert } });
    await expect(start).rejects.toThrow('client authorities');
    const empty = startEdge(certificates, plane, [], { tls: { key, cert, clientCa: '' } });
    await expect(empty).rejects.toThrow('client authorities');
  });

  test('gives new connections the renewed certificate', async () => {
    await withEdge(startEdge(certificates, 'processing', [invites(whoami)]), async (edge) => {
      await ask(edge, await certificates.client('processing', 'processing/acme'));
      edge.listener.renewTls(await strangers.server('processing'));
      const renewed = await ask(edge, await strangers.client('processing', 'processing/umbra'));
      expect(renewed.inviteId).toContain('umbra');
      const before = await failureOf(ask(edge, await certificates.client('processing', 'processing/acme')));
      expect(before?.code).toBe(status.UNAVAILABLE);
      const { key, cert } = await strangers.server('processing');
      expect(() => edge.listener.renewTls({ key, cert })).toThrow(TypeError);
      expect(await handshake(edge, await strangers.client('processing', 'processing/acme'), 'TLSv1.2')).not.toBe(
        'TLSv1.2',
      );
    });
  });
});

describe('who calls', () => {
  test('is nobody known on the device plane', async () => {
    await withEdge(startEdge(certificates, 'device', [invites(whoami)]), async (edge) => {
      const answer = await ask(edge, await certificates.client('device'));
      expect(JSON.parse(answer.inviteId)).toEqual({ plane: 'device' });
    });
  });

  test('is the acquirer of the client certificate, or the person and role', async () => {
    await withEdge(startEdge(certificates, 'processing', [invites(whoami)]), async (edge) => {
      const answer = await ask(edge, await certificates.client('processing', 'processing/acme'));
      expect(JSON.parse(answer.inviteId)).toEqual({ plane: 'processing', acquirer: 'acme' });
      expect(callLines(edge)).toMatchObject([{ plane: 'processing', acquirer: 'acme', code: 'OK' }]);
    });
    await withEdge(startEdge(certificates, 'admin', [invites(whoami)]), async (edge) => {
      const answer = await ask(edge, await certificates.client('admin', 'admin/ada@officer'));
      expect(JSON.parse(answer.inviteId)).toEqual({ plane: 'admin', role: 'officer', person: 'ada' });
    });
  });

  const intruders: [string, () => Promise<ChannelTls>][] = [
    ['no certificate', () => certificates.client('processing')],
    [
      "another plane's certificate",
      async () => ({
        ...(await certificates.client('admin', 'admin/ada@officer')),
        ca: await certificates.read('processing/ca.crt'),
      }),
    ],
    [
      "another authority's certificate of the same name",
      async () => ({
        ...(await strangers.client('processing', 'processing/acme')),
        ca: await certificates.read('processing/ca.crt'),
      }),
    ],
    ['a server certificate', () => certificates.client('processing', 'processing/server')],
  ];
  test.each(intruders)('is not let in with %s', async (_, tls) => {
    let asked = false;
    const run: RunInvite = async (message, context) => {
      asked = true;
      return whoami(message, context);
    };
    await withEdge(startEdge(certificates, 'processing', [invites(run)]), async (edge) => {
      expect((await failureOf(ask(edge, await tls())))?.code).toBe(status.UNAVAILABLE);
      expect(asked).toBe(false);
      expect(callLines(edge)).toEqual([]);
    });
  });

  /** A client certificate under the processing authority with the given names. */
  async function certificateWith(names: { dns?: string[]; uri?: string[] }): Promise<ChannelTls> {
    const authority = new X509Certificate(await certificates.read('processing/ca.crt'));
    const own = new X509Certificate(await certificates.read('processing/acme.crt'));
    const der = issueCertificate({
      subject: [{ type: 'CN', value: 'acme' }],
      issuer: [
        { type: 'O', value: 'Tapgate development' },
        { type: 'CN', value: 'processing authority' },
      ],
      spki: own.publicKey.export({ type: 'spki', format: 'der' }),
      serial: randomBytes(8),
      notBefore: authority.validFromDate,
      notAfter: own.validToDate,
      extensions: [extendedKeyUsage(['clientAuth']), ...(names.dns || names.uri ? [subjectAltName(names)] : [])],
      signingKey: createPrivateKey(await certificates.read('processing/ca.key')),
      signatureHash: 'sha256',
    });
    const tls = await certificates.client('processing', 'processing/acme');
    return { ...tls, cert: new X509Certificate(der).toString() };
  }

  const acme = 'spiffe://tapgate/processing/acme';
  test.each([
    ['no alternative name', {}],
    ['a DNS name only', { dns: ['acme'] }],
    ['two URI names', { uri: [acme, acme] }],
    ['the name of another plane', { uri: ['spiffe://tapgate/admin/officer/ada'] }],
    ['another trust domain', { uri: ['spiffe://tapgate.example/processing/acme'] }],
    ['upper case', { uri: ['spiffe://tapgate/processing/Acme'] }],
    ['a path that goes on', { uri: [`${acme}/`] }],
    ['a comma that looks like two names', { uri: [`${acme}, URI:spiffe://tapgate/processing/umbra`] }],
    ['a DNS name that looks like a URI', { dns: [`x, URI:${acme}`] }],
    ['a NUL in the name', { uri: [`${acme}\0.umbra`] }],
    ['a name too long', { uri: [`spiffe://tapgate/processing/${'a'.repeat(65)}`] }],
  ])('is refused where a certificate of the plane has %s', async (_, names) => {
    await withEdge(startEdge(certificates, 'processing', [invites(whoami)]), async (edge) => {
      const refusal = await failureOf(ask(edge, await certificateWith(names)));
      expect(refusal).toMatchObject({ code: status.UNAUTHENTICATED, reasons: ['CALLER_NOT_AUTHENTICATED'] });
    });
  });

  test('is the one URI name, beside which other names may stand', async () => {
    const tls = await certificateWith({ dns: ['acme.example'], uri: [acme] });
    const { raw } = new X509Certificate(tls.cert ?? '');
    expect(callerFromCertificate('processing', raw)).toEqual({
      ok: true,
      value: { plane: 'processing', acquirer: 'acme' },
    });
  });

  test('is checked by handlers in one word', () => {
    const ada = { plane: 'admin', role: 'officer', person: 'ada' } as const;
    expect(requireRole(ada, ['officer', 'auditor'])).toEqual({ role: 'officer', person: 'ada' });
    expect(() => requireRole(ada, ['auditor'])).toThrow('ROLE_NOT_ALLOWED');
    expect(() => requireRole({ plane: 'device' }, ['auditor'])).toThrow('CALLER_NOT_AUTHENTICATED');
    expect(requireAcquirer({ plane: 'processing', acquirer: 'acme' })).toBe('acme');
    expect(() => requireAcquirer(ada)).toThrow('CALLER_NOT_AUTHENTICATED');
  });
});
