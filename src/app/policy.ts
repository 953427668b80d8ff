import { z } from 'zod';
import { playIntegrityPolicySchema } from '../attestation/play-integrity/policy.ts';
import { attestationPolicySchema } from '../attestation/policy.ts';
import { devicePolicySchema } from '../devices/policy.ts';
import { keyPolicySchema } from '../injection/policy.ts';
import { revocationRefreshSchema } from '../jobs/revocation/policy.ts';
import { rotationPolicyShape } from '../keys/policy.ts';
import { pinPolicySchema } from '../pin/policy.ts';
import { type PolicyVersion, versionOf } from '../policy/version.ts';
import { admissionPolicySchema } from '../server/admission/policy.ts';
import { sessionPolicySchema } from '../sessions/policy.ts';
import { tokenPolicySchema } from '../tokens/policy.ts';
import { ConfigError, parseYaml, readText, schemaProblems } from './config.ts';

/** The policy document: each room's own part, side by side. Every number that decides stands in it. */
export const policySchema = z.strictObject({
  admission: admissionPolicySchema.prefault({}),
  attestation: attestationPolicySchema,
  playIntegrity: playIntegrityPolicySchema.prefault({}),
  revocation: revocationRefreshSchema.prefault({}),
  devices: devicePolicySchema,
  tokens: tokenPolicySchema,
  keys: keyPolicySchema.extend(rotationPolicyShape),
  sessions: sessionPolicySchema,
  pin: pinPolicySchema,
});

/** A checked policy document. */
export type Policy = z.infer<typeof policySchema>;

/** Reads and checks a policy file. Throws ConfigError that names the fields. */
export async function readPolicy(file: string): Promise<PolicyVersion<Policy>> {
  const parsed = policySchema.safeParse(parseYaml(await readText(file), file));
  if (!parsed.success) throw schemaProblems(file, parsed.error);
  const { pin } = parsed.data;
  if (pin.minimumLength > pin.maximumLength) throw new ConfigError(`${file}: pin.minimumLength is over maximumLength`);
  return versionOf(parsed.data);
}
