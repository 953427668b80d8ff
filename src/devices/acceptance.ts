import type { PlatformFacts } from '../attestation/android/platform.ts';
import type { Check } from '../attestation/appraise.ts';
import { type Baseline, continuityChecks } from './continuity.ts';
import type { DevicePolicy } from './policy.ts';
import { type KeySeen, sightingChecks } from './sighting.ts';

/** What the store knows within the transaction that would accept a phone. */
export interface KnownOfPhone {
  /** The highest that the device attested before; null at its enrolment. */
  readonly before: Baseline | null;
  /** What other devices showed of each attestation key of this attestation. */
  readonly keys: readonly KeySeen[];
  /** Devices of the merchant that are not revoked, without the one that is replaced; null where none is added. */
  readonly merchantDevices: number | null;
}

/**
 * Decides on a phone by what the store knows of it and of others. The store asks within its transaction, and anew after a
 * conflict: two phones that come at once are judged one after the other.
 */
export type JudgePhone = (known: KnownOfPhone) => readonly Check[];

/** What became of a phone whose evidence was accepted. `closed`: the invite is not open, or the device not active. */
export type Acceptance =
  | {
      readonly outcome: 'accepted';
      readonly checks: readonly Check[];
      readonly replaced: string | null;
      /**
       * When its token is issued: at the appraisal, unless the device's last token is of another clock and later, or a
       * revocation covers that second.
       */
      readonly issuedAt: Date;
    }
  | { readonly outcome: 'refused'; readonly checks: readonly Check[] }
  | { readonly outcome: 'closed' };

function merchantCheck(devices: number, { activeDevicesPerMerchant: limit }: DevicePolicy): Check {
  const code = 'MERCHANT_DEVICES_BELOW_LIMIT';
  if (devices < limit) return { code, status: 'pass' };
  return { code, status: 'fail', reason: 'DEVICE_LIMIT_REACHED', detail: `${devices} devices of ${limit}` };
}

/** The rules over what the store knows: continuity, sightings of attestation keys, the merchant's limit. */
export function judgePhone(facts: PlatformFacts, policy: DevicePolicy): JudgePhone {
  return ({ before, keys, merchantDevices }) => [
    ...(before === null ? [] : continuityChecks(before, facts)),
    ...sightingChecks(keys, policy.sightings),
    ...(merchantDevices === null ? [] : [merchantCheck(merchantDevices, policy)]),
  ];
}

/** True where a check refuses. */
export function refuses(checks: readonly Check[]): boolean {
  return checks.some(({ status }) => status === 'fail');
}
