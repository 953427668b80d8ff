import type { KeyObject } from 'node:crypto';
import type { Clock } from '../../ports/clock.ts';
import { keyUsage } from '../../x509/extensions.ts';
import { issueCertificate } from '../../x509/issue.ts';
import { generateKeys, type Issuer, signatureHashOf } from './issuers.ts';
import { encodeKeyDescription, KEY_DESCRIPTION_OID, type KeyPurpose } from './key-description.ts';
import type { VirtualPhoneProfile } from './profile.ts';

/** What an application asks Android Keystore for. */
export interface KeyRequest {
  readonly purpose: KeyPurpose;
  readonly algorithm: 'EC' | 'RSA';
  /** At most 128 bytes. */
  readonly challenge: Uint8Array;
  /** EC: 256 (default) or 384. RSA: 2048 (default), 3072 or 4096. */
  readonly bits?: number;
  /** A key of purpose `attest` that certifies the new one, in the place of the phone's own attestation key. */
  readonly attestKey?: GeneratedKey;
}

/** A key with its attestation. */
export interface GeneratedKey {
  readonly privateKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  /** DER certificates, leaf first, root last. */
  readonly chain: readonly Buffer[];
}

/** Generates attested keys: a virtual phone's own, or an attack on it. */
export interface KeyMint {
  generateKey(request: KeyRequest): GeneratedKey;
}

/** Subject of every attested key's certificate. */
export const KEYSTORE_KEY_NAME = [{ type: 'CN', value: 'Android Keystore Key' }] as const;

/** Validity that Android states for keys without a date of their own: from 1970 to 2048. */
export const KEYSTORE_KEY_VALIDITY = {
  notBefore: new Date('1970-01-01T00:00:00Z'),
  notAfter: new Date('2048-01-01T00:00:00Z'),
} as const;

/** KeyUsage by purpose (KeyMint AIDL, `generateKey`). */
const USAGES = {
  sign: 'digitalSignature',
  decrypt: 'dataEncipherment',
  wrap: 'keyEncipherment',
  agree: 'keyAgreement',
  attest: 'keyCertSign',
} as const satisfies Record<KeyPurpose, string>;

const ALGORITHMS: Readonly<Record<KeyPurpose, readonly ('EC' | 'RSA')[]>> = {
  sign: ['EC', 'RSA'],
  decrypt: ['RSA'],
  wrap: ['RSA'],
  agree: ['EC'],
  attest: ['EC', 'RSA'],
};
const SIZES = { EC: [256, 384], RSA: [2048, 3072, 4096] } as const;
const MAXIMUM_CHALLENGE = 128;
/** Key agreement and attest keys came with KeyMint 1.0. */
const FIRST_KEYMINT = 100;

/** A phone's KeyMint: attests what its profile says, as real ones do. */
export class VirtualKeyMint implements KeyMint {
  readonly profile: VirtualPhoneProfile;
  /** What certifies its keys. */
  readonly attestationKey: Issuer;
  readonly #clock: Clock;

  constructor(profile: VirtualPhoneProfile, attestationKey: Issuer, clock: Clock) {
    this.profile = profile;
    this.attestationKey = attestationKey;
    this.#clock = clock;
  }

  /** Generates a key and its chain. Throws RangeError for what no such phone generates. */
  generateKey(request: KeyRequest): GeneratedKey {
    const bits = request.bits ?? SIZES[request.algorithm][0];
    this.#check(request, bits);
    const { purpose, algorithm, challenge, attestKey } = request;
    const { privateKey, publicKey } = generateKeys(algorithm, bits);
    const issuer = attestKey === undefined ? this.attestationKey : { ...attestKey, name: KEYSTORE_KEY_NAME };
    const description = encodeKeyDescription(this.profile, { purpose, algorithm, bits, challenge }, this.#clock.now());
    const leaf = issueCertificate({
      subject: KEYSTORE_KEY_NAME,
      issuer: issuer.name,
      spki: publicKey,
      serial: Uint8Array.of(1),
      ...KEYSTORE_KEY_VALIDITY,
      extensions: [keyUsage([USAGES[purpose]]), { oid: KEY_DESCRIPTION_OID, critical: false, value: description }],
      signingKey: issuer.privateKey,
      signatureHash: signatureHashOf(issuer.privateKey),
    });
    return { privateKey, publicKey, chain: [leaf, ...issuer.chain] };
  }

  #check({ purpose, algorithm, challenge }: KeyRequest, bits: number): void {
    if (!ALGORITHMS[purpose].includes(algorithm)) throw new RangeError(`no ${algorithm} key has purpose ${purpose}`);
    if (!(SIZES[algorithm] as readonly number[]).includes(bits))
      throw new RangeError(`no ${algorithm} key of that size`);
    if (challenge.length > MAXIMUM_CHALLENGE) throw new RangeError('a challenge has at most 128 bytes');
    const keymint = purpose === 'agree' || purpose === 'attest';
    if (keymint && this.profile.keymintVersion < FIRST_KEYMINT)
      throw new RangeError(`Keymaster has no purpose ${purpose}`);
  }
}
