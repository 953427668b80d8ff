import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { derElement, derOctets, derSequence } from '../../../src/payment-crypto/secure-key-wrapper/der.ts';
import { parseTr34Certificate } from '../../../src/payment-crypto/tr34/certificate.ts';
import {
  bindDevice,
  bindHost,
  formatDeviceCredential,
  formatHostCredential,
} from '../../../src/payment-crypto/tr34/credential.ts';
import { derAlgorithm, derOid, OIDS } from '../../../src/payment-crypto/tr34/der.ts';
import { formatCertificates } from '../../../src/payment-crypto/tr34/signed-data.ts';
import { accepted, reasonOf } from '../support.ts';
import * as parties from './parties.ts';

const { NOW, USAGE, device, deviceAuthority, deviceCertificate, host, hostAuthority, hostCertificate, hostList } =
  parties;

const bindTo = (certificate: Uint8Array, list: Uint8Array = hostList(), authority = hostAuthority, at = NOW) =>
  reasonOf(bindHost(formatCertificates([certificate], [list]), authority, at));

describe('a host is bound', () => {
  test('by its credential under the authority of hosts', () => {
    expect(reasonOf(bindHost(formatHostCredential(host.certificate, hostList()), hostAuthority, NOW))).toBe('accepted');
  });

  test.each([
    ['made by another key', { signer: parties.hostKeys.privateKey }, 'TR34_CERTIFICATE'],
    ['of another issuer', { issuer: 'TR34 Sample CA KRD' }, 'TR34_CERTIFICATE'],
    ['for encipherment only', { usage: USAGE.keyEncipherment }, 'TR34_CERTIFICATE'],
    ['of an authority', { authority: true }, 'TR34_CERTIFICATE'],
    ['that has expired', { notAfter: '20260228000000' }, 'TR34_CERTIFICATE_EXPIRED'],
    ['of tomorrow', { notBefore: '20260302000000' }, 'TR34_CERTIFICATE_EXPIRED'],
    ['until the 30th of February', { notAfter: '20290230000000' }, 'TR34_MALFORMED'],
    ['of a 13th month', { notBefore: '20251301000000' }, 'TR34_MALFORMED'],
    ['that is on the list', { serial: 9 }, 'TR34_CERTIFICATE_REVOKED'],
  ] as const)('not with a certificate %s', (_, changes, reason) => {
    expect(bindTo(hostCertificate(changes))).toBe(reason);
  });

  test('not under the authority of devices, nor under a certificate that is no authority', () => {
    expect(bindTo(hostCertificate(), hostList(), deviceAuthority)).toBe('TR34_CERTIFICATE');
    expect(bindTo(hostCertificate(), hostList(), host.certificate)).toBe('TR34_CERTIFICATE');
    const late = new Date('2029-06-01T00:00:00Z');
    expect(bindTo(hostCertificate({ notAfter: '20300101000000' }), hostList(), hostAuthority, late)).toBe(
      'TR34_CERTIFICATE_EXPIRED',
    );
  });

  test('not with other than one certificate and one list', () => {
    const bind = (certificates: Buffer[], lists: Buffer[]) =>
      reasonOf(bindHost(formatCertificates(certificates, lists), hostAuthority, NOW));
    expect(bind([], [hostList()])).toBe('TR34_MALFORMED');
    expect(bind([hostCertificate(), hostCertificate()], [hostList()])).toBe('TR34_MALFORMED');
    expect(bind([hostCertificate()], [])).toBe('TR34_CRL');
    expect(bind([hostCertificate()], [hostList(), hostList()])).toBe('TR34_CRL');
  });
});

describe('an authority', () => {
  const authority = (changes: Parameters<typeof parties.authorityCertificate>[2]) =>
    parties.authorityCertificate(parties.HOST_AUTHORITY, parties.hostAuthorityKeys, changes);

  test('needs the right to sign certificates, and the right to sign lists', () => {
    expect(bindTo(hostCertificate(), hostList(), authority({ usage: 0x02 }))).toBe('TR34_CERTIFICATE');
    expect(bindTo(hostCertificate(), hostList(), authority({ usage: 0x04 }))).toBe('TR34_CRL');
    expect(bindTo(hostCertificate(), hostList(), authority({ authority: false }))).toBe('TR34_CERTIFICATE');
    expect(bindTo(hostCertificate(), hostList(), authority({}))).toBe('accepted');
  });

  test('without a key usage may do both', () => {
    const usageless = derSequence(derOid(Buffer.from('2a0305', 'hex')), derOctets(Buffer.alloc(1)));
    const bytes = parties.makeCertificate({
      subject: parties.HOST_AUTHORITY,
      issuer: parties.HOST_AUTHORITY,
      serial: 1,
      publicKey: parties.hostAuthorityKeys.publicKey,
      signer: parties.hostAuthorityKeys.privateKey,
      authority: true,
      more: [usageless],
    });
    expect(bindTo(hostCertificate(), hostList(), accepted(parseTr34Certificate(bytes)))).toBe('accepted');
  });
});

