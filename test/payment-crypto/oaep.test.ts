import { constants, generateKeyPairSync, privateDecrypt, publicEncrypt } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ANDROID_OAEP, decryptOaep, encryptOaep, type OaepHashes } from '../../src/payment-crypto/oaep.ts';
import { SecretBytes } from '../../src/payment-crypto/secret.ts';
import { accepted, reasonOf, seededRandom } from './support.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const message = new SecretBytes(Buffer.from('a transport key of thirty-two by'));
const random = seededRandom('oaep');

/** Hashes that Node can do too: it uses one for both. */
const ALIKE: [string, OaepHashes][] = [
  ['sha1', { digest: 'sha1', mgf1: 'sha1' }],
  ['sha256', { digest: 'sha256', mgf1: 'sha256' }],
];

describe('RSA-OAEP', () => {
  test.each(ALIKE)('agrees with OpenSSL where both hashes are %s', (oaepHash, hashes) => {
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const ours = accepted(encryptOaep(rsa.publicKey, message, random, hashes));
    expect(privateDecrypt({ key: rsa.privateKey, padding, oaepHash }, ours).toString()).toContain('thirty-two');
    const theirs = publicEncrypt({ key: rsa.publicKey, padding, oaepHash }, Buffer.from('from OpenSSL'));
    expect(
      accepted(decryptOaep(rsa.privateKey, theirs, hashes)).equals(new SecretBytes(Buffer.from('from OpenSSL'))),
    ).toBe(true);
  });

  test('Android’s hashes are SHA-256 for the label and SHA-1 for MGF1, which OpenSSL’s one hash cannot read', () => {
    expect(ANDROID_OAEP).toEqual({ digest: 'sha256', mgf1: 'sha1' });
    const ciphertext = accepted(encryptOaep(rsa.publicKey, message, random));
    expect(accepted(decryptOaep(rsa.privateKey, ciphertext)).equals(message)).toBe(true);
    for (const [, hashes] of ALIKE) {
      expect(reasonOf(decryptOaep(rsa.privateKey, ciphertext, hashes))).toBe('OAEP_INVALID');
    }
  });

  test('any message that fits comes back, and one byte more is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 190 }), (text) => {
        const ciphertext = accepted(encryptOaep(rsa.publicKey, new SecretBytes(text), random));
        return accepted(decryptOaep(rsa.privateKey, ciphertext)).equals(new SecretBytes(text));
      }),
      { seed: 1, numRuns: 40, examples: [[new Uint8Array(0)], [new Uint8Array(190)]] },
    );
    const long = new SecretBytes(new Uint8Array(191));
    expect(reasonOf(encryptOaep(rsa.publicKey, long, random))).toBe('OAEP_MESSAGE_LENGTH');
  });

  /** A padded message that is wrong in one place, encrypted: what an attacker of the padding sends. */
  function encryptedBlock(change: (encoded: Buffer) => void): Buffer {
    const padding = constants.RSA_NO_PADDING;
    const ciphertext = accepted(encryptOaep(rsa.publicKey, message, seededRandom('fixed')));
    const encoded = privateDecrypt({ key: rsa.privateKey, padding }, ciphertext);
    change(encoded);
    return publicEncrypt({ key: rsa.publicKey, padding }, encoded);
  }

  test('whatever is wrong with the padding, the refusal is the same', () => {
    const wrong = [
      encryptedBlock((encoded) => encoded.writeUInt8(1, 0)),
      ...[1, 40, 33, 70, 255].map((at) =>
        encryptedBlock((encoded) => encoded.writeUInt8(encoded.readUInt8(at) ^ 1, at)),
      ),
      Buffer.alloc(256),
      Buffer.alloc(256, 0xff),
      Buffer.alloc(255),
      Buffer.alloc(0),
      Buffer.alloc(257),
    ];
    const refusals = wrong.map((ciphertext) => decryptOaep(rsa.privateKey, ciphertext));
    const last = refusals[5];
    expect(last?.ok).toBe(true);
    for (const [at, refusal] of refusals.entries()) {
      if (at !== 5) expect(refusal).toEqual({ ok: false, reason: 'OAEP_INVALID' });
    }
  });

  test('keys that are no RSA key of 2 048 to 4 096 bits are refused', () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    for (const { publicKey, privateKey } of [short, ec]) {
      expect(reasonOf(encryptOaep(publicKey, message, random))).toBe('OAEP_MODULUS');
      expect(reasonOf(decryptOaep(privateKey, Buffer.alloc(128)))).toBe('OAEP_MODULUS');
    }
  });
});
