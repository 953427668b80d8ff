import { describe, expect, test } from '@jest/globals';
import { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import {
  derOctets,
  derSequence,
  derUnsigned,
  readDerElements,
} from '../../../src/payment-crypto/secure-key-wrapper/der.ts';
import { bindDevice, bindHost } from '../../../src/payment-crypto/tr34/credential.ts';
import { derAlgorithm, OIDS } from '../../../src/payment-crypto/tr34/der.ts';
import { formatKeyContent, parseKeyContent } from '../../../src/payment-crypto/tr34/key-content.ts';
import type { KeyReception } from '../../../src/payment-crypto/tr34/key-receiving-device.ts';
import { formatRandomNumberToken, parseRandomNumberToken } from '../../../src/payment-crypto/tr34/random-number.ts';
import { derAttribute, formatCertificates } from '../../../src/payment-crypto/tr34/signed-data.ts';
import { residue } from '../residue.ts';
import { accepted, bytes, key, reasonOf } from '../support.ts';
import * as parties from './parties.ts';
import {
  AES_128,
  attributesOf,
  ENVELOPE,
  envelopeOf,
  HEADER,
  MALFORMED,
  NULL,
  randomNumber,
  refusal,
  SHA256,
  SHA256_RSA,
  type SignerForm,
  signer,
  type TokenForm,
  take,
  token,
  UNKNOWN,
} from './tokens.ts';

const { NOW, device, host, hostAuthority, hostCertificate, hostList } = parties;

describe('a key token', () => {
  test.each<[string, TokenForm, string]>([
    ['that is sound: the control of the ones below', {}, 'accepted'],
    ['of version 1', { version: 1 }, 'accepted'],
    ['of version 2', { version: 2 }, MALFORMED],
    ['that is no signed data', { type: OIDS.envelopedData }, MALFORMED],
    ['without content', { content: null }, 'TR34_MALFORMED: content'],
    ['of another content', { contentType: OIDS.rsaEncryption }, 'TR34_MALFORMED: content'],
    ['of nobody', { signers: [] }, 'TR34_MALFORMED: not exactly one signer'],
    ['of two', { signers: [signer(), signer()] }, 'TR34_MALFORMED: not exactly one signer'],
    ['that announces no digest', { digests: [] }, 'TR34_ALGORITHM: digest'],
    ['that announces two digests', { digests: [SHA256, derAlgorithm(OIDS.sha256, NULL)] }, 'TR34_ALGORITHM: digest'],
    ['that announces another digest', { digests: [derAlgorithm(UNKNOWN)] }, 'TR34_ALGORITHM: digest'],
    ['that announces its digest with parameters', { digests: [derAlgorithm(OIDS.sha256, NULL)] }, 'accepted'],
    ['with two lists', { lists: [hostList(), hostList()] }, 'TR34_CRL: more than one revocation list'],
    ['with more digests than anybody has', { digests: Array(9).fill(SHA256) }, 'TR34_MALFORMED: DER_TOO_LARGE'],
    ['with more lists than anybody has', { lists: Array(9).fill(derSequence()) }, 'TR34_MALFORMED: DER_TOO_LARGE'],
    ['with as many certificates as are read', { certificates: Array(8).fill(derSequence()) }, 'accepted'],
    ['that is a credential', { contentType: OIDS.data, signers: [] }, 'TR34_NOT_SUPPORTED: credential token'],
    ['that unbinds', { contentType: OIDS.data }, 'TR34_NOT_SUPPORTED: unbind token'],
    ['that rebinds', { contentType: OIDS.signedData }, 'TR34_NOT_SUPPORTED: rebind token'],
  ])('%s', (_, form, reason) => {
    expect(refusal(take(token(form)))).toBe(reason);
  });

  test.each<[string, SignerForm, string]>([
    ['of version 3', { version: 3 }, MALFORMED],
    ['with nothing but a signature', { attributes: null }, 'TR34_ATTRIBUTE: not signed'],
    ['with no attribute', { attributes: [] }, 'TR34_ATTRIBUTE: not signed'],
    [
      'with attributes that are not signed',
      { unsigned: [derAttribute(OIDS.signingTime, derUnsigned(1))] },
      'TR34_ATTRIBUTE: not signed',
    ],
    ['by another digest', { digest: derAlgorithm(UNKNOWN) }, 'TR34_ALGORITHM: digest'],
    [
      'by another algorithm',
      { algorithm: derAlgorithm(OIDS.sha384WithRsa, NULL), hash: 'sha384' },
      'TR34_ALGORITHM: signature',
    ],
    ['by the algorithm with its digest', { algorithm: SHA256_RSA }, 'accepted'],
    ['over another hash than it says', { hash: 'sha384' }, 'TR34_SIGNATURE'],
    [
      'with as many attributes as are read',
      {
        attributes: [
          ...attributesOf(ENVELOPE),
          ...Array<Buffer>(12).fill(derAttribute(OIDS.signingTime, derUnsigned(1))),
        ],
      },
      'accepted',
    ],
    [
      'with more attributes than are read',
      {
        attributes: [
          ...attributesOf(ENVELOPE),
          ...Array<Buffer>(13).fill(derAttribute(OIDS.signingTime, derUnsigned(1))),
        ],
      },
      'TR34_MALFORMED: DER_TOO_LARGE',
    ],
  ])('signed %s', (_, form, reason) => {
    expect(refusal(take(token({ signers: [signer(form)] })))).toBe(reason);
  });

  test.each([
    [7, 'TR34_RANDOM_NUMBER'],
    [8, 'accepted'],
    [32, 'accepted'],
    [33, 'TR34_RANDOM_NUMBER'],
  ])('with a random number of %d bytes, on both sides: %s', (length, reason) => {
    const number = Buffer.alloc(length, 5);
    const signers = [signer({ attributes: attributesOf(ENVELOPE, number) })];
    expect(refusal(take(token({ signers }), [], { randomNumber: number }))).toBe(reason);
    expect(reasonOf(parseRandomNumberToken(formatRandomNumberToken(number)))).toBe(reason);
  });

  test('of another attribute in the place of a random number', () => {
    expect(refusal(parseRandomNumberToken(derAttribute(OIDS.data, derOctets(randomNumber))))).toBe(MALFORMED);
  });

  const enciphering = (content: SecretBytes): Buffer => {
    const envelope = envelopeOf(content);
    return token({ content: envelope, signers: [signer({ attributes: attributesOf(envelope) })] });
  };
  const block = (version: number, oid: Uint8Array = OIDS.data, ...more: Uint8Array[]) =>
    new SecretBytes(
      derSequence(
        derUnsigned(version),
        host.certificate.identity,
        derOctets(bytes(AES_128)),
        derAttribute(oid, derOctets(HEADER)),
        ...more,
      ),
    );

  test.each([
    ['as the standard calls version 1', block(0), 'accepted'],
    ['as its samples write it', block(1), 'accepted'],
    ['of version 2', block(2), MALFORMED],
    ['with another attribute', block(1, OIDS.signingTime), MALFORMED],
    ['with something behind', block(1, OIDS.data, NULL), 'TR34_MALFORMED: DER_TRAILING_BYTES'],
  ])('with a key block %s', (_, content, reason) => {
    expect(refusal(take(enciphering(content)))).toBe(reason);
    expect(refusal(content.use(parseKeyContent))).toBe(reason);
  });

  test('leaves nothing of its key, whether it is taken or refused', () => {
    const clean = (sound: Uint8Array, reason: string, changes: Partial<KeyReception> = {}): void => {
      const left = residue([], () => {
        const taken = take(sound, [], changes);
        expect(reasonOf(taken)).toBe(reason);
        return taken.ok ? [taken.value.key] : [];
      });
      expect(left).toEqual([]);
    };
    clean(token(), 'accepted');
    const content = (changes: object) =>
      formatKeyContent({ host: host.certificate.identity, key: key('AES', AES_128), header: HEADER, ...changes });
    clean(enciphering(content({ header: Buffer.from('D0016K0AB00E0000') })), 'TR34_HEADER_MISMATCH');
    clean(enciphering(content({ host: device.certificate.identity })), 'TR34_SIGNER');
    clean(enciphering(content({ key: new SecretBytes(bytes('0011')) })), 'KEY_LENGTH');
    clean(enciphering(content({ key: key('AES', AES_128 + AES_128) })), 'TR34_DEVIATION');
    clean(enciphering(new SecretBytes(bytes('3003020105'))), 'TR34_MALFORMED');
  });
});

describe('a credential', () => {
  const certificates = [hostCertificate()];
  const forms: [string, TokenForm, string][] = [
    ['that is sound', { contentType: OIDS.data, content: null, signers: [], digests: [], version: 1 }, 'accepted'],
    ['that is a key token', {}, 'TR34_NOT_SUPPORTED'],
    ['with content', { contentType: OIDS.data, signers: [] }, 'TR34_NOT_SUPPORTED'],
    ['that is signed', { contentType: OIDS.data, content: null }, 'TR34_NOT_SUPPORTED'],
    ['of another content', { contentType: OIDS.envelopedData, content: null, signers: [] }, 'TR34_NOT_SUPPORTED'],
  ];

  test.each(forms)('%s', (_, form, reason) => {
    expect(reasonOf(bindHost(token({ certificates, ...form }), hostAuthority, NOW))).toBe(reason);
  });

  test('that is none', () => {
    for (const bytesOf of [Buffer.alloc(0), bytes('30'), bytes('3000')]) {
      expect(reasonOf(bindHost(bytesOf, hostAuthority, NOW))).toBe('TR34_MALFORMED');
      expect(reasonOf(bindDevice(bytesOf, parties.deviceAuthority, NOW))).toBe('TR34_MALFORMED');
    }
    const broken = formatCertificates([derSequence()], []);
    expect(reasonOf(bindDevice(broken, parties.deviceAuthority, NOW))).toBe('TR34_MALFORMED');
  });

  test('gives the certificate and its authority, with a list and without', () => {
    const credential = formatCertificates([device.certificate.der], []);
    for (const list of [undefined, parties.deviceList([5])]) {
      const bound = accepted(bindDevice(credential, parties.deviceAuthority, NOW, list));
      expect(bound.certificate.identity.equals(device.certificate.identity)).toBe(true);
      expect(bound.authority).toBe(parties.deviceAuthority);
    }
  });

  test('writes no set that is empty', () => {
    const data = formatCertificates([], []);
    const [outer] = readDerElements(data, 1) ?? [];
    const [, tagged] = readDerElements(outer?.content ?? NULL, 2) ?? [];
    const [signed] = readDerElements(tagged?.content ?? NULL, 1) ?? [];
    expect(readDerElements(signed?.content ?? NULL, 6)?.map(({ tagClass, tag }) => [tagClass, tag])).toEqual([
      [0, 2],
      [0, 17],
      [0, 16],
      [0, 17],
    ]);
  });
});
