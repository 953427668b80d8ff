import type { ApplicationId } from '../android/application-id.ts';
import { type Finding, fail, PASS, skipped, tolerated } from '../check.ts';
import type { PlayIntegrityPolicy } from './policy.ts';
import type { IntegrityVerdict } from './verdict.ts';
import {
  APP_ACCESS_RISKS,
  APPS_INSTALLED,
  DEVICE_ACTIVITY_LEVELS,
  DEVICE_INTEGRITY_LABELS,
  VIRTUAL_INTEGRITY_LABEL,
} from './vocabulary.ts';

/** Everything besides the verdict that its appraisal depends on. */
export interface IntegrityTerms {
  readonly policy: PlayIntegrityPolicy;
  /** Server time. */
  readonly at: Date;
  /** Of this attestation: 32 bytes. */
  readonly transcript: Uint8Array;
  /** The application that the session key's chain attests; null where it names none. */
  readonly application: ApplicationId | null;
}

/** One rule of appraisal: pure, and independent of every other rule. */
export interface IntegrityRule {
  readonly code: string;
  readonly judge: (verdict: IntegrityVerdict, terms: IntegrityTerms) => Finding;
}

const MAXIMUM_DETAIL = 512;
const NOT_STATED = 'not stated';
const NOT_ASKED = 'not asked for by policy';

/** The verdict was asked for with this transcript, base64url, as nonce or hash; Google Play may pad a nonce. */
const requestBound: IntegrityRule = {
  code: 'PLAY_REQUEST_BOUND',
  judge: ({ requestDetails: { nonce, requestHash } }, { transcript }) => {
    const expected = Buffer.from(transcript).toString('base64url');
    const stated = [nonce, requestHash].filter((value) => value !== undefined);
    const isBound = stated.length > 0 && stated.every((value) => value.replace(/={1,2}$/, '') === expected);
    return isBound ? PASS : fail('PLAY_INTEGRITY_REQUEST_MISMATCH', stated.join(', ') || 'neither nonce nor hash');
  },
};

/** The request is recent by the server's clock. */
const requestFresh: IntegrityRule = {
  code: 'PLAY_REQUEST_FRESH',
  judge: ({ requestDetails: { timestampMillis } }, { policy, at }) => {
    const seconds = (at.getTime() - timestampMillis) / 1000;
    const isFresh = seconds <= policy.maximumAgeSeconds && -seconds <= policy.maximumSecondsAhead;
    return isFresh ? PASS : fail('PLAY_INTEGRITY_STALE', `requested ${Math.round(seconds)} seconds ago`);
  },
};

/** The verdict is no answer that was made up in the Play Console. */
const notTesting: IntegrityRule = {
  code: 'PLAY_RESPONSE_GENUINE',
  judge: ({ testingDetails }, { policy }) => {
    if (testingDetails?.isTestingResponse !== true) return PASS;
    return policy.allowTestingResponses
      ? tolerated('a testing response')
      : fail('PLAY_INTEGRITY_TESTING_RESPONSE', 'a testing response');
  },
};

/** Requesting and recognised package are one, and the one that the key attests. */
const packageAgrees: IntegrityRule = {
  code: 'PLAY_PACKAGE_AGREES',
  judge: ({ requestDetails: { requestPackageName }, appIntegrity }, { application }) => {
    const { packageName } = appIntegrity ?? {};
    const isAttested = application?.packages.some(({ name }) => name === packageName) ?? false;
    if (isAttested && requestPackageName === packageName) return PASS;
    const attested = application?.packages.map(({ name }) => name).join(', ') ?? 'none';
    const detail = `requested by ${requestPackageName}, recognised ${packageName ?? NOT_STATED}, attested ${attested}`;
    return fail('PLAY_INTEGRITY_APP_MISMATCH', detail);
  },
};

/** The application's signers are exactly those that the key attests. */
const signersAgree: IntegrityRule = {
  code: 'PLAY_SIGNERS_AGREE',
  judge: ({ appIntegrity }, { application }) => {
    const stated = new Set(appIntegrity?.certificateSha256Digest);
    const attested = new Set(application?.signers);
    const isSame = stated.size === attested.size && [...stated].every((signer) => attested.has(signer));
    if (stated.size > 0 && isSame) return PASS;
    const detail = `stated ${[...stated].join(', ') || 'none'}, attested ${[...attested].join(', ') || 'none'}`;
    return fail('PLAY_INTEGRITY_APP_MISMATCH', detail);
  },
};

/** The application's version is the one that the key attests. */
const versionAgrees: IntegrityRule = {
  code: 'PLAY_VERSION_AGREES',
  judge: ({ appIntegrity }, { application }) => {
    const attested = application?.packages.find(({ name }) => name === appIntegrity?.packageName);
    if (attested === undefined) return skipped('no package to compare');
    if (appIntegrity?.versionCode === attested.version) return PASS;
    const detail = `stated ${appIntegrity?.versionCode ?? 'none'}, attested ${attested.version}`;
    return fail('PLAY_INTEGRITY_APP_MISMATCH', detail);
  },
};

/** Whether policy's list holds what was stated; a value that is not known is in no list. */
const allows = (allowed: readonly string[], stated: string | undefined): boolean =>
  stated !== undefined && allowed.includes(stated);

/** Google Play recognises the application as policy asks. */
const appRecognized: IntegrityRule = {
  code: 'PLAY_APP_RECOGNIZED',
  judge: ({ appIntegrity }, { policy }) => {
    const stated = appIntegrity?.appRecognitionVerdict;
    return allows(policy.appRecognition, stated) ? PASS : fail('PLAY_INTEGRITY_APP_UNRECOGNIZED', stated ?? NOT_STATED);
  },
};

