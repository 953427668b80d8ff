import { isUuid } from '../ports/random.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';

/** What a kill switch is compared with: the phone of an open call, an attestation or a payment. */
export interface KillSubject {
  readonly deviceId: string;
  readonly acquirer: string;
  readonly merchant: string;
  /** The application as the system attested it; null where it did not. */
  readonly application: {
    readonly packageName: string;
    readonly versionCode: number;
    /** SHA-256 of signing certificates, hex. */
    readonly signers: readonly string[];
  } | null;
  /** YYYYMM or YYYYMMDD; null where the phone states none. */
  readonly osPatchLevel: number | null;
  /** SHA-256 of the SubjectPublicKeyInfo of each attestation key that the phone has shown, hex. */
  readonly attestationKeys: readonly string[];
}

/** Which phones a switch stops. */
export type KillSelector =
  | { readonly kind: 'device'; readonly deviceId: string }
  | { readonly kind: 'merchant'; readonly acquirer: string; readonly merchant: string }
  | { readonly kind: 'acquirer'; readonly acquirer: string }
  | {
      readonly kind: 'build';
      readonly packageName: string;
      /** Version codes, both inclusive. */
      readonly fromVersion: number;
      readonly toVersion: number;
      /** SHA-256 of a signing certificate, hex; null for any signer. */
      readonly signer: string | null;
    }
  | { readonly kind: 'attestation-key'; readonly keyId: string }
  /** YYYYMM or YYYYMMDD. A phone that states no patch level, or no day where one is asked for, is below. */
  | { readonly kind: 'os-patch-below'; readonly level: number }
  | { readonly kind: 'os-patch'; readonly level: number }
  | { readonly kind: 'everyone' };

/** What a switch stops: all that a phone does, or the entry of PINs and payments with one. */
export type KillScope = 'everything' | 'pin';

/** A switch as it is enforced. */
export interface StandingKill {
  readonly id: string;
  readonly scope: KillScope;
  readonly selector: KillSelector;
}

const LONGEST_NAME = 255;
const HASH = /^[0-9a-f]{64}$/;
/** Android's long version codes are 63 bits; what is compared is a number of JSON. */
const HIGHEST_VERSION = Number.MAX_SAFE_INTEGER;
const DAYS = 1_000_000;

/**
 * Checks a selector from outside. Hashes become lowercase.
 *
 * Refuses MALFORMED_MESSAGE: an id that is no UUID, a hash that is not 64 hex digits, a name that is empty or over 255
 * characters, versions that are no range, a patch level that is no month or day of the years 2000 to 2099, and everyone
 * for more than PIN entry.
 */
export function checkedKill(selector: KillSelector, scope: KillScope): Result<KillSelector, 'MALFORMED_MESSAGE'> {
  switch (selector.kind) {
    case 'device':
      return isUuid(selector.deviceId) ? ok(selector) : malformed('device_id');
    case 'merchant':
      if (!isName(selector.acquirer)) return malformed('acquirer');
      return isName(selector.merchant) ? ok(selector) : malformed('merchant');
    case 'acquirer':
      return isName(selector.acquirer) ? ok(selector) : malformed('acquirer');
    case 'build':
      return checkedBuild(selector);
    case 'attestation-key': {
      const keyId = selector.keyId.toLowerCase();
      return HASH.test(keyId) ? ok({ ...selector, keyId }) : malformed('attestation_key');
    }
    case 'os-patch-below':
    case 'os-patch':
      return isPatchLevel(selector.level) ? ok(selector) : malformed('patch level: YYYYMM or YYYYMMDD');
    case 'everyone':
      return scope === 'pin' ? ok(selector) : malformed('everyone: for PIN entry only');
  }
}

function checkedBuild(selector: Extract<KillSelector, { kind: 'build' }>): Result<KillSelector, 'MALFORMED_MESSAGE'> {
  const { packageName, fromVersion, toVersion } = selector;
  if (!isName(packageName)) return malformed('package_name');
  const range = [fromVersion, toVersion].every((version) => Number.isSafeInteger(version) && version >= 0);
  if (!range || fromVersion > toVersion || toVersion > HIGHEST_VERSION) return malformed('versions: from 0 up');
  const signer = selector.signer?.toLowerCase() ?? null;
  return signer === null || HASH.test(signer) ? ok({ ...selector, signer }) : malformed('signer');
}

function malformed(field: string): Result<never, 'MALFORMED_MESSAGE'> {
  return refuse('MALFORMED_MESSAGE', field);
}

function isName(text: string): boolean {
  return text.length > 0 && text.length <= LONGEST_NAME && text.isWellFormed() && !/\p{Cc}/u.test(text);
}

function isPatchLevel(level: number): boolean {
  if (!Number.isSafeInteger(level)) return false;
  const hasDay = level >= DAYS;
  const month = hasDay ? Math.floor(level / 100) : level;
  const day = hasDay ? level % 100 : 1;
  const isMonth = month >= 200_001 && month <= 209_912 && month % 100 >= 1 && month % 100 <= 12;
  return isMonth && day >= 1 && day <= 31;
}

/** True where the switch stops this phone. */
export function isHit(selector: KillSelector, subject: KillSubject): boolean {
  switch (selector.kind) {
    case 'device':
      return subject.deviceId === selector.deviceId;
    case 'merchant':
      return subject.acquirer === selector.acquirer && subject.merchant === selector.merchant;
    case 'acquirer':
      return subject.acquirer === selector.acquirer;
    case 'build': {
      const { application } = subject;
      return (
        application !== null &&
        application.packageName === selector.packageName &&
        application.versionCode >= selector.fromVersion &&
        application.versionCode <= selector.toVersion &&
        (selector.signer === null || application.signers.includes(selector.signer))
      );
    }
    case 'attestation-key':
      return subject.attestationKeys.includes(selector.keyId);
    case 'os-patch-below':
      return subject.osPatchLevel === null || comparable(subject.osPatchLevel, selector.level) < selector.level;
    case 'os-patch':
      return subject.osPatchLevel !== null && comparable(subject.osPatchLevel, selector.level) === selector.level;
    case 'everyone':
      return true;
  }
}

/** A stated level in the digits of the level asked for: a month where that is a month; day 0 where no day is stated. */
function comparable(stated: number, asked: number): number {
  if (asked < DAYS) return stated < DAYS ? stated : Math.floor(stated / 100);
  return stated < DAYS ? stated * 100 : stated;
}

/** True where the selector asks for what was attested, beyond what a grant says of its phone. */
export function asksForAttested({ kind }: KillSelector): boolean {
  return kind === 'build' || kind === 'attestation-key' || kind === 'os-patch-below' || kind === 'os-patch';
}
