import { sha256 } from '../../encoding/digest.ts';
import type { VirtualApplication, VirtualPhoneProfile } from './profile.ts';

const DAY = 86_400_000;
const YEAR = 365 * DAY;
const NO_BOOT_KEY = '00'.repeat(32);
/** Months that a stale phone's patches lie behind an honest one's. */
const STALE_MONTHS = 36;
/** RKP certificates live for two weeks. */
const EXPIRED_RKP_DAYS = 60;

const digestOf = (text: string): string => sha256(Buffer.from(text)).toString('hex');

/** The application of the virtual phones: what policy names to admit them. */
export const VIRTUAL_APPLICATION: VirtualApplication = {
  packageName: 'org.tapgate.virtualphone',
  version: 1,
  signerDigest: digestOf('signer of the virtual phone'),
};

/** YYYYMM of the month that lies `months` before the instant. */
function monthBefore(now: Date, months: number): number {
  const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1));
  return month.getUTCFullYear() * 100 + month.getUTCMonth() + 1;
}

/** Patch levels of one Android security bulletin, published on the fifth of its month. */
function bulletin(month: number) {
  const day = month * 100 + 5;
  return { osPatchLevel: month, vendorPatchLevel: day, bootPatchLevel: day };
}

/** Names of the honest profiles. */
export type HonestProfileName = 'tee' | 'strongbox' | 'rkp' | 'old-keymaster';

/** Honest phones as of an instant: locked, verified boot, last month's patches. */
export function honestProfiles(now: Date): Readonly<Record<HonestProfileName, VirtualPhoneProfile>> {
  const tee: VirtualPhoneProfile = {
    securityLevel: 'tee',
    attestationVersion: 300,
    keymintVersion: 300,
    provisioning: 'factory',
    provisionedAt: new Date(now.getTime() - 3 * YEAR).toISOString(),
    attestationKey: 'EC',
    certificatesIssued: 0,
    verifiedBootKey: digestOf('verified boot key of the virtual phone'),
    deviceLocked: true,
    verifiedBootState: 'verified',
    verifiedBootHash: digestOf('verified boot hash of the virtual phone'),
    osVersion: 150_000,
    ...bulletin(monthBefore(now, 1)),
    application: VIRTUAL_APPLICATION,
  };
  return {
    tee,
    strongbox: { ...tee, securityLevel: 'strongbox' },
    rkp: {
      ...tee,
      attestationVersion: 400,
      keymintVersion: 400,
      osVersion: 160_000,
      provisioning: 'rkp',
      provisionedAt: new Date(now.getTime() - 2 * DAY).toISOString(),
      certificatesIssued: 3,
    },
    // Its factory certificates have expired, as those of most phones of its age.
    'old-keymaster': {
      ...tee,
      attestationVersion: 3,
      keymintVersion: 4,
      osVersion: 100_000,
      attestationKey: 'RSA',
      provisionedAt: new Date(now.getTime() - 11 * YEAR).toISOString(),
    },
  };
}

/** Names of the hostile profiles. */
export type HostileProfileName =
  | 'unlocked'
  | 'unverified-boot'
  | 'self-signed-os'
  | 'software-only'
  | 'emulator'
  | 'repackaged-app'
  | 'stale-patch'
  | 'unknown-patch'
  | 'expired-rkp';

/** What each hostile phone attests, made from what an honest one does: one thing is wrong, or what comes with it. */
export const HOSTILE_PROFILES: Readonly<
  Record<HostileProfileName, (honest: VirtualPhoneProfile) => VirtualPhoneProfile>
> = {
  unlocked: (honest) => ({
    ...honest,
    deviceLocked: false,
    verifiedBootState: 'unverified',
    verifiedBootKey: NO_BOOT_KEY,
  }),
  'unverified-boot': (honest) => ({ ...honest, verifiedBootState: 'unverified', verifiedBootKey: NO_BOOT_KEY }),
  'self-signed-os': (honest) => ({
    ...honest,
    verifiedBootState: 'self-signed',
    verifiedBootKey: digestOf("verified boot key of the owner's own system"),
  }),
  'software-only': (honest) => ({ ...honest, securityLevel: 'software' }),
  emulator: (honest) => ({
    ...honest,
    securityLevel: 'software',
    deviceLocked: false,
    verifiedBootState: 'unverified',
    verifiedBootKey: NO_BOOT_KEY,
    verifiedBootHash: NO_BOOT_KEY,
    vendorPatchLevel: 0,
    bootPatchLevel: 0,
  }),
  'repackaged-app': (honest) => ({
    ...honest,
    application: {
      ...(honest.application ?? VIRTUAL_APPLICATION),
      signerDigest: digestOf('signer of a repackaged application'),
    },
  }),
  'stale-patch': (honest) => {
    const month = new Date(Date.UTC(Math.floor(honest.osPatchLevel / 100), (honest.osPatchLevel % 100) - 1, 1));
    return { ...honest, ...bulletin(monthBefore(month, STALE_MONTHS)) };
  },
  'unknown-patch': (honest) => ({ ...honest, osPatchLevel: 0, vendorPatchLevel: 0, bootPatchLevel: 0 }),
  'expired-rkp': (honest) => ({
    ...honest,
    provisioning: 'rkp',
    attestationKey: 'EC',
    provisionedAt: new Date(Date.parse(honest.provisionedAt) - EXPIRED_RKP_DAYS * DAY).toISOString(),
  }),
};
