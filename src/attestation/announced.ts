import { firstDay } from './android/checks/patches.ts';
import type { AttestationPolicy } from './policy.ts';

const DAY = 86_400_000;

/** A refusal that is to come, of a phone that is good today. */
export interface AnnouncedRefusal {
  readonly reason: 'PATCH_TOO_OLD';
  readonly from: Date;
  readonly detail: string;
}

/**
 * When a phone's system patch level will be refused: from the day on which it is older than the floor allows, and not
 * before the day that the floor is enforced from. Null where no refusal is near: one that policy has announced with a day is
 * always told, one that comes by the calendar `adviseDays` before. Null also for a level that says nothing, and for one
 * that is refused already.
 *
 * @param osPatchLevel YYYYMM or YYYYMMDD as attested; null where the phone states none
 */
export function announcedRefusal(
  osPatchLevel: number | null,
  { patches }: AttestationPolicy,
  at: Date,
): AnnouncedRefusal | null {
  const level = firstDay(osPatchLevel);
  if (level === null || patches.os === null) return null;
  const { maximumAgeDays, enforceFrom } = patches.os;
  const tooOld = level + maximumAgeDays * DAY;
  const announced = enforceFrom === null ? Number.NEGATIVE_INFINITY : Date.parse(enforceFrom);
  const from = Math.max(tooOld, announced);
  if (from <= at.getTime()) return null;
  const byAnnouncement = tooOld < announced;
  if (!byAnnouncement && from - at.getTime() > patches.adviseDays * DAY) return null;
  return {
    reason: 'PATCH_TOO_OLD',
    from: new Date(from),
    detail: `system patch level ${osPatchLevel} is then older than ${maximumAgeDays} days`,
  };
}
