import type { EndSession, OpenCallHandle } from '../../src/sessions/presence.ts';
import type { PresenceSubject } from '../../src/sessions/subject.ts';

/** A phone as open calls know it. */
export function phoneSubject(deviceId: string, over: Partial<PresenceSubject> = {}): PresenceSubject {
  return {
    deviceId,
    thumbprint: `thumbprint of ${deviceId}`,
    acquirer: 'acquirer-a',
    merchant: 'shop-1',
    groups: [],
    application: { packageName: 'org.tapgate.app', versionCode: 7, signers: ['00'.repeat(32)] },
    osPatchLevel: 202601,
    attestationKeys: [],
    ...over,
  };
}

/** A handle of which only the end matters. */
export function handleOf(end: EndSession): OpenCallHandle {
  return { end, direct: () => {} };
}
