import { attestedRule, type Finding, fail, NOT_ASKED, PASS, type Rule, skipped, tolerated } from '../../check.ts';
import type { AttestationPolicy, PatchFloor } from '../../policy.ts';
import type { AuthorizationList } from '../authorization-list.ts';

const DAY = 86_400_000;

/** First day (ms) that a patch level names, YYYYMM or YYYYMMDD (day 00: not stated); null where it names none. */
export function firstDay(level: number | null): number | null {
  const digits = level === null ? '' : String(level);
  if (digits.length !== 6 && digits.length !== 8) return null;
  const year = Number(digits.slice(0, 4));
  const month = Number(digits.slice(4, 6));
  const day = Number(digits.slice(6) || 1) || 1;
  if (month < 1 || month > 12 || day > 31) return null;
  return Date.UTC(year, month - 1, day);
}

function judgeLevel(level: number | null, floor: PatchFloor, policy: AttestationPolicy['patches'], at: Date): Finding {
  const day = firstDay(level);
  const age = day === null ? null : (at.getTime() - day) / DAY;
  if (age === null || age < -policy.maximumDaysAhead) {
    const detail = `patch level ${level ?? 'not stated'}`;
    return policy.unknown === 'tolerate' ? tolerated(detail) : fail('PATCH_UNKNOWN', detail);
  }
  if (age <= floor.maximumAgeDays) return PASS;
  const detail = `patch level ${level} is older than ${floor.maximumAgeDays} days`;
  const announced = floor.enforceFrom !== null && at.getTime() < Date.parse(floor.enforceFrom);
  return announced ? tolerated(`${detail}; refused from ${floor.enforceFrom}`) : fail('PATCH_TOO_OLD', detail);
}

function patchRule(code: string, part: 'os' | 'vendor' | 'boot', levelOf: (list: AuthorizationList) => number | null) {
  return attestedRule(code, ({ description }, { policy: { patches }, expected, at }) => {
    if (expected.patches === 'skip') return NOT_ASKED;
    const floor = patches[part];
    return floor === null ? skipped('no floor') : judgeLevel(levelOf(description.hardwareEnforced), floor, patches, at);
  });
}

/** Rules about security patches: what the hardware attests, against floors that move with the calendar. */
export const PATCH_RULES: readonly Rule[] = [
  patchRule('OS_PATCH_CURRENT', 'os', ({ osPatchLevel }) => osPatchLevel),
  patchRule('VENDOR_PATCH_CURRENT', 'vendor', ({ vendorPatchLevel }) => vendorPatchLevel),
  patchRule('BOOT_PATCH_CURRENT', 'boot', ({ bootPatchLevel }) => bootPatchLevel),
];
