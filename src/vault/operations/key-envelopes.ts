import type { KeyObject } from 'node:crypto';
import { keyBlockProtectionInfo } from '../../encoding/contexts.ts';
import { publicKeyOfSpki } from '../../encoding/spki.ts';
import { KeyTransport } from '../../gen/tapgate/v1/key_transport.ts';
import { agreeSharedSecret, deriveKbpk, generateEphemeralKeyPair } from '../../payment-crypto/key-agreement.ts';
import { exportKeyBlock } from '../../payment-crypto/key-block/export.ts';
import type { InitialKeyId } from '../../payment-crypto/ksn.ts';
import { encryptOaep } from '../../payment-crypto/oaep.ts';
import { randomOctets } from '../../payment-crypto/random.ts';
import { SecretBytes } from '../../payment-crypto/secret.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { KEYMINT, type KeyAuthorizations } from '../../payment-crypto/secure-key-wrapper/key-description.ts';
import { wrapSecureKey } from '../../payment-crypto/secure-key-wrapper/wrapper.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { KeyDomain } from '../keys.ts';

/** What an offer is bound to, and the key that it is sent to. */
export interface TransportTerms {
  readonly injectionId: string;
  readonly sessionKeyThumbprint: string;
  readonly transport: KeyTransport;
  /** SubjectPublicKeyInfo, DER. */
  readonly transportKey: Uint8Array;
  /** SHA-256 of it. */
  readonly transportKeyHash: Buffer;
  readonly nonce: Uint8Array;
}

/** What carries one initial key: a key block, or a SecureKeyWrapper; the other one is empty. */
export interface SealedKey {
  readonly keyBlock: string;
  readonly secureKeyWrapper: Buffer;
}

/** Seals the initial keys of one offer, and says what the phone needs beside them. Wiped when the offer is made. */
export interface KeySealer {
  /** The service's ephemeral key, SubjectPublicKeyInfo; empty in other transports than key agreement. */
  readonly ephemeralPublicKey: Buffer;
  /** The protection secret under RSA-OAEP; empty in other transports than RSA. */
  readonly encryptedProtectionSecret: Buffer;
  /** Seals the initial key of a domain. */
  seal(domain: KeyDomain, initialKeyId: InitialKeyId, key: SecretKey): SealedKey;
  wipe(): void;
}

type SealerResult = Result<KeySealer, 'MALFORMED_MESSAGE' | 'TRANSPORT_NOT_SUPPORTED'>;

const NOTHING = Buffer.alloc(0);
const PROTECTION_SECRET_BYTES = 32;
/** 2^16 + 1, as KeyMint makes them; a small exponent has no place in a key that keys are sent under. */
const RSA_EXPONENT = 65_537n;

/** Initial key: derivation key of AES DUKPT, not to be exported again (X9.143:2021 6.3). */
const INITIAL_KEY = { usage: 'B1', algorithm: 'A', modeOfUse: 'X', keyVersion: '00', exportability: 'N' } as const;

/** An imported initial key enciphers derivation data, block by block, until its registers are filled: no more than that. */
const IMPORTED_INITIAL_KEY: KeyAuthorizations = {
  purpose: [KEYMINT.purpose.ENCRYPT],
  algorithm: KEYMINT.algorithm.AES,
  keySize: 128,
  blockMode: [KEYMINT.blockMode.ECB],
  padding: [KEYMINT.padding.NONE],
  noAuthRequired: true,
};

/**
 * Prepares the sealing of one offer's keys for a transport key. What it makes anew (ephemeral key, protection secret)
 * serves this offer and is dropped.
 *
 * Refuses with TRANSPORT_NOT_SUPPORTED, and with MALFORMED_MESSAGE a transport key of another kind or size.
 */
