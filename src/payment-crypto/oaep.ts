import { constants, hash, type KeyObject, privateDecrypt, publicEncrypt } from 'node:crypto';
import type { Random } from '../ports/random.ts';
import { ok, refuse } from '../reasons/result.ts';
import { randomOctets } from './random.ts';
import type { PaymentResult } from './reason.ts';
import { SecretBytes } from './secret.ts';

/** Hash of the label and hash of MGF1. */
export interface OaepHashes {
  readonly digest: 'sha256' | 'sha1';
  readonly mgf1: 'sha256' | 'sha1';
}

/** What Android's Keystore does when it says OAEP with SHA-256: the mask generation function stays with SHA-1. */
export const ANDROID_OAEP: OaepHashes = { digest: 'sha256', mgf1: 'sha1' };

const LEAST_MODULUS_BITS = 2048;
const MOST_MODULUS_BITS = 4096;
const DIGEST_BYTES = { sha1: 20, sha256: 32 } as const;
const EMPTY = new Uint8Array(0);

/** Bytes of an RSA key's modulus, or undefined where it is no RSA key of 2 048 to 4 096 bits. */
function modulusBytes(key: KeyObject): number | undefined {
  const bits = key.asymmetricKeyType === 'rsa' ? key.asymmetricKeyDetails?.modulusLength : undefined;
  const usable = bits !== undefined && bits >= LEAST_MODULUS_BITS && bits <= MOST_MODULUS_BITS && bits % 8 === 0;
  return usable ? bits / 8 : undefined;
}

/** XORs MGF1 of the seed into the target (RFC 8017 B.2.1). */
function maskInto(target: Uint8Array, seed: Uint8Array, digest: 'sha256' | 'sha1'): void {
  const input = Buffer.alloc(seed.length + 4);
  input.set(seed);
  const size = DIGEST_BYTES[digest];
  for (let at = 0; at < target.length; at += size) {
    input.writeUInt32BE(at / size, seed.length);
    const mask = hash(digest, input, 'buffer');
    const end = Math.min(at + size, target.length);
    for (let to = at; to < end; to++) target[to] = (target[to] ?? 0) ^ (mask[to - at] ?? 0);
    mask.fill(0);
  }
  input.fill(0);
}

/**
 * RSA-OAEP encryption with an empty label and separate hashes for label and MGF1 (RFC 8017 7.1.1), which Node's own
 * `oaepHash` cannot say. Refuses with OAEP_MODULUS a key that is not RSA of 2 048 to 4 096 bits, and with
 * OAEP_MESSAGE_LENGTH a message that does not fit.
 */
export function encryptOaep(
  publicKey: KeyObject,
  message: SecretBytes,
  random: Random,
  hashes: OaepHashes = ANDROID_OAEP,
): PaymentResult<Buffer, 'OAEP_MODULUS' | 'OAEP_MESSAGE_LENGTH'> {
  const size = modulusBytes(publicKey);
  if (size === undefined) return refuse('OAEP_MODULUS');
  const hashBytes = DIGEST_BYTES[hashes.digest];
  if (message.length > size - 2 * hashBytes - 2) return refuse('OAEP_MESSAGE_LENGTH');

  const encoded = Buffer.from(new ArrayBuffer(size));
  const seed = encoded.subarray(1, 1 + hashBytes);
  const block = encoded.subarray(1 + hashBytes);
  seed.set(randomOctets(random, hashBytes));
  block.set(hash(hashes.digest, EMPTY, 'buffer'));
  block[block.length - message.length - 1] = 0x01;
  message.use((bytes) => block.set(bytes, block.length - bytes.length));
  maskInto(block, seed, hashes.mgf1);
  maskInto(seed, block, hashes.mgf1);
  const ciphertext = publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, encoded);
  encoded.fill(0);
  return ok(ciphertext);
}

/** The RSA operation alone; undefined for a ciphertext that is no residue of the modulus. */
function decryptRaw(privateKey: KeyObject, ciphertext: Uint8Array): Buffer | undefined {
  try {
    return privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, ciphertext);
  } catch {
    return undefined;
  }
}

/**
 * Where the message starts in an unmasked data block, or -1. Every byte is visited and no branch depends on one: an
 * error's place must not show in the time (Manger's attack).
 */
function messageStart(first: number, block: Uint8Array, labelHash: Uint8Array): number {
  let wrong = first;
  for (let at = 0; at < labelHash.length; at++) wrong |= (block[at] ?? 0) ^ (labelHash[at] ?? 0);
  let looking = -1;
  let start = 0;
  for (let at = labelHash.length; at < block.length; at++) {
    const octet = block[at] ?? 0;
    const isZero = (octet - 1) >> 31;
    const isOne = ((octet ^ 1) - 1) >> 31;
    start |= looking & isOne & (at + 1);
    wrong |= looking & ~(isZero | isOne);
    looking &= ~isOne;
  }
  return (wrong | looking) === 0 ? start : -1;
}

/**
 * RSA-OAEP decryption with an empty label (RFC 8017 7.1.2). Refuses with OAEP_MODULUS, or with OAEP_INVALID for
 * whatever is wrong with the ciphertext: one reason, and the padding is checked in constant time. The caller wipes the
 * message.
 */
export function decryptOaep(
  privateKey: KeyObject,
  ciphertext: Uint8Array,
  hashes: OaepHashes = ANDROID_OAEP,
): PaymentResult<SecretBytes, 'OAEP_MODULUS' | 'OAEP_INVALID'> {
  const size = modulusBytes(privateKey);
  if (size === undefined) return refuse('OAEP_MODULUS');
  if (ciphertext.length !== size) return refuse('OAEP_INVALID');
  const encoded = decryptRaw(privateKey, ciphertext);
  if (encoded === undefined || encoded.length !== size) return refuse('OAEP_INVALID');

  const hashBytes = DIGEST_BYTES[hashes.digest];
  const seed = encoded.subarray(1, 1 + hashBytes);
  const block = encoded.subarray(1 + hashBytes);
  maskInto(seed, block, hashes.mgf1);
  maskInto(block, seed, hashes.mgf1);
  const start = messageStart(encoded[0] ?? 0, block, hash(hashes.digest, EMPTY, 'buffer'));
  const message = start < 0 ? undefined : new SecretBytes(block.subarray(start));
  encoded.fill(0);
  return message === undefined ? refuse('OAEP_INVALID') : ok(message);
}
