import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { encryptOaep } from '../../../src/payment-crypto/oaep.ts';
import { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import {
  CONTEXT,
  derElement,
  derOctets,
  derSequence,
  derUnsigned,
} from '../../../src/payment-crypto/secure-key-wrapper/der.ts';
import { derAlgorithm, derContext, derOid, derSetOf, OIDS } from '../../../src/payment-crypto/tr34/der.ts';
import { type Envelope, openEnvelope, parseEnvelope } from '../../../src/payment-crypto/tr34/enveloped-data.ts';
import { residue } from '../residue.ts';
import { accepted, bytes, reasonOf, seededRandom } from '../support.ts';
import * as parties from './parties.ts';
import { AES_128, ENVELOPE, envelopeOf, MALFORMED, NULL, refusal, UNKNOWN } from './tokens.ts';

const { device } = parties;

describe('an envelope', () => {
  const sha = derAlgorithm(OIDS.sha256);
  const oaep = derSequence(derContext(0, sha), derContext(1, derAlgorithm(OIDS.mgf1, sha)));
  const IV = derOctets(Buffer.alloc(16, 7));

  interface EnvelopeForm {
    readonly version?: number;
    readonly recipientVersion?: number;
    readonly transport?: Uint8Array;
    readonly type?: Uint8Array;
    readonly cipher?: Uint8Array;
    readonly content?: Uint8Array;
  }
  const written = (form: EnvelopeForm = {}): Buffer =>
    derSequence(
      derUnsigned(form.version ?? 0),
      derSetOf(
        derSequence(
          derUnsigned(form.recipientVersion ?? 0),
          device.certificate.identity,
          form.transport ?? derAlgorithm(OIDS.rsaesOaep, oaep),
          derOctets(Buffer.alloc(384)),
        ),
      ),
      derSequence(
        derOid(form.type ?? OIDS.data),
        form.cipher ?? derAlgorithm(OIDS.aes128Cbc, IV),
        derElement(CONTEXT, 0, false, form.content ?? Buffer.alloc(32)),
      ),
    );

  test.each<[string, EnvelopeForm, string]>([
    ['that is sound', {}, 'accepted'],
    ['of version 2', { version: 2 }, MALFORMED],
    ['for a recipient of version 2', { recipientVersion: 2 }, MALFORMED],
    ['of content of another type', { type: OIDS.signedData }, MALFORMED],
    ['by RSA without OAEP', { transport: derAlgorithm(OIDS.rsaEncryption, NULL) }, 'TR34_ALGORITHM: key transport'],
    ['by OAEP of its defaults', { transport: derAlgorithm(OIDS.rsaesOaep) }, 'TR34_ALGORITHM: OAEP parameters'],
    ['by another cipher', { cipher: derAlgorithm(UNKNOWN, IV) }, 'TR34_ALGORITHM: content encryption'],
    ['without an IV', { cipher: derAlgorithm(OIDS.aes128Cbc) }, 'TR34_ALGORITHM: initialization vector'],
    ['with no IV but NULL', { cipher: derAlgorithm(OIDS.aes128Cbc, NULL) }, 'TR34_ALGORITHM: initialization vector'],
    ['with two IVs', { cipher: derAlgorithm(OIDS.aes128Cbc, IV, IV) }, 'TR34_ALGORITHM: initialization vector'],
    [
      'with an IV of another cipher',
      { cipher: derAlgorithm(OIDS.aes256Cbc, derOctets(Buffer.alloc(8))) },
      'TR34_ALGORITHM: initialization vector',
    ],
    ['of TDEA', { cipher: derAlgorithm(OIDS.desEde3Cbc, derOctets(Buffer.alloc(8))) }, 'accepted'],
    [
      'of TDEA with the IV of AES',
      { cipher: derAlgorithm(OIDS.desEde3Cbc, IV) },
      'TR34_ALGORITHM: initialization vector',
    ],
    ['of nothing', { content: Buffer.alloc(0) }, 'TR34_MALFORMED: encrypted content'],
    ['of no whole block', { content: Buffer.alloc(24) }, 'TR34_MALFORMED: encrypted content'],
  ])('%s', (_, form, reason) => {
    expect(refusal(parseEnvelope(written(form)))).toBe(reason);
  });

  test.each([
    [derAlgorithm(OIDS.sha256), derAlgorithm(OIDS.sha256)],
    [derAlgorithm(OIDS.sha256, NULL), derAlgorithm(OIDS.sha256)],
    [derAlgorithm(OIDS.sha256), derAlgorithm(OIDS.sha256, NULL)],
    [derAlgorithm(OIDS.sha256, NULL), derAlgorithm(OIDS.sha256, NULL)],
  ])('by OAEP, however its hashes and its empty label are written', (digest, mask) => {
    const hashes = [derContext(0, digest), derContext(1, derAlgorithm(OIDS.mgf1, mask))];
    const label = (text: string) => derContext(2, derAlgorithm(OIDS.pSpecified, derOctets(Buffer.from(text))));
    const reading = (...parts: Buffer[]) =>
      reasonOf(parseEnvelope(written({ transport: derAlgorithm(OIDS.rsaesOaep, derSequence(...parts)) })));
    expect(reading(...hashes)).toBe('accepted');
    expect(reading(...hashes, label(''))).toBe('accepted');
    expect(reading(...hashes, label('x'))).toBe('TR34_ALGORITHM');
  });

  const opening = (ephemeral: SecretBytes, changes: Partial<Envelope> = {}) => {
    const hashes = { digest: 'sha256', mgf1: 'sha256' } as const;
    const encryptedKey = accepted(encryptOaep(device.certificate.publicKey, ephemeral, seededRandom('oaep'), hashes));
    return openEnvelope({ ...accepted(parseEnvelope(ENVELOPE)), encryptedKey, ...changes }, device.privateKey);
  };

  test('is not opened by a key of another length, nor by one that is no RSA key', () => {
    for (const length of [1, 15, 24, 32]) {
      const ephemeral = new SecretBytes(Buffer.alloc(length, 1));
      const left = residue([ephemeral], () => {
        expect(refusal(opening(ephemeral))).toBe('TR34_DECRYPTION');
        return [];
      });
      expect(left).toEqual([]);
    }
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(refusal(openEnvelope(accepted(parseEnvelope(ENVELOPE)), privateKey))).toBe('OAEP_MODULUS');
    expect(refusal(opening(new SecretBytes(bytes(AES_128)), { encryptedKey: Buffer.alloc(384) }))).toBe(
      'TR34_DECRYPTION',
    );
  });

  test('leaves nothing clear on either side', () => {
    const content = new SecretBytes(Buffer.alloc(40, 3));
    let sealed: Buffer = Buffer.alloc(0);
    const made = residue([content], () => {
      sealed = envelopeOf(content);
      return [];
    });
    expect(made).toEqual([]);
    const envelope = accepted(parseEnvelope(sealed));
    expect(residue([], () => [accepted(openEnvelope(envelope, device.privateKey))])).toEqual([]);
  });
});
