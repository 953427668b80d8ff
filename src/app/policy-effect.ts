import { type Difference, differencesOf, type Identity } from '../policy/difference.ts';
import type { PolicyScope } from '../policy/scope.ts';
import { canonicalJson } from '../policy/version.ts';

/** What a change of one member does: refuses more, allows more, or neither, or both. */
export type PolicyEffect = 'tighter' | 'looser' | 'neutral';

/**
 * Which way a member is tighter: by a lower or a higher number, by fewer or more entries, where it is true or false, or by
 * its place in a list from the loosest to the tightest. `present`: where it stands at all.
 */
type Tighter = 'lower' | 'higher' | 'fewer' | 'more' | 'true' | 'false' | 'present' | readonly string[];

/** Members by their path, `[]` for every entry of a list. What does not stand here is neither tighter nor looser. */
const TIGHTER: Readonly<Record<string, Tighter>> = {
  'attestation.minimumSecurityLevel': ['TRUSTED_ENVIRONMENT', 'STRONG_BOX'],
  'attestation.verifiedBoot.deviceLocked': 'true',
  'attestation.verifiedBoot.states': 'fewer',
  'attestation.verifiedBoot.keys': 'fewer',
  'attestation.applications': 'fewer',
  'attestation.applications[]': 'fewer',
  'attestation.applications[].signers': 'fewer',
  'attestation.applications[].minimumVersion': 'higher',
  'attestation.patches.os': 'present',
  'attestation.patches.vendor': 'present',
  'attestation.patches.boot': 'present',
  'attestation.patches.os.maximumAgeDays': 'lower',
  'attestation.patches.vendor.maximumAgeDays': 'lower',
  'attestation.patches.boot.maximumAgeDays': 'lower',
  'attestation.patches.unknown': ['tolerate', 'refuse'],
  'attestation.patches.maximumDaysAhead': 'lower',
  'attestation.attestKeyChains': 'false',
  'attestation.statusList.required': 'true',
  'attestation.statusList.maximumAgeHours': 'lower',
  'attestation.tolerances': 'fewer',
  'attestation.minimumRsaBits': 'higher',
  'attestation.limits.maximumCertificates': 'lower',
  'attestation.limits.maximumBytes': 'lower',
  'attestation.limits.minimumIssuerRsaBits': 'higher',
  'attestation.limits.maximumIssuerRsaBits': 'lower',
  'playIntegrity.mode': ['off', 'preferred', 'required'],
  'playIntegrity.maximumAgeSeconds': 'lower',
  'playIntegrity.maximumSecondsAhead': 'lower',
  'playIntegrity.appRecognition': 'fewer',
  'playIntegrity.minimumDeviceIntegrity': ['MEETS_BASIC_INTEGRITY', 'MEETS_DEVICE_INTEGRITY', 'MEETS_STRONG_INTEGRITY'],
  'playIntegrity.playProtect': 'fewer',
  'playIntegrity.licensing': 'fewer',
  'playIntegrity.appAccess.forbidPin': 'more',
  'playIntegrity.appAccess.unevaluated': ['tolerate', 'forbid-pin'],
  'playIntegrity.allowTestingResponses': 'false',
  'playIntegrity.unknownFields': ['tolerate', 'refuse'],
  'devices.inviteSeconds': 'lower',
  'devices.openInvitesPerMerchant': 'lower',
  'devices.activeDevicesPerMerchant': 'lower',
  'devices.challengeSeconds': 'lower',
  'devices.fullAttestationSeconds': 'lower',
  'devices.transactionsPerAttestation': 'lower',
  'devices.sightings.factoryAcrossModels': ['report', 'refuse'],
  'devices.postureForbidsAttestation': 'more',
  'tokens.lifetimeSeconds': 'lower',
  'tokens.maximumStalenessSeconds': 'lower',
  'keys.transports': 'fewer',
  'keys.minimumRsaBits': 'higher',
  'keys.offersPerHour': 'lower',
  'keys.offerSeconds': 'lower',
  'keys.maximumAgeHours': 'lower',
  'keys.maximumTransactions': 'lower',
  'sessions.idleReportMilliseconds': 'lower',
  'sessions.paymentReportMilliseconds': 'lower',
  'sessions.reportGraceMilliseconds': 'lower',
  'sessions.maximumPostureAgeMilliseconds': 'lower',
  'sessions.silenceMilliseconds': 'lower',
  'sessions.grantSeconds': 'lower',
  'sessions.counterWindow': 'lower',
  'sessions.postureForbidsPayment': 'more',
  'sessions.currencies[]': 'fewer',
  'sessions.currencies[].maximumAmountMinor': 'lower',
  'sessions.currencies[].noPinAmountMinor': 'lower',
  'sessions.currencies[].deviceVerification': ['allowed', 'refused'],
  'sessions.verificationLimits[].noPinAmountMinor': 'lower',
  'sessions.verificationLimits[].maximumAmountMinor': 'lower',
  'sessions.verificationLimits[].deviceVerification': ['allowed', 'refused'],
  'pin.allowed': 'false',
  'pin.entrySeconds': 'lower',
  'pin.reportMilliseconds': 'lower',
  'pin.reportGraceMilliseconds': 'lower',
  'pin.minimumLength': 'higher',
  'pin.maximumLength': 'lower',
  'pin.tries': 'lower',
  'pin.formats': 'fewer',
  'pin.accessibleLayout': ['on-request', 'refused'],
  'pin.postureForbidsPin': 'more',
  'gate.schemes': 'fewer',
  'gate.cardCounters': ['unique', 'rising'],
  'gate.refundToOtherCard': ['allowed', 'refused'],
  'gate.childGrantSeconds': 'lower',
  'gate.velocity[]': 'more',
  'gate.velocity[].windowSeconds': 'higher',
  'gate.velocity[].payments': 'lower',
  'gate.velocity[].amountMinor': 'lower',
  'distribution.maximumStalenessSeconds': 'lower',
};

