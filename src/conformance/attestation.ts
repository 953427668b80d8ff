import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { PUBLISHED_ANCHORS } from '../attestation/android/anchors.ts';
import { parseStatusList, type StatusList } from '../attestation/android/revocation.ts';
import { appraiseKey, type KeyAppraisal, type KeyFacts } from '../attestation/appraise.ts';
import { type AttestationPolicy, attestationPolicySchema } from '../attestation/policy.ts';
import { decodePem } from '../encoding/pem.ts';
import type { Reason } from '../reasons/catalogue.ts';

/** What a run over one folder showed: a line for each vector, and each status list, that failed. */
export interface ConformanceResult {
  readonly passed: number;
  readonly failed: number;
  readonly lines: readonly string[];
}

const text = z.union([z.string(), z.number().transform(String)]).nullable();

const vectorSchema = z.looseObject({
  file: z.string(),
  at: z.string(),
  expected: z.string(),
  certificates: z.number().optional(),
  root: z.string().optional(),
  rkp: z.boolean().optional(),
  attestation_version: z.number().nullable().optional(),
  attestation_security_level: z.string().nullable().optional(),
  key_security_level: z.string().nullable().optional(),
  verified_boot_state: z.string().nullable().optional(),
  device_locked: z.boolean().nullable().optional(),
  os_patch_level: text.optional(),
  vendor_patch_level: text.optional(),
  boot_patch_level: text.optional(),
});

type Vector = z.output<typeof vectorSchema>;

const MAXIMUM_PEM_CHARACTERS = 1_048_576;

// Challenge, application and patches are the exchange's and the operator's matter; the vectors are about the chain.
const EXPECTED_KEY = { challenge: null, purpose: null, algorithm: null, application: 'skip', patches: 'skip' } as const;

const ROOTS = new Map([
  ['google-rsa-4096', 'google-RSA4096'],
  ['google-ec-p384', 'google-EC-P384'],
  ['aosp-software-ec', 'AOSP-software'],
  ['aosp-software-rsa', 'AOSP-software'],
]);

interface Appraising {
  readonly chain: readonly Uint8Array[];
  readonly at: Date;
  readonly lists: readonly StatusList[];
}

function policyWith(changes: z.input<typeof attestationPolicySchema>): AttestationPolicy {
  return attestationPolicySchema.parse({ statusList: { required: false }, ...changes });
}

function appraise(
  { chain, at }: Appraising,
  changes: z.input<typeof attestationPolicySchema> = {},
  statusList: StatusList | null = null,
): KeyAppraisal {
  return appraiseKey({
    chain,
    at,
    policy: policyWith(changes),
    expected: EXPECTED_KEY,
    anchors: PUBLISHED_ANCHORS,
    statusList,
  });
}

function trusted(appraisal: KeyAppraisal, when = ''): string[] {
  return appraisal.verdict === 'trusted' ? [] : [`refused${when}: ${appraisal.reasons.join(', ')}`];
}

function refusedFor(appraisal: KeyAppraisal, reasons: readonly Reason[], when = ''): string[] {
  const hit = appraisal.verdict === 'refused' && reasons.some((reason) => appraisal.reasons.includes(reason));
  return hit
    ? []
    : [`${appraisal.verdict}${when} (${appraisal.reasons.join(', ')}), not refused for ${reasons.join(' or ')}`];
}

function revoked(appraising: Appraising): string[] {
  const listed = appraising.lists.some((list) =>
    appraise(appraising, {}, list).reasons.some((reason) => reason === 'CHAIN_REVOKED'),
  );
  const without = trusted(appraise(appraising), ' without a list');
  return listed ? without : [...without, 'on no status list'];
}

function selfSigned(appraising: Appraising): string[] {
  const appraisal = appraise(appraising);
  const key = appraisal.facts?.rootOfTrust?.verifiedBootKey ?? '';
  const allowed = appraise(appraising, { verifiedBoot: { keys: [key] } });
  return [...refusedFor(appraisal, ['BOOT_NOT_VERIFIED']), ...trusted(allowed, ' with its boot key allowed')];
}

