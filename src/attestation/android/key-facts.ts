import { hash } from 'node:crypto';
import type { DeviceIds, KeyOrigin, KeyPurpose } from './authorization-list.ts';
import type { ChainFacts } from './chain-facts.ts';
import { type PlatformFacts, platformOf } from './platform.ts';
import type { KeyAlgorithm } from './subject-key.ts';

/** What a chain says of the key that it attests and of its phone. Plain values; byte strings are lowercase hex. */
export interface KeyFacts extends PlatformFacts {
  /** SubjectPublicKeyInfo of the attested key, DER. */
  readonly publicKey: Buffer;
  readonly keyAlgorithm: KeyAlgorithm;
  /** Bits of the certified key; null where its kind has no such size. */
  readonly keySize: number | null;
  readonly attestationVersion: number;
  readonly keyMintVersion: number;
  readonly challenge: string;
  readonly purposes: readonly KeyPurpose[];
  readonly origin: KeyOrigin | null;
  /** KeyMint `Digest` and `PaddingMode` numbers that the hardware allows. */
  readonly digests: readonly number[];
  readonly paddings: readonly number[];
  /** KeyMint `Digest` numbers that MGF1 may use; empty where the hardware states none. */
  readonly mgfDigests: readonly number[];
  readonly deviceIds: DeviceIds | null;
  readonly moduleHash: string | null;
  readonly provisioning: 'factory' | 'remote';
  /** Certificates issued to the phone in the last 30 days, where the provisioning server states it. */
  readonly certificatesIssued: number | null;
  /** Name of the trust anchor; null where the chain reaches none. */
  readonly anchor: string | null;
  readonly certificates: number;
  /**
   * SHA-256 of the SPKI of the key that signed the attestation; null where the chain does not hold it. Unique to a phone
   * where `provisioning` is remote, else shared by a batch of phones.
   */
  readonly attestationKey: string | null;
  /** Tags of authorisations that this verifier does not know. */
  readonly unknownTags: readonly number[];
  /** Codes of the checks that ended as `tolerated`. */
  readonly tolerances: readonly string[];
}

/** Facts of a chain's attested key; null where no certificate describes one. */
export function keyFactsOf(facts: ChainFacts, tolerances: readonly string[]): KeyFacts | null {
  const { attested, certificates, provisioningInfo } = facts;
  if (attested === null) return null;
  const { certificate, description } = attested;
  const { softwareEnforced, hardwareEnforced } = description;
  const issuer = certificates[facts.topDescribed + 1];
  return {
    ...platformOf(attested),
    publicKey: Buffer.from(certificate.key.spki),
    keyAlgorithm: certificate.key.algorithm,
    keySize: certificate.key.bits,
    attestationVersion: description.attestationVersion,
    keyMintVersion: description.keyMintVersion,
    challenge: description.challenge.toString('hex'),
    purposes: hardwareEnforced.purposes,
    origin: hardwareEnforced.origin,
    digests: hardwareEnforced.digests,
    paddings: hardwareEnforced.paddings,
    mgfDigests: hardwareEnforced.mgfDigests,
    deviceIds: hardwareEnforced.deviceIds,
    moduleHash: softwareEnforced.moduleHash?.toString('hex') ?? null,
    provisioning: facts.provisioning,
    certificatesIssued: provisioningInfo?.ok ? provisioningInfo.value.certificatesIssued : null,
    anchor: facts.path.anchor?.name ?? null,
    certificates: certificates.length,
    attestationKey: issuer === undefined ? null : hash('sha256', issuer.key.spki, 'hex'),
    unknownTags: [...softwareEnforced.unknown, ...hardwareEnforced.unknown].map(({ tag }) => tag),
    tolerances,
  };
}