/** The phone carries the label that policy asks for, or a stronger one, and is no emulator. */
const deviceIntegrity: IntegrityRule = {
  code: 'PLAY_DEVICE_INTEGRITY',
  judge: (verdict, { policy }) => {
    const labels = verdict.deviceIntegrity?.deviceRecognitionVerdict ?? [];
    const from = DEVICE_INTEGRITY_LABELS.indexOf(policy.minimumDeviceIntegrity);
    const isStrong = DEVICE_INTEGRITY_LABELS.slice(from).some((label) => labels.includes(label));
    if (isStrong && !labels.includes(VIRTUAL_INTEGRITY_LABEL)) return PASS;
    return fail('PLAY_INTEGRITY_DEVICE_REFUSED', labels.join(', ') || 'no label');
  },
};

/** The phone did not ask for more tokens of late than policy allows. */
const deviceActivity: IntegrityRule = {
  code: 'PLAY_DEVICE_ACTIVITY',
  judge: (verdict, { policy }) => {
    if (policy.maximumDeviceActivity === null) return skipped(NOT_ASKED);
    const level = verdict.deviceIntegrity?.recentDeviceActivity?.deviceActivityLevel;
    const to = DEVICE_ACTIVITY_LEVELS.indexOf(policy.maximumDeviceActivity);
    const isAllowed = allows(DEVICE_ACTIVITY_LEVELS.slice(0, to + 1), level);
    return isAllowed ? PASS : fail('PLAY_INTEGRITY_ACTIVITY_TOO_HIGH', level ?? NOT_STATED);
  },
};

/** The user's account got the application from Google Play. */
const licensed: IntegrityRule = {
  code: 'PLAY_APP_LICENSED',
  judge: ({ accountDetails }, { policy }) => {
    if (policy.licensing === null) return skipped(NOT_ASKED);
    const stated = accountDetails?.appLicensingVerdict;
    return allows(policy.licensing, stated) ? PASS : fail('PLAY_INTEGRITY_NOT_LICENSED', stated ?? NOT_STATED);
  },
};

/** Google Play Protect is on and in a state that policy allows. */
const playProtect: IntegrityRule = {
  code: 'PLAY_PROTECT_CLEAR',
  judge: ({ environmentDetails }, { policy }) => {
    if (policy.playProtect === null) return skipped(NOT_ASKED);
    const stated = environmentDetails?.playProtectVerdict;
    return allows(policy.playProtect, stated) ? PASS : fail('PLAY_INTEGRITY_PLAY_PROTECT', stated ?? NOT_STATED);
  },
};

/** What other applications can do to the screen, and whether that forbids PIN entry. */
export interface AppAccess {
  readonly forbidsPin: boolean;
  /** Null where nothing was found. */
  readonly found: string | null;
}

const isInstalled = (value: string): boolean => APPS_INSTALLED.some((installed) => installed === value);
const isKnownRisk = (value: string): boolean => APP_ACCESS_RISKS.some((risk) => risk === value);

/**
 * Judges `appsDetected`; `verdict` null: there is none. A value that is not known forbids, as what it names may be worse
 * than what is known. Google leaves the list out, or empty, where it could not evaluate.
 */
export function appAccessOf(verdict: IntegrityVerdict | null, { appAccess }: PlayIntegrityPolicy): AppAccess {
  const detected = verdict?.environmentDetails?.appAccessRiskVerdict?.appsDetected ?? [];
  if (detected.length === 0) return { forbidsPin: appAccess.unevaluated === 'forbid-pin', found: 'not evaluated' };
  const risks = detected.filter((value) => !isInstalled(value));
  const forbids = (value: string): boolean => !isKnownRisk(value) || appAccess.forbidPin.some((risk) => risk === value);
  return { forbidsPin: risks.some(forbids), found: risks.length === 0 ? null : risks.join(', ') };
}

/** No other application can capture, cover or operate the screen. One that can forbids the PIN, not the phone. */
const appAccessSafe: IntegrityRule = {
  code: 'PLAY_APP_ACCESS_SAFE',
  judge: (verdict, { policy }) => {
    const { forbidsPin, found } = appAccessOf(verdict, policy);
    if (found === null) return PASS;
    return tolerated(forbidsPin ? `${found}: no PIN entry` : found);
  },
};

/** Every field and value is one that this verifier knows. */
const verdictKnown: IntegrityRule = {
  code: 'PLAY_VERDICT_KNOWN',
  judge: ({ unknown }, { policy }) => {
    if (unknown.length === 0) return PASS;
    const detail = unknown.map(({ path, json }) => `${path} ${json}`).join(', ');
    const shown = JSON.stringify(detail.slice(0, MAXIMUM_DETAIL));
    return policy.unknownFields === 'tolerate' ? tolerated(shown) : fail('PLAY_INTEGRITY_VERDICT_UNKNOWN', shown);
  },
};

/** Rules about an integrity verdict, in the order of every appraisal. */
export const INTEGRITY_RULES: readonly IntegrityRule[] = [
  requestBound,
  requestFresh,
  notTesting,
  packageAgrees,
  signersAgree,
  versionAgrees,
  appRecognized,
  deviceIntegrity,
  deviceActivity,
  licensed,
  playProtect,
  appAccessSafe,
  verdictKnown,
];
