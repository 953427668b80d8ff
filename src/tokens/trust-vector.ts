/**
 * Trustworthiness claims of an attestation result, by their names in draft-ietf-rats-ar4si 2.3.4. A claim that is not
 * there asserts nothing. Values: 2 to 31 affirm, 32 to 95 warn, 96 to 127 contraindicate.
 */
export interface TrustVector {
  /** 2: the device key is the pinned one, and no certificate above either key is revoked. */
  readonly 'instance-identity'?: number | undefined;
  /** 2: current and locked. 32: an outdated patch level or an unlocked boot loader. 36: a patch level is not known. */
  readonly configuration?: number | undefined;
  /** 3: only approved executables were started at boot. 33: others may have been. */
  readonly executables?: number | undefined;
  /** 2: a genuine TEE or StrongBox attested the keys. 97: hardware that is not recognised. */
  readonly hardware?: number | undefined;
  /** 2: the session key never leaves the hardware. 32: software holds it. */
  readonly 'storage-opaque'?: number | undefined;
}

/** Tier of an attestation result: `ear.status` of draft-ietf-rats-ear, worst first as in AR4SI. */
export type TrustTier = 'none' | 'affirming' | 'warning' | 'contraindicated';

/** What an accepted appraisal says of a phone, as far as a trust vector rests on it. */
export interface AppraisedPhone {
  /** Checks of both keys' chains; several may have one code. */
  readonly checks: readonly { readonly code: string; readonly status: 'pass' | 'fail' | 'skipped' | 'tolerated' }[];
  readonly platform: {
    readonly attestationSecurityLevel: string;
    readonly keySecurityLevel: string;
    readonly rootOfTrust: { readonly deviceLocked: boolean; readonly verifiedBootState: string } | null;
    /** Digits; `unknown` or null where the phone names no month. */
    readonly patchLevels: Readonly<Record<PatchedPart, string | null>>;
  };
}

type PatchedPart = 'os' | 'vendor' | 'boot';

const PATCH_CHECKS: readonly [code: string, part: PatchedPart][] = [
  ['OS_PATCH_CURRENT', 'os'],
  ['VENDOR_PATCH_CURRENT', 'vendor'],
  ['BOOT_PATCH_CURRENT', 'boot'],
];

const HARDWARE = new Set(['TRUSTED_ENVIRONMENT', 'STRONG_BOX']);

/** A boot that ends in a system which its maker signed, or whose key policy names. */
const APPROVED_BOOT = new Set(['VERIFIED', 'SELF_SIGNED']);

function passed(phone: AppraisedPhone, code: string): boolean {
  const found = phone.checks.filter((check) => check.code === code);
  return found.length > 0 && found.every(({ status }) => status === 'pass');
}

function instanceIdentity(phone: AppraisedPhone): Pick<TrustVector, 'instance-identity'> {
  // Without a current status list nobody can say that the key is not known to be compromised.
  const looked = passed(phone, 'STATUS_LIST_CURRENT') && passed(phone, 'NOT_REVOKED');
  return looked ? { 'instance-identity': 2 } : {};
}

function configuration(phone: AppraisedPhone): Pick<TrustVector, 'configuration'> {
  const { rootOfTrust, patchLevels } = phone.platform;
  const behind = PATCH_CHECKS.filter(([code]) =>
    phone.checks.some((check) => check.code === code && (check.status === 'tolerated' || check.status === 'fail')),
  );
  const dated = behind.some(([, part]) => /^\d+$/.test(patchLevels[part] ?? ''));
  if (rootOfTrust?.deviceLocked !== true || dated) return { configuration: 32 };
  if (behind.length > 0) return { configuration: 36 };
  // A patch level that policy sets no floor under was not judged.
  return PATCH_CHECKS.every(([code]) => passed(phone, code)) ? { configuration: 2 } : {};
}

function executables({ platform: { rootOfTrust } }: AppraisedPhone): Pick<TrustVector, 'executables'> {
  const approved = rootOfTrust?.deviceLocked === true && APPROVED_BOOT.has(rootOfTrust.verifiedBootState);
  return { executables: approved ? 3 : 33 };
}

/** The trust vector of an accepted phone. Pure: the same appraisal, the same vector. */
export function trustVectorOf(phone: AppraisedPhone): TrustVector {
  const { attestationSecurityLevel, keySecurityLevel } = phone.platform;
  const attestedByHardware = HARDWARE.has(attestationSecurityLevel);
  const keptByHardware = attestedByHardware && HARDWARE.has(keySecurityLevel);
  return {
    ...instanceIdentity(phone),
    ...configuration(phone),
    ...executables(phone),
    hardware: attestedByHardware ? 2 : 97,
    'storage-opaque': keptByHardware ? 2 : 32,
  };
}

function tierOf(value: number): TrustTier {
  if (value >= 96) return 'contraindicated';
  if (value >= 32) return 'warning';
  return value >= 2 ? 'affirming' : 'none';
}

const TIERS: readonly TrustTier[] = ['none', 'affirming', 'warning', 'contraindicated'];

/** The tier of the worst claim; `none` where there is no claim. */
export function worstTierOf(vector: TrustVector): TrustTier {
  const ranks = Object.values(vector).map((value: number | undefined) => TIERS.indexOf(tierOf(value ?? 0)));
  return TIERS[Math.max(0, ...ranks)] ?? 'none';
}
