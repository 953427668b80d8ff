import { generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from '../../src/x509/extensions.ts';
import { type CertificateTemplate, issueCertificate } from '../../src/x509/issue.ts';

const spkiOf = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' });
const pem = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`;

const authority = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const AUTHORITY_NAME = [
  { type: 'C', value: 'CH' },
  { type: 'O', value: 'Tapgate Zürich' },
  { type: 'CN', value: 'Test authority' },
] as const;

function template(over: Partial<CertificateTemplate> = {}): CertificateTemplate {
  return {
    subject: AUTHORITY_NAME,
    issuer: AUTHORITY_NAME,
    spki: spkiOf(authority.publicKey),
    serial: Uint8Array.of(0x00, 0xf9, 0x20),
    notBefore: new Date('2026-01-01T00:00:00Z'),
    notAfter: new Date('2056-01-01T00:00:00Z'),
    extensions: [
      basicConstraints({ ca: true, pathLength: 1 }),
      keyUsage(['keyCertSign', 'cRLSign']),
      subjectKeyIdentifier(spkiOf(authority.publicKey)),
    ],
    signingKey: authority.privateKey,
    signatureHash: 'sha384',
    ...over,
  };
}

function leaf(commonName: string, purpose: 'serverAuth' | 'clientAuth') {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const der = issueCertificate(
    template({
      subject: [{ type: 'CN', value: commonName }],
      spki: spkiOf(keys.publicKey),
      serial: Uint8Array.of(2),
      extensions: [
        basicConstraints({ ca: false }),
        keyUsage(['digitalSignature']),
        extendedKeyUsage([purpose]),
        subjectAltName({ dns: ['localhost'], ip: ['127.0.0.1', '2001:db8::7'], uri: ['tapgate://role/acquirer'] }),
        subjectKeyIdentifier(spkiOf(keys.publicKey)),
        authorityKeyIdentifier(spkiOf(authority.publicKey)),
      ],
    }),
  );
  return { der, key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
}

describe('issuing a certificate', () => {
  test('Node reads back every field of it', () => {
    const certificate = new X509Certificate(issueCertificate(template()));
    expect(certificate.verify(authority.publicKey)).toBe(true);
    expect(certificate.serialNumber).toBe('F920');
    expect(certificate.subject).toBe('C=CH\nO=Tapgate Zürich\nCN=Test authority');
    expect(certificate.validFromDate).toEqual(new Date('2026-01-01T00:00:00Z'));
    expect(certificate.validToDate).toEqual(new Date('2056-01-01T00:00:00Z'));
    expect(certificate.ca).toBe(true);
  });

  test('names, purposes and identifiers of a leaf are those of the extensions', () => {
    const issued = new X509Certificate(leaf('server', 'serverAuth').der);
    expect(issued.subjectAltName).toBe(
      'DNS:localhost, URI:tapgate://role/acquirer, IP Address:127.0.0.1, IP Address:2001:DB8:0:0:0:0:0:7',
    );
    expect(issued.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(issued.ca).toBe(false);
    expect(issued.checkIssued(new X509Certificate(issueCertificate(template())))).toBe(true);
  });

  test.each([
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['P-256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ])('an authority with an %s key signs with it', (_, keys) => {
    for (const signatureHash of ['sha256', 'sha384', 'sha512'] as const) {
      const issued = issueCertificate(template({ signingKey: keys.privateKey, signatureHash }));
      expect(new X509Certificate(issued).verify(keys.publicKey)).toBe(true);
    }
  });

  test('a serial number of zero or of more than 20 bytes, and a key that cannot sign, are refused', () => {
    expect(() => issueCertificate(template({ serial: Uint8Array.of(0) }))).toThrow(/serial number/);
    expect(() => issueCertificate(template({ serial: new Uint8Array(21).fill(1) }))).toThrow(/serial number/);
    const { privateKey } = generateKeyPairSync('x25519');
    expect(() => issueCertificate(template({ signingKey: privateKey }))).toThrow(/EC or RSA/);
  });

  test('keyUsage names at least one usage, and an address is an address', () => {
    expect(() => keyUsage([])).toThrow(/at least one/);
    expect(() => subjectAltName({ ip: ['localhost'] })).toThrow(/IP address/);
    expect(Buffer.from(subjectAltName({ ip: ['::ffff:192.0.2.1'] }).value).toString('hex')).toBe(
      '3012871000000000000000000000ffffc0000201',
    );
  });

  test('mutual TLS 1.3 stands on issued certificates, and an unknown authority is turned away', async () => {
    const ca = pem('CERTIFICATE', issueCertificate(template()));
    const server = leaf('server', 'serverAuth');
    const client = leaf('client', 'clientAuth');
    const listener = createServer({
      cert: pem('CERTIFICATE', server.der),
      key: server.key,
      ca,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as { port: number };
    const accepted = once(listener, 'secureConnection');
    const socket = connect({ port, host: '127.0.0.1', ca, cert: pem('CERTIFICATE', client.der), key: client.key });
    await once(socket, 'secureConnect');
    const [peer] = (await accepted) as [TLSSocket];
    expect(socket.authorized).toBe(true);
    expect(socket.getProtocol()).toBe('TLSv1.3');
    expect(peer.getPeerCertificate().subject.CN).toBe('client');
    socket.destroy();

    const stranger = connect({ port, host: '127.0.0.1' });
    const [refusal] = (await once(stranger, 'error')) as [Error & { code: string }];
    expect(refusal.code).toBe('SELF_SIGNED_CERT_IN_CHAIN');
    stranger.destroy();
    peer.destroy();
    listener.close();
  });
});