describe('times are included on both ends', () => {
  const at = (text: string) => new Date(text);

  test('of a certificate', () => {
    const certificate = hostCertificate({ notBefore: '20260301120000', notAfter: '20260301130000' });
    expect(bindTo(certificate, hostList(), hostAuthority, at('2026-03-01T12:00:00Z'))).toBe('accepted');
    expect(bindTo(certificate, hostList(), hostAuthority, at('2026-03-01T13:00:00Z'))).toBe('accepted');
    expect(bindTo(certificate, hostList(), hostAuthority, at('2026-03-01T11:59:59Z'))).toBe('TR34_CERTIFICATE_EXPIRED');
    expect(bindTo(certificate, hostList(), hostAuthority, at('2026-03-01T13:00:01Z'))).toBe('TR34_CERTIFICATE_EXPIRED');
  });

  test('of a revocation list', () => {
    const list = hostList({ thisUpdate: '20260301120000', nextUpdate: '20260301130000' });
    expect(bindTo(hostCertificate(), list, hostAuthority, at('2026-03-01T12:00:00Z'))).toBe('accepted');
    expect(bindTo(hostCertificate(), list, hostAuthority, at('2026-03-01T13:00:00Z'))).toBe('accepted');
    expect(bindTo(hostCertificate(), list, hostAuthority, at('2026-03-01T11:59:59Z'))).toBe('TR34_CRL_STALE');
    expect(bindTo(hostCertificate(), list, hostAuthority, at('2026-03-01T13:00:01Z'))).toBe('TR34_CRL_STALE');
  });
});

describe('a revocation list', () => {
  const extensionOf = (...critical: Uint8Array[]) =>
    derSequence(
      derSequence(derOid(Buffer.from('551d14', 'hex')), ...critical, derOctets(Buffer.from('020101', 'hex'))),
    );
  const critical = Buffer.from('0101ff', 'hex');

  test.each([
    ['of version 1, without entries', { version: null, revoked: [] }, 'accepted'],
    ['of an unknown version', { version: 2 }, 'TR34_MALFORMED'],
    ['with extensions', { extensions: extensionOf(), entryExtensions: extensionOf() }, 'accepted'],
    ['with a critical extension', { extensions: extensionOf(critical) }, 'TR34_MALFORMED'],
    ['with an entry with a critical extension', { entryExtensions: extensionOf(critical) }, 'TR34_MALFORMED'],
    ['of the most entries', { revoked: Array.from({ length: 2000 }, (_, number) => number + 1_000_000) }, 'accepted'],
  ] as const)('%s', (_, changes, reason) => {
    expect(bindTo(hostCertificate(), hostList(changes))).toBe(reason);
  });
});

describe('a device is bound', () => {
  const bind = (certificate: Uint8Array, list?: Uint8Array) =>
    reasonOf(bindDevice(formatCertificates([certificate], []), deviceAuthority, NOW, list));

  test('by its credential under the authority of devices, and by the list that the host has', () => {
    expect(reasonOf(bindDevice(formatDeviceCredential(device.certificate), deviceAuthority, NOW))).toBe('accepted');
    expect(bind(deviceCertificate(), parties.deviceList([5]))).toBe('accepted');
    expect(bind(deviceCertificate({ serial: 5 }), parties.deviceList([5]))).toBe('TR34_CERTIFICATE_REVOKED');
    expect(bind(deviceCertificate({ usage: USAGE.digitalSignature }))).toBe('TR34_CERTIFICATE');
  });

  test("not by a host's credential", () => {
    const credential = formatCertificates([deviceCertificate()], [hostList()]);
    expect(reasonOf(bindDevice(credential, deviceAuthority, NOW))).toBe('TR34_CRL');
  });
});

describe('a certificate is refused', () => {
  const critical = Buffer.from('0101ff', 'hex');
  const unknown = Buffer.from('2a0304', 'hex');

  test.each([
    [
      'with an extension twice',
      derSequence(derOid(OIDS.keyUsage), derOctets(Buffer.from('03020080', 'hex'))),
      'TR34_MALFORMED',
    ],
    [
      'with a critical extension that is not understood',
      derSequence(derOid(unknown), critical, derOctets(unknown)),
      'TR34_MALFORMED',
    ],
    ['not for an unknown one that is not critical', derSequence(derOid(unknown), derOctets(unknown)), 'accepted'],
  ])('%s', (_, extension, reason) => {
    expect(reasonOf(parseTr34Certificate(hostCertificate({ more: [extension] })))).toBe(reason);
  });

  test('with a key that is not RSA of 2 048 bits or more', () => {
    const { publicKey: point } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { publicKey: short } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    expect(reasonOf(parseTr34Certificate(hostCertificate({ publicKey: point })))).toBe('TR34_ALGORITHM');
    expect(reasonOf(parseTr34Certificate(hostCertificate({ publicKey: short })))).toBe('TR34_ALGORITHM');
  });

  const bits = (hex: string) => Buffer.from(hex, 'hex');
  const unique = derElement(2, 1, false, Buffer.of(0, 1));

  test.each([
    ['of version 1', { version: 0 }, 'TR34_MALFORMED'],
    ['whose algorithms differ', { innerAlgorithm: derAlgorithm(OIDS.sha384WithRsa, bits('0500')) }, 'TR34_MALFORMED'],
    ['whose parameters differ', { innerAlgorithm: derAlgorithm(OIDS.sha256WithRsa) }, 'TR34_MALFORMED'],
    ['not for a unique identifier', { uniqueIds: [unique] }, 'accepted'],
    ['not for a key usage of two bytes', { usageBits: bits('0303078080') }, 'accepted'],
    ['with a key usage of three bytes', { usageBits: bits('030407808080') }, 'TR34_MALFORMED'],
    ['with an empty key usage', { usageBits: bits('030100') }, 'TR34_MALFORMED'],
  ] as const)('%s', (_, changes, reason) => {
    expect(reasonOf(parseTr34Certificate(hostCertificate(changes)))).toBe(reason);
  });

  test('when it is cut anywhere', () => {
    const sound = hostCertificate();
    for (let at = 0; at < sound.length; at += 11) {
      expect(reasonOf(parseTr34Certificate(sound.subarray(0, at)))).toBe('TR34_MALFORMED');
    }
  });
});