export function keySealer(terms: TransportTerms, random: Random): SealerResult {
  switch (terms.transport) {
    case KeyTransport.KEY_AGREEMENT:
      return byAgreement(terms, random);
    case KeyTransport.RSA:
      return byRsa(terms, random);
    case KeyTransport.SECURE_IMPORT:
      return bySecureImport(terms, random);
    default:
      return refuse('TRANSPORT_NOT_SUPPORTED');
  }
}

function byAgreement(terms: TransportTerms, random: Random): SealerResult {
  const ephemeral = generateEphemeralKeyPair();
  const shared = agreeSharedSecret(ephemeral.privateKey, terms.transportKey);
  if (!shared.ok) return refuse('MALFORMED_MESSAGE', 'transport_public_key');
  return ok({
    ...inKeyBlocks(shared.value, terms, random),
    ephemeralPublicKey: ephemeral.publicKey,
    encryptedProtectionSecret: NOTHING,
  });
}

function byRsa(terms: TransportTerms, random: Random): SealerResult {
  const publicKey = rsaPublicKey(terms.transportKey);
  if (publicKey === null) return refuse('MALFORMED_MESSAGE', 'transport_public_key');
  const secret = SecretBytes.owning(randomOctets(random, PROTECTION_SECRET_BYTES));
  const encrypted = encryptOaep(publicKey, secret, random);
  if (!encrypted.ok) {
    secret.wipe();
    return refuse('MALFORMED_MESSAGE', 'transport_public_key');
  }
  return ok({
    ...inKeyBlocks(secret, terms, random),
    ephemeralPublicKey: NOTHING,
    encryptedProtectionSecret: encrypted.value,
  });
}

function bySecureImport({ transportKey }: TransportTerms, random: Random): SealerResult {
  const wrappingKey = rsaPublicKey(transportKey);
  if (wrappingKey === null) return refuse('MALFORMED_MESSAGE', 'transport_public_key');
  return ok({
    ephemeralPublicKey: NOTHING,
    encryptedProtectionSecret: NOTHING,
    seal: (_domain, _initialKeyId, key) => {
      const wrapper = wrapSecureKey({ wrappingKey, key, authorizations: IMPORTED_INITIAL_KEY }, random);
      if (!wrapper.ok) throw new TypeError(`an initial key's wrapper: ${wrapper.reason}`);
      return { keyBlock: '', secureKeyWrapper: wrapper.value };
    },
    wipe: () => {},
  });
}

/** Seals in X9.143 version D blocks, each under the KBPK that the secret gives for its domain. */
function inKeyBlocks(secret: SecretBytes, terms: TransportTerms, random: Random): Pick<KeySealer, 'seal' | 'wipe'> {
  const { injectionId, sessionKeyThumbprint, transportKeyHash, nonce } = terms;
  return {
    seal: (domain, initialKeyId, key) => {
      const info = keyBlockProtectionInfo(injectionId, domain, sessionKeyThumbprint, transportKeyHash);
      const kbpk = deriveKbpk(secret, nonce, info);
      try {
        const content = { version: 'D', attributes: INITIAL_KEY, key, optional: [{ id: 'IK', initialKeyId }] } as const;
        const block = exportKeyBlock(content, kbpk, random);
        if (!block.ok) throw new TypeError(`an initial key's block: ${block.reason}`);
        return { keyBlock: block.value, secureKeyWrapper: NOTHING };
      } finally {
        kbpk.wipe();
      }
    },
    wipe: () => secret.wipe(),
  };
}

/** An RSA key of 2 048 to 4 096 bits in whole bytes, with the usual exponent; null for anything else. */
function rsaPublicKey(spki: Uint8Array): KeyObject | null {
  try {
    const key = publicKeyOfSpki(spki);
    const { modulusLength = 0, publicExponent } = key.asymmetricKeyDetails ?? {};
    const usable = modulusLength >= 2048 && modulusLength <= 4096 && modulusLength % 8 === 0;
    return key.asymmetricKeyType === 'rsa' && usable && publicExponent === RSA_EXPONENT ? key : null;
  } catch {
    // No key at all: the caller refuses, with its own reason.
    return null;
  }
}
