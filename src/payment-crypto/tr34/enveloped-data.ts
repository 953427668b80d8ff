import type { KeyObject } from 'node:crypto';
import { DerReader } from '../../encoding/der.ts';
import { TAG } from '../../encoding/der-tag.ts';
import type { Random } from '../../ports/random.ts';
import { ok, refuse } from '../../reasons/result.ts';
import { decryptOaep, encryptOaep, type OaepHashes } from '../oaep.ts';
import { randomOctets } from '../random.ts';
import type { PaymentResult } from '../reason.ts';
import { SecretBytes } from '../secret.ts';
import { SecretKey } from '../secret-key.ts';
import {
  CONTEXT,
  derElement,
  derOctets,
  derSequence,
  derUnsigned,
  NULL,
  UNIVERSAL,
} from '../secure-key-wrapper/der.ts';
import type { Tr34Certificate } from './certificate.ts';
import {
  type Algorithm,
  derAlgorithm,
  derContext,
  derOid,
  derSetOf,
  implicitTag,
  OIDS,
  readAlgorithm,
  readTr34,
} from './der.ts';

/** Hashes of OAEP in TR-34: SHA-256 for the label and for MGF1 (TR-34:2019 B.9). */
const OAEP: OaepHashes = { digest: 'sha256', mgf1: 'sha256' };

const DER_NULL = derElement(UNIVERSAL, NULL, false);
const SHA256_ALGORITHMS = [derAlgorithm(OIDS.sha256), derAlgorithm(OIDS.sha256, DER_NULL)];

/** RSAES-OAEP-params with SHA-256, MGF1 with SHA-256 and, where it is written at all, an empty label. */
const OAEP_PARAMETERS: readonly Buffer[] = SHA256_ALGORITHMS.flatMap((digest) =>
  SHA256_ALGORITHMS.flatMap((mask) => {
    const hashes = [derContext(0, digest), derContext(1, derAlgorithm(OIDS.mgf1, mask))];
    const label = derContext(2, derAlgorithm(OIDS.pSpecified, derOctets(new Uint8Array(0))));
    return [derSequence(...hashes), derSequence(...hashes, label)];
  }),
);
const WRITTEN_PARAMETERS = derSequence(
  derContext(0, derAlgorithm(OIDS.sha256)),
  derContext(1, derAlgorithm(OIDS.mgf1, derAlgorithm(OIDS.sha256))),
  derContext(2, derAlgorithm(OIDS.pSpecified, derOctets(new Uint8Array(0)))),
);

/** A cipher of the key block: CBC, with the padding of RFC 5652 6.3. */
interface ContentCipher {
  readonly oid: Uint8Array;
  readonly algorithm: 'AES' | 'TDES';
  readonly bits: number;
}

const CIPHERS = {
  'AES-128-CBC': { oid: OIDS.aes128Cbc, algorithm: 'AES', bits: 128 },
  'AES-256-CBC': { oid: OIDS.aes256Cbc, algorithm: 'AES', bits: 256 },
  'TDES-CBC': { oid: OIDS.desEde3Cbc, algorithm: 'TDES', bits: 192 },
} as const satisfies Record<string, ContentCipher>;

/** Name of a cipher of the key block. */
export type ContentEncryption = keyof typeof CIPHERS;

/** RecipientIdentifier, RSA and content encryption of an envelope, read. */
export interface Envelope {
  /** IssuerAndSerialNumber, DER. */
  readonly recipient: Buffer;
  readonly encryptedKey: Buffer;
  readonly encryption: ContentEncryption;
  readonly initializationVector: Buffer;
  readonly encryptedContent: Buffer;
  /** True where the SEQUENCE around the envelope was missing. */
  readonly bare: boolean;
}

/** Enciphers content in CBC with the padding of RFC 5652 6.3: as many bytes of their own number as fill the block. */
function encipherContent(content: SecretBytes, key: SecretKey, iv: Uint8Array): Buffer {
  const padding = key.blockBytes - (content.length % key.blockBytes);
  const padded = new Uint8Array(new ArrayBuffer(content.length + padding)).fill(padding);
  content.use((bytes) => padded.set(bytes));
  const enciphered = key.cipherIn('cbc', iv).update(padded);
  padded.fill(0);
  return enciphered;
}

/** Deciphers content; undefined where its padding is wrong. Every byte that may be padding is looked at. */
export function decipherContent(enciphered: Uint8Array, key: SecretKey, iv: Uint8Array): SecretBytes | undefined {
  const clear = key.decipherIn('cbc', iv).update(enciphered);
  const padding = clear[clear.length - 1] ?? 0;
  let wrong = (padding - 1) >> 31;
  wrong |= (key.blockBytes - padding) >> 31;
  for (let back = 1; back <= key.blockBytes; back++) {
    const counts = (back - padding - 1) >> 31;
    wrong |= counts & ((clear[clear.length - back] ?? 0) ^ padding);
  }
  const content = wrong === 0 ? new SecretBytes(clear.subarray(0, clear.length - padding)) : undefined;
  clear.fill(0);
  return content;
}

/**
 * Writes EnvelopedData for one device: an ephemeral key under RSA-OAEP with SHA-256, the content under the ephemeral key
 * (TR-34:2019 B.9, RFC 5652 6). Refuses with OAEP_MODULUS.
 */
