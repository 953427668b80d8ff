import { z } from 'zod';
import type { PlatformFacts } from '../../attestation/android/platform.ts';
import type { KeyFacts } from '../../attestation/appraise.ts';
import type { Baseline } from '../../devices/continuity.ts';
import type { AttestedState } from '../../devices/device.ts';
import { TRUST_CLAIMS } from '../../tokens/trust-claims.ts';
import type { TrustVector } from '../../tokens/trust-vector.ts';

const securityLevel = z.enum(['SOFTWARE', 'TRUSTED_ENVIRONMENT', 'STRONG_BOX', 'UNKNOWN']);

const applicationSchema = z.object({
  packages: z.array(z.object({ name: z.string(), version: z.number() })),
  signers: z.array(z.string()),
});

const baselineSchema = z.object({
  osVersion: z.number().nullable(),
  patchLevels: z.object({ os: z.string().nullable(), vendor: z.string().nullable(), boot: z.string().nullable() }),
  application: applicationSchema.nullable(),
  verifiedBootKey: z.string().nullable(),
  securityLevel,
});

const trustVectorSchema = z.object(TRUST_CLAIMS);

const platformSchema = z.object({
  attestationSecurityLevel: securityLevel,
  keySecurityLevel: securityLevel,
  rootOfTrust: z
    .object({
      verifiedBootKey: z.string(),
      deviceLocked: z.boolean(),
      verifiedBootState: z.enum(['VERIFIED', 'SELF_SIGNED', 'UNVERIFIED', 'FAILED', 'UNKNOWN']),
      verifiedBootHash: z.string().nullable(),
    })
    .nullable(),
  osVersion: z.number().nullable(),
  patchLevels: z.object({ os: z.string().nullable(), vendor: z.string().nullable(), boot: z.string().nullable() }),
  applicationId: applicationSchema.nullable(),
});

const attestedSchema = z.object({
  packageName: z.string(),
  appVersion: z.string(),
  osPatchLevel: z.string(),
  securityLevel: z.string(),
});

/** Facts as JSON text; the public key in base64. */
export function factsToJson(facts: KeyFacts): string {
  return JSON.stringify({ ...facts, publicKey: facts.publicKey.toString('base64') });
}

/** What later keys of the phone are compared with, out of stored facts; throws where the store is broken. */
export function platformFromJson(json: unknown): PlatformFacts {
  return platformSchema.parse(json);
}

/** The highest that a device has attested, out of stored JSON; throws where the store is broken. */
export function baselineFromJson(json: unknown): Baseline {
  return baselineSchema.parse(json);
}

/** What a session's tokens say of its phone; null for sessions of before it was kept. Throws where the store is broken. */
export function trustVectorFromJson(json: unknown): TrustVector | null {
  return json === null ? null : trustVectorSchema.parse(json);
}

/** What a list of devices shows, as JSON text. */
export function attestedToJson(attested: AttestedState): string {
  return JSON.stringify({ ...attested, appVersion: attested.appVersion.toString() });
}

/** What a list of devices shows, out of stored JSON; throws where the store is broken. */
export function attestedFromJson(json: unknown): AttestedState {
  const attested = attestedSchema.parse(json);
  return { ...attested, appVersion: BigInt(attested.appVersion) };
}
