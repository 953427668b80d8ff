import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import type { Random } from '../../ports/random.ts';
import { ok, refuse } from '../../reasons/result.ts';
import { ANDROID_OAEP, decryptOaep, encryptOaep, type OaepHashes } from '../oaep.ts';
import { randomOctets } from '../random.ts';
import type { KeyTransportReason, PaymentResult } from '../reason.ts';
import { SecretBytes } from '../secret.ts';
import { SecretKey } from '../secret-key.ts';
import {
  type DerElement,
  derOctets,
  derSequence,
  derUnsigned,
  isUniversal,
  OCTET_STRING,
  readDerElements,
  readUnsigned,
  SEQUENCE,
} from './der.ts';
import {
  derKeyDescription,
  KEY_FORMATS,
  type KeyAuthorizations,
  type KeyDescription,
  readKeyDescription,
} from './key-description.ts';

const VERSION = 0;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const TRANSPORT_KEY_BITS = 256;
const MOST_WRAPPER_BYTES = 8192;
const MOST_KEY_BYTES = 4096;

/** A SecureKeyWrapper of Android's secure key import, read. */
export interface SecureKeyWrapper {
  /** The 256-bit transport key, masked, under RSA-OAEP to the device's wrapping key. */
  readonly encryptedTransportKey: Buffer;
  /** 12 bytes. */
  readonly initializationVector: Buffer;
  readonly keyDescription: KeyDescription;
  /** DER of the key description: the additional data of the encryption. */
  readonly keyDescriptionDer: Buffer;
  /** Key material under AES-256-GCM with the transport key. */
  readonly encryptedKey: Buffer;
  /** 16 bytes. */
  readonly tag: Buffer;
}

function octetsOf(element: DerElement | undefined, least: number, most: number): Buffer | undefined {
  if (!isUniversal(element, OCTET_STRING)) return undefined;
  const { length } = element.content;
  return length >= least && length <= most ? Buffer.from(element.content) : undefined;
}

/**
 * Reads a SecureKeyWrapper, at most 8 192 bytes of DER (Android Keystore, `SecureKeyWrapper` version 0). Refuses with
 * WRAPPER_MALFORMED.
 */
export function parseSecureKeyWrapper(der: Uint8Array): PaymentResult<SecureKeyWrapper, 'WRAPPER_MALFORMED'> {
  if (der.length > MOST_WRAPPER_BYTES) return refuse('WRAPPER_MALFORMED');
  const [outer] = readDerElements(der, 1) ?? [];
  const members = isUniversal(outer, SEQUENCE) ? readDerElements(outer.content, 6) : undefined;
  const [version, transport, iv, description, key, gcmTag] = members ?? [];
  const encryptedTransportKey = octetsOf(transport, 256, 512);
  const initializationVector = octetsOf(iv, IV_BYTES, IV_BYTES);
  const keyDescription = readKeyDescription(description);
  const encryptedKey = octetsOf(key, 1, MOST_KEY_BYTES);
  const tag = octetsOf(gcmTag, TAG_BYTES, TAG_BYTES);
  if (readUnsigned(version) !== VERSION || !encryptedTransportKey || !initializationVector || !encryptedKey || !tag)
    return refuse('WRAPPER_MALFORMED');
  if (keyDescription === undefined || description === undefined) return refuse('WRAPPER_MALFORMED');
  const keyDescriptionDer = Buffer.from(description.encoded);
  return ok({ encryptedTransportKey, initializationVector, keyDescription, keyDescriptionDer, encryptedKey, tag });
}

/** Writes a SecureKeyWrapper in DER from its parts. */
export function formatSecureKeyWrapper(wrapper: Omit<SecureKeyWrapper, 'keyDescription'>): Buffer {
  return derSequence(
    derUnsigned(VERSION),
    derOctets(wrapper.encryptedTransportKey),
    derOctets(wrapper.initializationVector),
    wrapper.keyDescriptionDer,
    derOctets(wrapper.encryptedKey),
    derOctets(wrapper.tag),
  );
}

/** Enciphers key material under a transport key: AES-256-GCM with the key description's DER as additional data. */
export function sealKeyMaterial(
  transportKey: SecretKey,
  initializationVector: Uint8Array,
  keyDescriptionDer: Uint8Array,
  material: SecretBytes,
): Pick<SecureKeyWrapper, 'encryptedKey' | 'tag'> {
  const cipher = createCipheriv('aes-256-gcm', transportKey.keyObject, initializationVector);
  cipher.setAAD(keyDescriptionDer);
  const encryptedKey = material.use((bytes) => cipher.update(bytes));
  cipher.final();
  return { encryptedKey, tag: cipher.getAuthTag() };
}

function masked(transportKey: SecretBytes, maskingKey: SecretBytes | undefined): SecretBytes {
  return transportKey.use((key) => {
    const bytes = new Uint8Array(new ArrayBuffer(key.length));
    bytes.set(key);
    maskingKey?.use((mask) => {
      for (let at = 0; at < bytes.length; at++) bytes[at] = (bytes[at] ?? 0) ^ (mask[at] ?? 0);
    });
    return SecretBytes.owning(bytes);
  });
}

