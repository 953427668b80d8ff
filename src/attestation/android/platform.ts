import type { ApplicationId } from './application-id.ts';
import type { DescribedCertificate } from './chain-facts.ts';
import type { SecurityLevel } from './key-description.ts';
import type { RootOfTrust } from './root-of-trust.ts';

/** A patch level in digits, YYYYMM or YYYYMMDD; `unknown` where the phone states 0, null where it states none. */
export type PatchLevel = string | 'unknown' | null;

/** What a key description says of its phone and application: the same for every key that they make between updates. */
export interface PlatformFacts {
  readonly attestationSecurityLevel: SecurityLevel;
  readonly keySecurityLevel: SecurityLevel;
  readonly rootOfTrust: RootOfTrust | null;
  /** MMmmss: 140000 is Android 14. */
  readonly osVersion: number | null;
  readonly patchLevels: { readonly os: PatchLevel; readonly vendor: PatchLevel; readonly boot: PatchLevel };
  readonly applicationId: ApplicationId | null;
}

function patchLevel(level: number | null): PatchLevel {
  if (level === null) return null;
  return level === 0 ? 'unknown' : String(level);
}

/** The platform facts of a described key: hardware-enforced ones, and the application as the system stated it. */
export function platformOf({ description, applicationId }: DescribedCertificate): PlatformFacts {
  const { hardwareEnforced: enforced } = description;
  return {
    attestationSecurityLevel: description.attestationSecurityLevel,
    keySecurityLevel: description.keyMintSecurityLevel,
    rootOfTrust: enforced.rootOfTrust,
    osVersion: enforced.osVersion,
    patchLevels: {
      os: patchLevel(enforced.osPatchLevel),
      vendor: patchLevel(enforced.vendorPatchLevel),
      boot: patchLevel(enforced.bootPatchLevel),
    },
    applicationId: applicationId?.ok ? applicationId.value : null,
  };
}
