import type { PatchLevel, PlatformFacts } from '../attestation/android/platform.ts';
import type { Check } from '../attestation/appraise.ts';
import type { Reason } from '../reasons/catalogue.ts';

/**
 * The best that a device has ever attested: what its next attestation may not fall below. Null is a fact that it never
 * stated.
 */
export interface Baseline {
  /** MMmmss. */
  readonly osVersion: number | null;
  /** YYYYMM or YYYYMMDD. */
  readonly patchLevels: { readonly os: string | null; readonly vendor: string | null; readonly boot: string | null };
  readonly application: Application | null;
  /** Lowercase hex. */
  readonly verifiedBootKey: string | null;
  readonly securityLevel: SecurityLevel;
}

type SecurityLevel = PlatformFacts['keySecurityLevel'];
type Application = NonNullable<PlatformFacts['applicationId']>;
type Part = keyof Baseline['patchLevels'];

const LEVELS: readonly SecurityLevel[] = ['UNKNOWN', 'SOFTWARE', 'TRUSTED_ENVIRONMENT', 'STRONG_BOX'];
const PARTS: readonly Part[] = ['os', 'vendor', 'boot'];
const MONTH = 6;

/** A patch level as digits that name a month, and a day where it is stated; null for one that names neither. */
function statedLevel(level: PatchLevel): string | null {
  if (level === null || !/^\d{6}(\d{2})?$/.test(level)) return null;
  return level.endsWith('00') && level.length > MONTH ? level.slice(0, MONTH) : level;
}

/** Below zero where `one` is the older one; the same where they differ only in whether they state the day. */
function compareLevels(one: string, other: string): number {
  const digits = Math.min(one.length, other.length);
  return Number(one.slice(0, digits)) - Number(other.slice(0, digits));
}

function higherLevel(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  const difference = compareLevels(one, other);
  if (difference !== 0) return difference > 0 ? one : other;
  return one.length >= other.length ? one : other;
}

function lowerSecurityLevel({ attestationSecurityLevel, keySecurityLevel }: PlatformFacts): SecurityLevel {
  return LEVELS[Math.min(LEVELS.indexOf(attestationSecurityLevel), LEVELS.indexOf(keySecurityLevel))] ?? 'UNKNOWN';
}

/** What a phone's first attestation sets. */
export function baselineOf(facts: PlatformFacts): Baseline {
  const { osVersion, patchLevels, applicationId, rootOfTrust } = facts;
  return {
    osVersion: osVersion === 0 ? null : osVersion,
    patchLevels: {
      os: statedLevel(patchLevels.os),
      vendor: statedLevel(patchLevels.vendor),
      boot: statedLevel(patchLevels.boot),
    },
    application: applicationId,
    verifiedBootKey: rootOfTrust?.verifiedBootKey ?? null,
    securityLevel: lowerSecurityLevel(facts),
  };
}

function higher(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.max(one, other);
}

function higherApplication(one: Application | null, other: Application | null): Application | null {
  if (one === null || other === null) return one ?? other;
  const packages = other.packages.map(({ name, version }) => {
    const before = one.packages.find((known) => known.name === name);
    return { name, version: Math.max(version, before?.version ?? version) };
  });
  return { packages, signers: other.signers };
}

/** The baseline after an attestation that was accepted: the higher one of each fact, so that none is walked down. */
export function raised(before: Baseline, facts: PlatformFacts): Baseline {
  const now = baselineOf(facts);
  const level = (part: Part): string | null => higherLevel(before.patchLevels[part], now.patchLevels[part]);
  return {
    osVersion: higher(before.osVersion, now.osVersion),
    patchLevels: { os: level('os'), vendor: level('vendor'), boot: level('boot') },
    application: higherApplication(before.application, now.application),
    verifiedBootKey: now.verifiedBootKey ?? before.verifiedBootKey,
    securityLevel:
      LEVELS[Math.max(LEVELS.indexOf(before.securityLevel), LEVELS.indexOf(now.securityLevel))] ?? 'UNKNOWN',
  };
}

type Judge = (before: Baseline, now: Baseline) => string | null;

interface ContinuityRule {
  readonly code: string;
  readonly reason: Reason;
  /** What fell or changed; null where the rule holds. */
  readonly broken: Judge;
}

function patchFell(part: Part): Judge {
  return ({ patchLevels: before }, { patchLevels: now }) => {
    const [highest, level] = [before[part], now[part]];
    if (highest === null) return null;
    if (level !== null && compareLevels(level, highest) >= 0) return null;
    return `${part} patch level ${level ?? 'not stated'} after ${highest}`;
  };
}

const osVersionFell: Judge = ({ osVersion: before }, { osVersion: now }) =>
  before === null || (now !== null && now >= before) ? null : `version ${now ?? 'not stated'} after ${before}`;

const appVersionFell: Judge = ({ application: before }, { application: now }) => {
  const fallen = (now?.packages ?? []).flatMap(({ name, version }) => {
    const known = before?.packages.find((attested) => attested.name === name);
    return known !== undefined && version < known.version ? [`${name} ${version} after ${known.version}`] : [];
  });
  return fallen.length === 0 ? null : fallen.join(', ');
};

function sameNames(one: readonly string[], other: readonly string[]): boolean {
  const [a, b] = [new Set(one), new Set(other)];
  return a.size === b.size && [...a].every((name) => b.has(name));
}

const applicationChanged: Judge = ({ application: before }, { application: now }) => {
  if (before === null) return null;
  if (now === null) return 'not stated any more';
  const names = (application: Application): string[] => application.packages.map(({ name }) => name);
  if (!sameNames(names(before), names(now)))
    return `packages ${names(now).join(', ')} after ${names(before).join(', ')}`;
  return sameNames(before.signers, now.signers) ? null : 'another signer';
};

const platformChanged: Judge = (before, now) => {
  if (before.verifiedBootKey !== null && now.verifiedBootKey !== before.verifiedBootKey) {
    return `verified boot key ${now.verifiedBootKey ?? 'not stated'} after ${before.verifiedBootKey}`;
  }
  if (LEVELS.indexOf(now.securityLevel) >= LEVELS.indexOf(before.securityLevel)) return null;
  return `security level ${now.securityLevel} after ${before.securityLevel}`;
};

const RULES: readonly ContinuityRule[] = [
  { code: 'PLATFORM_UNCHANGED', reason: 'PLATFORM_CHANGED', broken: platformChanged },
  { code: 'APPLICATION_UNCHANGED', reason: 'APPLICATION_CHANGED', broken: applicationChanged },
  { code: 'OS_VERSION_NOT_DECREASED', reason: 'OS_VERSION_DECREASED', broken: osVersionFell },
  ...PARTS.map((part): ContinuityRule => {
    const code = `${part.toUpperCase()}_PATCH_NOT_DECREASED`;
    return { code, reason: 'PATCH_LEVEL_DECREASED', broken: patchFell(part) };
  }),
  { code: 'APP_VERSION_NOT_DECREASED', reason: 'APP_VERSION_DECREASED', broken: appVersionFell },
];

/**
 * Whether a phone is still the one that it was: nothing that may only rise has fallen below the highest that the device
 * attested, and what identifies system and application has stayed. A level that is not stated after one that was counts
 * as fallen.
 */
export function continuityChecks(before: Baseline, facts: PlatformFacts): readonly Check[] {
  const now = baselineOf(facts);
  return RULES.map(({ code, reason, broken }): Check => {
    const detail = broken(before, now);
    return detail === null ? { code, status: 'pass' } : { code, status: 'fail', reason, detail };
  });
}
