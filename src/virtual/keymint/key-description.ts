import {
  derBoolean,
  derEnumerated,
  derExplicit,
  derInteger,
  derNull,
  derOctetString,
  derSequence,
  derSetOf,
} from './der.ts';
import type { VirtualApplication, VirtualBootState, VirtualPhoneProfile, VirtualSecurityLevel } from './profile.ts';

/** OID of the key attestation extension. */
export const KEY_DESCRIPTION_OID = '1.3.6.1.4.1.11129.2.1.17';

/** What a key is for. */
export type KeyPurpose = 'sign' | 'agree' | 'decrypt' | 'wrap' | 'attest';

/** Properties of one key as its description states them. */
export interface DescribedKey {
  readonly purpose: KeyPurpose;
  readonly algorithm: 'EC' | 'RSA';
  /** Size in bits. */
  readonly bits: number;
  readonly challenge: Uint8Array;
}

/** Numbers of KeyMint's `KeyPurpose`. */
const PURPOSES: Readonly<Record<KeyPurpose, number>> = { sign: 2, decrypt: 1, wrap: 5, agree: 6, attest: 7 };
const SECURITY_LEVELS: Readonly<Record<VirtualSecurityLevel, number>> = { software: 0, tee: 1, strongbox: 2 };
const BOOT_STATES: Readonly<Record<VirtualBootState, number>> = {
  verified: 0,
  'self-signed': 1,
  unverified: 2,
  failed: 3,
};
const ALGORITHM = { RSA: 1, EC: 3 } as const;
const EC_CURVES: Readonly<Record<number, number>> = { 256: 1, 384: 2, 521: 3 };
const DIGEST = { SHA1: 2, SHA256: 4 } as const;
const PADDING_OAEP = 2;
const PADDING_PKCS1_SIGN = 5;
const RSA_PUBLIC_EXPONENT = 65_537;
const ORIGIN_GENERATED = 0;
/** Version 3 (Keymaster 4) brought the boot hash and the patch levels of vendor and boot partition. */
const VERSION_WITH_BOOT_HASH = 3;

const TAG = {
  purpose: 1,
  algorithm: 2,
  keySize: 3,
  digest: 5,
  padding: 6,
  ecCurve: 10,
  rsaPublicExponent: 200,
  mgfDigest: 203,
  noAuthRequired: 503,
  creationDateTime: 701,
  origin: 702,
  rootOfTrust: 704,
  osVersion: 705,
  osPatchLevel: 706,
  attestationApplicationId: 709,
  vendorPatchLevel: 718,
  bootPatchLevel: 719,
} as const;

const tagged = (tag: keyof typeof TAG, inner: Buffer) => ({ number: TAG[tag] as number, inner });
const integer = (tag: keyof typeof TAG, value: number) => tagged(tag, derInteger(value));
const integers = (tag: keyof typeof TAG, ...values: readonly number[]) =>
  tagged(tag, derSetOf(values.map((value) => derInteger(value))));

type Authorization = ReturnType<typeof tagged>;

/** AuthorizationList: explicit tags in ascending order. */
function authorizationList(authorizations: readonly Authorization[]): Buffer {
  const ordered = [...authorizations].sort((a, b) => a.number - b.number);
  return derSequence(...ordered.map(({ number, inner }) => derExplicit(number, inner)));
}

function attestationApplicationId({ packageName, version, signerDigest }: VirtualApplication): Buffer {
  const packageInfo = derSequence(derOctetString(Buffer.from(packageName, 'utf8')), derInteger(version));
  const digest = derOctetString(Buffer.from(signerDigest, 'hex'));
  return derOctetString(derSequence(derSetOf([packageInfo]), derSetOf([digest])));
}

function rootOfTrust(profile: VirtualPhoneProfile): Buffer {
  const parts = [
    derOctetString(Buffer.from(profile.verifiedBootKey, 'hex')),
    derBoolean(profile.deviceLocked),
    derEnumerated(BOOT_STATES[profile.verifiedBootState]),
  ];
  if (profile.attestationVersion >= VERSION_WITH_BOOT_HASH) {
    parts.push(derOctetString(Buffer.from(profile.verifiedBootHash, 'hex')));
  }
  return derSequence(...parts);
}

function keyAuthorizations({ purpose, algorithm, bits }: DescribedKey): Authorization[] {
  const list = [
    integers('purpose', PURPOSES[purpose]),
    integer('algorithm', ALGORITHM[algorithm]),
    integer('keySize', bits),
    tagged('noAuthRequired', derNull()),
    integer('origin', ORIGIN_GENERATED),
  ];
  if (purpose === 'sign' || purpose === 'decrypt' || purpose === 'wrap') list.push(integers('digest', DIGEST.SHA256));
  if (algorithm === 'EC') {
    const curve = EC_CURVES[bits];
    if (curve === undefined) throw new RangeError('EC keys have 256, 384 or 521 bits');
    return [...list, integer('ecCurve', curve)];
  }
  list.push(integer('rsaPublicExponent', RSA_PUBLIC_EXPONENT));
  if (purpose === 'sign') list.push(integers('padding', PADDING_PKCS1_SIGN));
  // Keystore's OAEP takes SHA-256 for the label and SHA-1 for the mask.
  if (purpose === 'decrypt' || purpose === 'wrap') {
    list.push(integers('padding', PADDING_OAEP), integers('mgfDigest', DIGEST.SHA1));
  }
  return list;
}

function phoneAuthorizations(profile: VirtualPhoneProfile): Authorization[] {
  const list = [
    tagged('rootOfTrust', rootOfTrust(profile)),
    integer('osVersion', profile.osVersion),
    integer('osPatchLevel', profile.osPatchLevel),
  ];
  if (profile.attestationVersion >= VERSION_WITH_BOOT_HASH) {
    list.push(integer('vendorPatchLevel', profile.vendorPatchLevel), integer('bootPatchLevel', profile.bootPatchLevel));
  }
  return list;
}

/**
 * KeyDescription (DER), as KeyMint puts it into the extension of an attested key: what the Android system adds
 * (creation time, application) is software-enforced, what the hardware knows is hardware-enforced; a software KeyMint
 * enforces all of it in software. Throws RangeError for an EC key of an unknown size.
 */
export function encodeKeyDescription(profile: VirtualPhoneProfile, key: DescribedKey, createdAt: Date): Buffer {
  const level = derEnumerated(SECURITY_LEVELS[profile.securityLevel]);
  const bySystem = [tagged('creationDateTime', derInteger(createdAt.getTime()))];
  if (profile.application !== null) {
    bySystem.push(tagged('attestationApplicationId', attestationApplicationId(profile.application)));
  }
  const byKeyMint = [...keyAuthorizations(key), ...phoneAuthorizations(profile)];
  const software = profile.securityLevel === 'software';
  return derSequence(
    derInteger(profile.attestationVersion),
    level,
    derInteger(profile.keymintVersion),
    level,
    derOctetString(key.challenge),
    derOctetString(Buffer.alloc(0)),
    authorizationList(software ? [...bySystem, ...byKeyMint] : bySystem),
    authorizationList(software ? [] : byKeyMint),
  );
}