/** The members that tell the entries of a list apart. */
const IDENTITY: Readonly<Record<string, readonly string[]>> = {
  'attestation.applications': ['package'],
  'sessions.currencies': ['currency'],
  'sessions.verificationLimits': ['currency', 'scheme', 'country', 'acquirer', 'from'],
  'gate.velocity': ['of', 'currency', 'windowSeconds'],
};

/** What counts in the default only: it is about the service, not about a phone. */
const DEFAULT_ONLY: readonly string[] = [
  'distribution',
  'admission',
  'revocation',
  'tokens.revocationPollMilliseconds',
  'tokens.heartbeatSeconds',
  'tokens.maximumStalenessSeconds',
  'keys.publishSeconds',
];

/** A difference with its effect, and whether a scope reads it. */
export interface AppraisedDifference extends Difference {
  readonly effect: PolicyEffect;
  readonly readInScope: boolean;
}

/** What differs between two documents, as seen from a scope. */
export function comparePolicies(before: unknown, after: unknown, scope: PolicyScope): readonly AppraisedDifference[] {
  return differencesOf(before, after, policyIdentity).map((difference) => ({
    ...difference,
    effect: effectOf(difference),
    readInScope: scope.kind === 'default' || !countsInDefaultOnly(difference.member),
  }));
}

/** How entries of the policy's lists are told apart. */
const policyIdentity: Identity = (member) => IDENTITY[member] ?? null;

/** True for a member that counts only in the version that is the default. */
function countsInDefaultOnly(member: string): boolean {
  return DEFAULT_ONLY.some((part) => member === part || member.startsWith(`${part}.`));
}

/** What a difference does, as far as the member says by itself. */
export function effectOf({ member, before, after }: Difference): PolicyEffect {
  const tighter = TIGHTER[member];
  if (tighter === undefined) return 'neutral';
  const steps = stepsTo(tighter, before, after);
  return steps === 0 ? 'neutral' : steps > 0 ? 'tighter' : 'looser';
}

/** Above 0: tighter. */
function stepsTo(tighter: Tighter, before: unknown, after: unknown): number {
  if (tighter === 'fewer' || tighter === 'more') return (tighter === 'more' ? 1 : -1) * moreEntries(before, after);
  if (tighter === 'true' || tighter === 'false') return after === (tighter === 'true') ? 1 : -1;
  if (tighter === 'present') return Number(after !== null) - Number(before !== null);
  if (typeof tighter === 'string') return (tighter === 'higher' ? 1 : -1) * greater(before, after, tighter);
  // An optional member that is left out says what the tightest value says.
  const place = (value: unknown): number => (typeof value === 'string' ? tighter.indexOf(value) : tighter.length - 1);
  return place(after) - place(before);
}

/** A bound that is not there bounds nothing. */
function greater(before: unknown, after: unknown, tighter: 'lower' | 'higher'): number {
  const none = tighter === 'lower' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  const [from, to] = [before, after].map((value) => (typeof value === 'number' ? value : none));
  return from === to ? 0 : (to ?? none) > (from ?? none) ? 1 : -1;
}

/** 1: entries only came; -1: entries only went; 0: both, or neither. A list that is null asks nothing: it has all. */
function moreEntries(before: unknown, after: unknown): number {
  if (before === undefined || after === undefined) return after === undefined ? -1 : 1;
  if (!Array.isArray(before) || !Array.isArray(after)) return before === null ? -1 : after === null ? 1 : 0;
  const [old, fresh] = [before, after].map((list) => new Set(list.map(canonicalJson)));
  const came = [...(fresh ?? [])].some((entry) => !old?.has(entry));
  const went = [...(old ?? [])].some((entry) => !fresh?.has(entry));
  return Number(came) - Number(went);
}
