import { isUtf8 } from 'node:buffer';
import { type DerFailure, type DerReader, readDer } from '../../encoding/der.ts';
import { NO_TAG, TAG } from '../../encoding/der-tag.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';

/** A package of the application that holds the key. */
export interface AttestedPackage {
  readonly name: string;
  /** versionCode. */
  readonly version: number;
}

/** The application that holds the key, as the Android system (not the secure hardware) stated it. */
export interface ApplicationId {
  readonly packages: readonly AttestedPackage[];
  /** SHA-256 of the signing certificates, lowercase hex. */
  readonly signers: readonly string[];
}

/** Why an application id cannot be read. */
export type ApplicationIdFailure = DerFailure | 'TEXT_INVALID';

const MAXIMUM_DEPTH = 4;

function readPackages(der: DerReader): { name: Buffer; version: number }[] {
  const packages: { name: Buffer; version: number }[] = [];
  const outer = der.enter(TAG.SET);
  while (der.peek() !== NO_TAG) {
    const inner = der.enter(TAG.SEQUENCE);
    packages.push({ name: der.content(TAG.OCTET_STRING), version: der.unsigned() });
    der.leave(inner);
  }
  der.leave(outer);
  return packages;
}

function readSigners(der: DerReader): string[] {
  const signers: string[] = [];
  const outer = der.enter(TAG.SET);
  while (der.peek() !== NO_TAG) signers.push(der.content(TAG.OCTET_STRING).toString('hex'));
  der.leave(outer);
  return signers;
}

/** Parses an AttestationApplicationId: the DER in the octets of tag 709. Versions over 2⁵³ − 1 are refused. */
export function parseApplicationId(octets: Uint8Array): Result<ApplicationId, ApplicationIdFailure> {
  const parsed = readDer(octets, { maximumBytes: octets.length, maximumDepth: MAXIMUM_DEPTH }, (der) => {
    const outer = der.enter(TAG.SEQUENCE);
    const packages = readPackages(der);
    const signers = readSigners(der);
    der.leave(outer);
    return { packages, signers };
  });
  if (!parsed.ok) return parsed;
  const packages: AttestedPackage[] = [];
  for (const { name: bytes, version } of parsed.value.packages) {
    if (!isUtf8(bytes)) return refuse('TEXT_INVALID');
    packages.push({ name: bytes.toString('utf8'), version });
  }
  return ok({ packages, signers: parsed.value.signers });
}
