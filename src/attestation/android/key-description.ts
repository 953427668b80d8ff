import { type DerFailure, type DerReader, readDer } from '../../encoding/der.ts';
import { NO_TAG, TAG } from '../../encoding/der-tag.ts';
import type { Result } from '../../reasons/result.ts';
import { type AuthorizationList, readAuthorizationList } from './authorization-list.ts';

/** What holds a key (KeyMint `SecurityLevel`). */
export type SecurityLevel = 'SOFTWARE' | 'TRUSTED_ENVIRONMENT' | 'STRONG_BOX' | 'UNKNOWN';

/** The key attestation extension, parsed; nothing in it is judged here. */
export interface KeyDescription {
  /** 1 to 4 Keymaster, 100 and up KeyMint. */
  readonly attestationVersion: number;
  readonly attestationSecurityLevel: SecurityLevel;
  readonly keyMintVersion: number;
  readonly keyMintSecurityLevel: SecurityLevel;
  readonly challenge: Buffer;
  readonly uniqueId: Buffer;
  readonly softwareEnforced: AuthorizationList;
  readonly hardwareEnforced: AuthorizationList;
  /** Fields after the published ones, in a version that this verifier does not know. */
  readonly unknownFields: number;
  /** BOOLEANs that are true but not 0xFF. */
  readonly irregularBooleans: number;
}

const LEVELS = ['SOFTWARE', 'TRUSTED_ENVIRONMENT', 'STRONG_BOX'] as const;
const KNOWN_VERSIONS = new Set([1, 2, 3, 4, 100, 200, 300, 400, 500]);
const MAXIMUM_DEPTH = 8;

/** True for the versions of the schema that this verifier was written against. */
export function isKnownVersion(attestationVersion: number): boolean {
  return KNOWN_VERSIONS.has(attestationVersion);
}

const readLevel = (der: DerReader): SecurityLevel => LEVELS[der.unsigned(TAG.ENUMERATED)] ?? 'UNKNOWN';

function skipUnknownFields(der: DerReader): number {
  let fields = 0;
  for (; der.peek() !== NO_TAG; fields += 1) der.skip();
  return fields;
}

function readKeyDescription(der: DerReader): KeyDescription {
  const outer = der.enter(TAG.SEQUENCE);
  const attestationVersion = der.unsigned();
  const attestationSecurityLevel = readLevel(der);
  const keyMintVersion = der.unsigned();
  const keyMintSecurityLevel = readLevel(der);
  const challenge = der.content(TAG.OCTET_STRING);
  const uniqueId = der.content(TAG.OCTET_STRING);
  const softwareEnforced = readAuthorizationList(der);
  const hardwareEnforced = readAuthorizationList(der);
  const unknownFields = isKnownVersion(attestationVersion) ? 0 : skipUnknownFields(der);
  der.leave(outer);
  return {
    attestationVersion,
    attestationSecurityLevel,
    keyMintVersion,
    keyMintSecurityLevel,
    challenge,
    uniqueId,
    softwareEnforced,
    hardwareEnforced,
    unknownFields,
    irregularBooleans: der.irregularBooleans,
  };
}

/** Parses the content of the key attestation extension (OID 1.3.6.1.4.1.11129.2.1.17), of any version. */
export function parseKeyDescription(content: Uint8Array): Result<KeyDescription, DerFailure> {
  const limits = { maximumBytes: content.length, maximumDepth: MAXIMUM_DEPTH, tolerateBooleans: true };
  return readDer(content, limits, readKeyDescription);
}