export function sealEnvelope(
  content: SecretBytes,
  { device, encryption }: { readonly device: Tr34Certificate; readonly encryption: 'AES-128-CBC' | 'AES-256-CBC' },
  random: Random,
): PaymentResult<Buffer, 'OAEP_MODULUS' | 'OAEP_MESSAGE_LENGTH'> {
  const { oid, algorithm, bits } = CIPHERS[encryption];
  const ephemeral = SecretKey.generate(algorithm, bits, random);
  try {
    const encryptedKey = encryptOaep(device.publicKey, ephemeral, random, OAEP);
    if (!encryptedKey.ok) return encryptedKey;
    const iv = randomOctets(random, ephemeral.blockBytes);
    const enciphered = encipherContent(content, ephemeral, iv);
    const recipient = derSequence(
      derUnsigned(0),
      device.identity,
      derAlgorithm(OIDS.rsaesOaep, WRITTEN_PARAMETERS),
      derOctets(encryptedKey.value),
    );
    const encrypted = derSequence(
      derOid(OIDS.data),
      derAlgorithm(oid, derOctets(iv)),
      derElement(CONTEXT, 0, false, enciphered),
    );
    return ok(derSequence(derUnsigned(0), derSetOf(recipient), encrypted));
  } finally {
    ephemeral.wipe();
  }
}

interface RawEnvelope {
  readonly recipient: Buffer;
  readonly transport: Algorithm;
  readonly encryptedKey: Buffer;
  readonly content: Algorithm;
  readonly encryptedContent: Buffer;
}

function readMembers(der: DerReader): RawEnvelope {
  if (der.unsigned() !== 0) der.fail('DER_VALUE_INVALID');
  const recipients = der.enter(TAG.SET);
  const info = der.enter(TAG.SEQUENCE);
  if (der.unsigned() !== 0) der.fail('DER_VALUE_INVALID');
  const recipient = der.element(TAG.SEQUENCE);
  const transport = readAlgorithm(der);
  const encryptedKey = der.content(TAG.OCTET_STRING);
  der.leave(info);
  der.leave(recipients);
  const encrypted = der.enter(TAG.SEQUENCE);
  if (!der.takeOid(OIDS.data)) der.fail('DER_VALUE_INVALID');
  const content = readAlgorithm(der);
  const encryptedContent = der.content(implicitTag(0));
  der.leave(encrypted);
  return { recipient, transport, encryptedKey, content, encryptedContent };
}

function readWhole(der: DerReader): RawEnvelope {
  const outer = der.enter(TAG.SEQUENCE);
  const members = readMembers(der);
  der.leave(outer);
  return members;
}

function initializationVectorOf({ parameters }: Algorithm, bytes: number): Buffer | undefined {
  const der = new DerReader(parameters, { maximumBytes: 64, maximumDepth: 1 });
  const iv = der.content(TAG.OCTET_STRING);
  return der.failure === null && der.atEnd && iv.length === bytes ? iv : undefined;
}

/**
 * Reads EnvelopedData with exactly one recipient, by issuer and serial number. Unprotected attributes and originator
 * information are not allowed (TR-34:2019 B.9). Refuses with TR34_MALFORMED, or TR34_ALGORITHM.
 */
export function parseEnvelope(bytes: Uint8Array): PaymentResult<Envelope, 'TR34_MALFORMED' | 'TR34_ALGORITHM'> {
  const first = new DerReader(bytes, { maximumBytes: 65_535, maximumDepth: 16 }).peek();
  const bare = first === TAG.INTEGER;
  const read = readTr34(bytes, bare ? readMembers : readWhole);
  if (!read.ok) return read;
  const { transport, content, ...members } = read.value;
  if (!transport.oid.equals(OIDS.rsaesOaep)) return refuse('TR34_ALGORITHM', 'key transport');
  if (!OAEP_PARAMETERS.some((parameters) => parameters.equals(transport.parameters)))
    return refuse('TR34_ALGORITHM', 'OAEP parameters');
  const encryption = (Object.keys(CIPHERS) as ContentEncryption[]).find((name) =>
    content.oid.equals(CIPHERS[name].oid),
  );
  if (encryption === undefined) return refuse('TR34_ALGORITHM', 'content encryption');
  const block = CIPHERS[encryption].algorithm === 'AES' ? 16 : 8;
  const initializationVector = initializationVectorOf(content, block);
  if (initializationVector === undefined) return refuse('TR34_ALGORITHM', 'initialization vector');
  const { length } = members.encryptedContent;
  if (length === 0 || length % block !== 0) return refuse('TR34_MALFORMED', 'encrypted content');
  return ok({ ...members, encryption, initializationVector, bare });
}

/**
 * Opens an envelope with the device's private key. Refuses with TR34_DECRYPTION for whatever is wrong with it, or
 * OAEP_MODULUS. The caller wipes the content.
 */
export function openEnvelope(
  envelope: Envelope,
  privateKey: KeyObject,
): PaymentResult<SecretBytes, 'TR34_DECRYPTION' | 'OAEP_MODULUS'> {
  const ephemeral = decryptOaep(privateKey, envelope.encryptedKey, OAEP);
  if (!ephemeral.ok) return refuse(ephemeral.reason === 'OAEP_MODULUS' ? 'OAEP_MODULUS' : 'TR34_DECRYPTION');
  const { algorithm, bits } = CIPHERS[envelope.encryption];
  const key = ephemeral.value.use((bytes) => SecretKey.parse(algorithm, bytes));
  ephemeral.value.wipe();
  if (!key.ok) return refuse('TR34_DECRYPTION');
  try {
    if (key.value.bits !== bits) return refuse('TR34_DECRYPTION');
    const content = decipherContent(envelope.encryptedContent, key.value, envelope.initializationVector);
    return content === undefined ? refuse('TR34_DECRYPTION') : ok(content);
  } finally {
    key.value.wipe();
  }
}

/** Strength of an envelope's ephemeral key in bits. */
export function contentStrength(encryption: ContentEncryption): number {
  return encryption === 'TDES-CBC' ? 112 : CIPHERS[encryption].bits;
}
