import { z } from 'zod';
import { playIntegrityPolicySchema } from '../attestation/play-integrity/policy.ts';
import { attestationPolicySchema } from '../attestation/policy.ts';
import { devicePolicySchema } from '../devices/policy.ts';
import { gatePolicySchema } from '../gate/policy.ts';
import { keyPolicySchema } from '../injection/policy.ts';
import { revocationRefreshSchema } from '../jobs/revocation/policy.ts';
import { rotationPolicyShape } from '../keys/policy.ts';
import { pinPolicySchema } from '../pin/policy.ts';
import { distributionPolicySchema } from '../policy/distribution.ts';
import { type PolicyVersion, versionOf } from '../policy/version.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { admissionPolicySchema } from '../server/admission/policy.ts';
import { sessionPolicySchema } from '../sessions/policy.ts';
import { tokenPolicySchema } from '../tokens/policy.ts';
import { ConfigError, parseYaml, readText } from './config.ts';

/** A document of more characters than this is none. */
const MAXIMUM_TEXT = 262_144;

const parts = z.strictObject({
  distribution: distributionPolicySchema.prefault({}).describe('How policy reaches all replicas'),
  admission: admissionPolicySchema.prefault({}).describe('How much of the service one caller may take'),
  attestation: attestationPolicySchema.describe('What a phone must be'),
  playIntegrity: playIntegrityPolicySchema.prefault({}).describe("Google Play's word on phone and application"),
  revocation: revocationRefreshSchema.prefault({}).describe('When the list of revoked certificates is fetched'),
  devices: devicePolicySchema.describe('Invites, devices and how long an attestation is good'),
  tokens: tokenPolicySchema.describe('Device tokens and the feed that revokes them'),
  keys: keyPolicySchema.extend(rotationPolicyShape).describe('Injected keys, and how keys of the service rotate'),
  sessions: sessionPolicySchema.describe('Open sessions, grants, amounts and cardholder verification'),
  pin: pinPolicySchema.describe('PIN entry'),
  gate: gatePolicySchema.prefault({}).describe('Payments at the gate'),
});

/** The policy document: each room's own part, side by side. Every number that decides stands in it. */
export const policySchema = parts.superRefine((policy, context) => {
  for (const { path, message } of contradictions(policy)) context.addIssue({ code: 'custom', path, message });
});

/** A checked policy document. */
export type Policy = z.infer<typeof parts>;

interface Contradiction {
  readonly path: (string | number)[];
  readonly message: string;
}

/** What each member allows, and two of them together do not. */
function contradictions({ devices, tokens, sessions, pin }: Policy): readonly Contradiction[] {
  const found: Contradiction[] = [];
  if (pin.minimumLength > pin.maximumLength) {
    found.push({ path: ['pin', 'minimumLength'], message: 'over maximumLength: no PIN would fit' });
  }
  if (tokens.lifetimeSeconds > devices.fullAttestationSeconds) {
    const message = 'under tokens.lifetimeSeconds: a token would outlive its attestation';
    found.push({ path: ['devices', 'fullAttestationSeconds'], message });
  }
  const known = new Set<number>();
  sessions.currencies.forEach(({ currency, noPinAmountMinor, maximumAmountMinor }, index) => {
    const path = ['sessions', 'currencies', index];
    if (known.has(currency)) found.push({ path, message: `currency ${currency} stands here twice: keep one` });
    if (noPinAmountMinor > maximumAmountMinor) {
      found.push({ path: [...path, 'noPinAmountMinor'], message: 'over maximumAmountMinor: never reached; lower it' });
    }
    known.add(currency);
  });
  sessions.verificationLimits.forEach(({ currency }, index) => {
    if (known.has(currency)) return;
    const path = ['sessions', 'verificationLimits', index, 'currency'];
    found.push({ path, message: `currency ${currency} is not in sessions.currencies: add it there` });
  });
  return found;
}

/** Says what of a document does not fit, a line a member: its path, and what it may be. */
function problemsOf(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `  ${path.join('.') || '(document)'}: ${message}`).join('\n');
}

/** Parses a document from YAML. Refuses with POLICY_INVALID; the detail has a line for each member that does not fit. */
export function parsePolicy(text: string): Result<PolicyVersion<Policy>, 'POLICY_INVALID'> {
  if (text.length > MAXIMUM_TEXT) return refuse('POLICY_INVALID', `  (document): over ${MAXIMUM_TEXT} characters`);
  let value: unknown;
  try {
    value = parseYaml(text, 'the document');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return refuse('POLICY_INVALID', `  (document): ${error.message}`);
  }
  const parsed = policySchema.safeParse(value);
  return parsed.success ? ok(versionOf<Policy>(parsed.data)) : refuse('POLICY_INVALID', problemsOf(parsed.error));
}

/** A document from the JSON that it is kept as. Throws where this program does not understand it. */
export function policyFromJson(json: string): Policy {
  const parsed = policySchema.safeParse(JSON.parse(json));
  if (!parsed.success) throw new RangeError(`a kept policy does not fit its schema:\n${problemsOf(parsed.error)}`);
  return parsed.data;
}

/** Reads and checks a policy file. Throws ConfigError that names the members. */
export async function readPolicy(file: string): Promise<PolicyVersion<Policy>> {
  const parsed = parsePolicy(await readText(file));
  if (!parsed.ok) throw new ConfigError(`${file} does not fit its schema:\n${parsed.detail}`);
  return parsed.value;
}

/** The published JSON Schema (draft 2020-12) of a document as people write it. */
export function policyJsonSchema(): string {
  const schema = z.toJSONSchema(parts, { io: 'input', target: 'draft-2020-12' });
  const { $schema, ...rest } = schema;
  const named = { $schema, title: 'Tapgate policy', description: 'See docs/policy.md.', ...rest };
  return `${JSON.stringify(named, null, 2)}\n`;
}