/** What is to be imported into a device. */
export interface SecureImport {
  /** The device's attested wrapping key (purpose WRAP_KEY): RSA of 2 048 bits or more. */
  readonly wrappingKey: KeyObject;
  readonly key: SecretBytes;
  readonly authorizations: KeyAuthorizations;
  /** 32 bytes that the device XORs the transport key with; zeros where absent, as Keystore's own import has it. */
  readonly maskingKey?: SecretBytes;
}

/**
 * Wraps a raw symmetric key for Android's secure key import: a new transport key under RSA-OAEP (SHA-256, MGF1 with
 * SHA-1), the key under AES-256-GCM. Gives DER. Refuses with OAEP_MODULUS, or with KEY_LENGTH for a key or a masking key
 * of a wrong size.
 */
export function wrapSecureKey(
  { wrappingKey, key, authorizations, maskingKey }: SecureImport,
  random: Random,
): PaymentResult<Buffer, KeyTransportReason> {
  if (key.length === 0 || key.length > MOST_KEY_BYTES) return refuse('KEY_LENGTH');
  if (maskingKey !== undefined && maskingKey.length !== TRANSPORT_KEY_BITS / 8) return refuse('KEY_LENGTH');
  const transportKey = SecretKey.generate('AES', TRANSPORT_KEY_BITS, random);
  const wire = masked(transportKey, maskingKey);
  try {
    const encryptedTransportKey = encryptOaep(wrappingKey, wire, random);
    if (!encryptedTransportKey.ok) return encryptedTransportKey;
    const initializationVector = Buffer.from(randomOctets(random, IV_BYTES));
    const keyDescriptionDer = derKeyDescription(KEY_FORMATS.RAW, authorizations);
    const sealed = sealKeyMaterial(transportKey, initializationVector, keyDescriptionDer, key);
    return ok(
      formatSecureKeyWrapper({
        encryptedTransportKey: encryptedTransportKey.value,
        initializationVector,
        keyDescriptionDer,
        ...sealed,
      }),
    );
  } finally {
    wire.wipe();
    transportKey.wipe();
  }
}

/** What opens a wrapper: a device's wrapping key and masking key. */
export interface WrapperOpener {
  readonly wrappingKey: KeyObject;
  readonly maskingKey?: SecretBytes;
  /** Hashes of OAEP; {@link ANDROID_OAEP} where absent. */
  readonly hashes?: OaepHashes;
}

/**
 * The transport key of a wrapper, as a device recovers it. Refuses with OAEP_MODULUS or OAEP_INVALID, or with KEY_LENGTH
 * where it has not 32 bytes. The caller wipes it.
 */
export function openTransportKey(
  wrapper: SecureKeyWrapper,
  { wrappingKey, maskingKey, hashes = ANDROID_OAEP }: WrapperOpener,
): PaymentResult<SecretKey, KeyTransportReason> {
  const wire = decryptOaep(wrappingKey, wrapper.encryptedTransportKey, hashes);
  if (!wire.ok) return wire;
  const fits = wire.value.length === TRANSPORT_KEY_BITS / 8 && (maskingKey?.length ?? 32) === TRANSPORT_KEY_BITS / 8;
  const transportKey = masked(wire.value, maskingKey);
  wire.value.wipe();
  const key = fits ? transportKey.use((bytes) => SecretKey.parse('AES', bytes)) : refuse('KEY_LENGTH');
  transportKey.wipe();
  return key;
}

/**
 * Opens the key material of a wrapper with its transport key. Refuses with WRAPPER_TAG: another transport or masking key,
 * or a part that was changed. The caller wipes the key.
 */
export function openKeyMaterial(
  wrapper: SecureKeyWrapper,
  transportKey: SecretKey,
): PaymentResult<SecretBytes, 'WRAPPER_TAG'> {
  const decipher = createDecipheriv('aes-256-gcm', transportKey.keyObject, wrapper.initializationVector, {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(wrapper.keyDescriptionDer).setAuthTag(wrapper.tag);
  const material = decipher.update(wrapper.encryptedKey);
  try {
    decipher.final();
  } catch {
    material.fill(0);
    return refuse('WRAPPER_TAG');
  }
  return ok(SecretBytes.owning(material));
}

/** Opens a wrapper as a device does: transport key, then key material. Refusals are those of the two steps. */
export function unwrapSecureKey(
  wrapper: SecureKeyWrapper,
  opener: WrapperOpener,
): PaymentResult<SecretBytes, KeyTransportReason> {
  const transportKey = openTransportKey(wrapper, opener);
  if (!transportKey.ok) return transportKey;
  try {
    return openKeyMaterial(wrapper, transportKey.value);
  } finally {
    transportKey.value.wipe();
  }
}
