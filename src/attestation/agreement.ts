import type { PlatformFacts } from './android/platform.ts';

/** A fact, as one comparable text; sets are compared without their order. */
const COMPARED: readonly [name: string, of: (facts: PlatformFacts) => string | null][] = [
  ['attestationSecurityLevel', (facts) => facts.attestationSecurityLevel],
  ['keySecurityLevel', (facts) => facts.keySecurityLevel],
  ['verifiedBootKey', (facts) => facts.rootOfTrust?.verifiedBootKey ?? null],
  ['deviceLocked', (facts) => (facts.rootOfTrust === null ? null : String(facts.rootOfTrust.deviceLocked))],
  ['verifiedBootState', (facts) => facts.rootOfTrust?.verifiedBootState ?? null],
  ['verifiedBootHash', (facts) => facts.rootOfTrust?.verifiedBootHash ?? null],
  ['osVersion', (facts) => (facts.osVersion === null ? null : String(facts.osVersion))],
  ['osPatchLevel', (facts) => facts.patchLevels.os],
  ['vendorPatchLevel', (facts) => facts.patchLevels.vendor],
  ['bootPatchLevel', (facts) => facts.patchLevels.boot],
  ['packages', (facts) => textOf(facts.applicationId?.packages.map(({ name, version }) => [name, version]))],
  ['signers', (facts) => textOf(facts.applicationId?.signers.map((signer) => [signer]))],
];

const SECURITY_LEVELS = new Set(['attestationSecurityLevel', 'keySecurityLevel']);

function textOf(items: readonly (readonly (string | number)[])[] | undefined): string | null {
  return items === undefined ? null : JSON.stringify(items.map((item) => JSON.stringify(item)).sort());
}

/** Names of the facts in which two keys disagree; a fact that one states and the other does not is a disagreement. */
export function disagreements(one: PlatformFacts, other: PlatformFacts): readonly string[] {
  return COMPARED.filter(([, of]) => of(one) !== of(other)).map(([name]) => name);
}

/**
 * Whether two attested keys are of one phone and application, at one time: root of trust, patch levels, system version,
 * application and security level agree field by field. Null where they do, else the names of the fields that differ.
 *
 * `securityLevel: 'any'` allows one key in the TEE and one in StrongBox.
 */
export function agreesWith(
  session: PlatformFacts,
  other: PlatformFacts,
  { securityLevel = 'same' }: { readonly securityLevel?: 'same' | 'any' } = {},
): string | null {
  const fields = disagreements(session, other).filter((name) => securityLevel === 'same' || !SECURITY_LEVELS.has(name));
  return fields.length === 0 ? null : fields.join(', ');
}