/** What each expected value of a manifest asks of the appraisal: a list of complaints, empty where it is met. */
const VERDICTS = new Map<string, (appraising: Appraising) => string[]>([
  ['valid', (appraising) => trusted(appraise(appraising))],
  [
    'valid (ATTEST_KEY chain)',
    (appraising) => [
      ...refusedFor(appraise(appraising), ['ATTEST_KEY_CHAIN_NOT_ALLOWED'], ' with the switch off'),
      ...trusted(appraise(appraising, { attestKeyChains: true }), ' with the switch on'),
    ],
  ],
  ['unlocked boot', (appraising) => refusedFor(appraise(appraising), ['BOOT_UNLOCKED', 'BOOT_NOT_VERIFIED'])],
  ['self-signed-os (locked)', selfSigned],
  ['software', (appraising) => refusedFor(appraise(appraising), ['ATTESTATION_SOFTWARE'])],
  ['untrusted-root/partial', (appraising) => refusedFor(appraise(appraising), ['CHAIN_UNTRUSTED'])],
  ['tampered', (appraising) => refusedFor(appraise(appraising), ['CHAIN_SIGNATURE_INVALID', 'CHAIN_MALFORMED'])],
  ['revoked', revoked],
]);

/** A patch level as manifests write it: the digits that the phone stated. */
function stated(level: string | null | undefined): string | null {
  return level === 'unknown' ? '0' : (level ?? null);
}

type Comparison = readonly [name: string, expected: unknown, parsed: unknown];

function comparisons(vector: Vector, facts: KeyFacts | null): readonly Comparison[] {
  return [
    ['certificates', vector.certificates, facts?.certificates],
    ['root', vector.root, ROOTS.get(facts?.anchor ?? '') ?? 'incomplete/unknown'],
    ['rkp', vector.rkp, facts?.provisioning === 'remote'],
    ['attestation_version', vector.attestation_version, facts?.attestationVersion ?? null],
    ['attestation_security_level', vector.attestation_security_level, facts?.attestationSecurityLevel ?? null],
    ['key_security_level', vector.key_security_level, facts?.keySecurityLevel ?? null],
    ['verified_boot_state', vector.verified_boot_state, facts?.rootOfTrust?.verifiedBootState ?? null],
    ['device_locked', vector.device_locked, facts?.rootOfTrust?.deviceLocked ?? null],
    ['os_patch_level', vector.os_patch_level, stated(facts?.patchLevels.os)],
    ['vendor_patch_level', vector.vendor_patch_level, stated(facts?.patchLevels.vendor)],
    ['boot_patch_level', vector.boot_patch_level, stated(facts?.patchLevels.boot)],
  ];
}

function differences(vector: Vector, facts: KeyFacts | null): string[] {
  return comparisons(vector, facts)
    .filter(([, expected, parsed]) => expected !== undefined && expected !== parsed)
    .map(([name, expected, parsed]) => `${name} is ${String(parsed)}, not ${String(expected)}`);
}

function complaints(folder: string, vector: Vector, lists: readonly StatusList[]): string[] {
  const judge = VERDICTS.get(vector.expected);
  if (judge === undefined) return [`no meaning is known for "${vector.expected}"`];
  const path = join(folder, vector.file);
  if (!existsSync(path)) return ['file is missing'];
  const chain = decodePem(readFileSync(path, 'utf8'), 'CERTIFICATE', MAXIMUM_PEM_CHARACTERS);
  if (!chain.ok) return [chain.reason];
  const appraising = { chain: chain.value, at: new Date(vector.at), lists };
  return [...judge(appraising), ...differences(vector, appraise(appraising).facts)];
}

/** Status lists of the folder, and those that cannot be read. */
function statusLists(folder: string): { readonly lists: readonly StatusList[]; readonly faults: readonly string[] } {
  const status = join(folder, 'status');
  const files = existsSync(status) ? readdirSync(status).filter((file) => file.endsWith('.json')) : [];
  const lists: StatusList[] = [];
  const faults: string[] = [];
  for (const file of files) {
    const list = parseStatusList(readFileSync(join(status, file)), new Date(0));
    if (list.ok) lists.push(list.value);
    else faults.push(`status/${file}: ${list.reason}`);
  }
  return { lists, faults };
}

/**
 * Appraises every chain that `manifest.json` in the folder lists, each as of its own time, and compares the verdict and
 * every parsed value that the manifest states. Throws where there is no manifest or it is not of the known form.
 */
export function runAttestationConformance(folder: string): ConformanceResult {
  const vectors = z.array(vectorSchema).parse(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')));
  const { lists, faults } = statusLists(folder);
  const lines = [...faults];
  let passed = 0;
  for (const vector of vectors) {
    const found = complaints(folder, vector, lists);
    if (found.length === 0) passed += 1;
    else lines.push(`${vector.file}: ${found.join('; ')}`);
  }
  return { passed, failed: lines.length, lines };
}
