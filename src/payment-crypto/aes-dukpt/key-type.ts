import { effectiveStrength, type KeyAlgorithm, type SecretKey } from '../secret-key.ts';

/** Usages of derived keys (X9.24-3:2017 6.3.2), two bytes of the derivation data. */
export const KEY_USAGES = {
  keyEncryption: 0x0002,
  pinEncryption: 0x1000,
  macGeneration: 0x2000,
  macVerification: 0x2001,
  macBoth: 0x2002,
  dataEncryptionEncrypt: 0x3000,
  dataEncryptionDecrypt: 0x3001,
  dataEncryptionBoth: 0x3002,
  keyDerivation: 0x8000,
  initialKey: 0x8001,
} as const;

/** Any usage of a derived key. */
export type DerivedKeyUsage = keyof typeof KEY_USAGES;

/** Usage of a working key: all but the two of the derivation tree itself. */
export type WorkingKeyUsage = Exclude<DerivedKeyUsage, 'keyDerivation' | 'initialKey'>;

/** An algorithm with a key size: its code in the derivation data and its size in bits. */
export interface DerivedKeyForm {
  readonly algorithm: KeyAlgorithm;
  readonly code: number;
  readonly bits: number;
}

/** Algorithms and sizes of derived keys (X9.24-3:2017 6.3.2). */
export const KEY_TYPES = {
  TDES2: { algorithm: 'TDES', code: 0, bits: 128 },
  TDES3: { algorithm: 'TDES', code: 1, bits: 192 },
  AES128: { algorithm: 'AES', code: 2, bits: 128 },
  AES192: { algorithm: 'AES', code: 3, bits: 192 },
  AES256: { algorithm: 'AES', code: 4, bits: 256 },
  HMAC128: { algorithm: 'HMAC', code: 5, bits: 128 },
  HMAC192: { algorithm: 'HMAC', code: 5, bits: 192 },
  HMAC256: { algorithm: 'HMAC', code: 5, bits: 256 },
} as const satisfies Record<string, DerivedKeyForm>;

/** A type of derived key. */
export type DerivedKeyType = keyof typeof KEY_TYPES;

/** The AES type of a derivation key. A key that is no AES key is a bug and throws TypeError. */
export function aesTypeOf(key: Pick<SecretKey, 'algorithm' | 'bits'>): 'AES128' | 'AES192' | 'AES256' {
  if (key.algorithm !== 'AES') throw new TypeError('an AES DUKPT derivation key is an AES key');
  return key.bits === 128 ? 'AES128' : key.bits === 192 ? 'AES192' : 'AES256';
}

/** True where a key of this type is no stronger than the AES key that it would be derived from. */
export function notStrongerThan(parent: SecretKey, type: DerivedKeyType): boolean {
  const { algorithm, bits } = KEY_TYPES[type];
  return effectiveStrength(algorithm, bits) <= parent.bits;
}
