import { z } from 'zod';
import type { PlatformFacts } from '../../attestation/android/platform.ts';
import type { Check, KeyFacts } from '../../attestation/appraise.ts';
import type { AttestedState } from '../../devices/device.ts';
import type { AppraisalRecord } from '../../devices/store.ts';

const securityLevel = z.enum(['SOFTWARE', 'TRUSTED_ENVIRONMENT', 'STRONG_BOX', 'UNKNOWN']);

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
  applicationId: z
    .object({
      packages: z.array(z.object({ name: z.string(), version: z.number() })),
      signers: z.array(z.string()),
    })
    .nullable(),
});

const checksSchema = z.array(
  z.object({
    code: z.string(),
    status: z.enum(['pass', 'fail', 'skipped', 'tolerated']),
    detail: z.string().optional(),
  }),
);

const attestedSchema = z.object({
  packageName: z.string(),
  appVersion: z.string(),
  osPatchLevel: z.string(),
  securityLevel: z.string(),
});

/** An appraisal as it is stored. */
export interface AppraisalRow {
  readonly id: string;
  readonly appraised_at: Date;
  readonly policy_version: string;
  readonly checks: unknown;
}

/** Facts as JSON text; the public key in base64. */
export function factsToJson(facts: KeyFacts): string {
  return JSON.stringify({ ...facts, publicKey: facts.publicKey.toString('base64') });
}

/** What later keys of the phone are compared with, out of stored facts; throws where the store is broken. */
export function platformFromJson(json: unknown): PlatformFacts {
  return platformSchema.parse(json);
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

/** An appraisal out of its row; throws where the store is broken. */
export function appraisalFromRow(row: AppraisalRow): AppraisalRecord {
  const checks: readonly Check[] = checksSchema.parse(row.checks).map(({ code, status, detail }) => ({
    code,
    status,
    ...(detail === undefined ? {} : { detail }),
  }));
  return {
    id: row.id,
    appraisedAt: row.appraised_at,
    policyVersion: row.policy_version,
    checks,
  };
}
