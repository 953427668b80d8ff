import type { PlatformFacts } from '../attestation/android/platform.ts';
import type { KillSubject } from './kill-switch.ts';
import type { AttestedSession } from './store.ts';

/** What a key description says of the phone and its application, as kill switches select by it. */
export function attestedPhone({
  applicationId,
  patchLevels,
}: Pick<PlatformFacts, 'applicationId' | 'patchLevels'>): Pick<KillSubject, 'application' | 'osPatchLevel'> {
  const [named] = applicationId?.packages ?? [];
  const { os } = patchLevels;
  return {
    application:
      named === undefined || applicationId === null
        ? null
        : { packageName: named.name, versionCode: named.version, signers: applicationId.signers },
    osPatchLevel: os === null || os === 'unknown' ? null : Number(os),
  };
}

/** The phone of a session, as kill switches know it. */
export function killSubjectOf(session: AttestedSession): KillSubject {
  const { deviceId, acquirer, merchant, attestationKeys, platform } = session;
  return { deviceId, acquirer, merchant, attestationKeys, ...attestedPhone(platform) };
}
