import { constants, createHash, generateKeyPairSync, privateDecrypt, publicEncrypt } from 'node:crypto';
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

  function mgf1(seed: Uint8Array, length: number): Buffer {
    const parts = Array.from({ length: Math.ceil(length / 20) }, (_, counter) =>
      createHash('sha1')
        .update(seed)
        .update(Uint8Array.of(0, 0, 0, counter))
        .digest(),
    );
    return Buffer.concat(parts).subarray(0, length);
  }

  const xor = (left: Uint8Array, right: Uint8Array) => Buffer.from(left.map((octet, at) => octet ^ (right[at] ?? 0)));

  /** An encrypted block with these 223 bytes after seed and first byte: what one who probes the padding sends. */
  function encryptedBlock(block: Buffer, first = 0): Buffer {
    const seed = Buffer.alloc(32, 0x5a);
    const maskedBlock = xor(block, mgf1(seed, block.length));
    const maskedSeed = xor(seed, mgf1(maskedBlock, seed.length));
    const encoded = Buffer.concat([Buffer.from([first]), maskedSeed, maskedBlock]);
    return publicEncrypt({ key: rsa.publicKey, padding: constants.RSA_NO_PADDING }, encoded);
  }

  const labelHash = createHash('sha256').digest();
  const padded = (rest: string) => Buffer.concat([labelHash, Buffer.from(rest, 'hex')]);

  test.each([
    ['no message', `${'00'.repeat(190)}01`, ''],
    ['the longest message', `01${'42'.repeat(190)}`, '42'.repeat(190)],
    ['a message of separators', `${'00'.repeat(187)}01010101`, '010101'],
    ['a message that starts with zeros', `${'00'.repeat(187)}01000042`, '000042'],
  ])('a block of %s is read', (_name, rest, expected) => {
    const opened = accepted(decryptOaep(rsa.privateKey, encryptedBlock(padded(rest))));
    expect(opened.use((octets) => Buffer.from(octets).toString('hex'))).toBe(expected);
  });

  const sound = padded(`${'00'.repeat(180)}01${'42'.repeat(10)}`);
  const otherHash = Buffer.from(sound);
  otherHash[31] = (otherHash[31] ?? 0) ^ 1;

  test.each([
    ['a first byte that is not zero', () => encryptedBlock(sound, 1)],
    ['another label hash', () => encryptedBlock(otherHash)],
    ['no separator', () => encryptedBlock(padded('00'.repeat(191)))],
    ['something else before the separator', () => encryptedBlock(padded(`${'00'.repeat(90)}02${'00'.repeat(99)}01`))],
    ['something else first', () => encryptedBlock(padded(`ff01${'00'.repeat(189)}`))],
    ['the zero ciphertext', () => Buffer.alloc(256)],
    ['a ciphertext over the modulus', () => Buffer.alloc(256, 0xff)],
    ['a byte too few', () => Buffer.alloc(255)],
    ['a byte too many', () => Buffer.alloc(257)],
    ['nothing', () => Buffer.alloc(0)],
  ])('%s gets the one refusal', (_name, ciphertext) => {
    expect(decryptOaep(rsa.privateKey, ciphertext())).toEqual({ ok: false, reason: 'OAEP_INVALID' });
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
