import type { PastTallies } from '../gate/limits.ts';
import { LONGEST_WINDOW_SECONDS } from '../gate/policy.ts';
import { secondsAfter } from '../ports/clock.ts';

/** Beyond the end of a window: replicas' clocks differ, and nobody needs the room at once. */
const SLACK_SECONDS = 86_400;
/** Rows of one statement, so that none holds many locks for long. */
const BATCH = 1000;

/**
 * Removes tallies of windows that are over whatever policy says: a window is at most as long as a policy can make it.
 * Answers how many.
 */
export async function prunePastTallies(tallies: PastTallies, now: Date): Promise<number> {
  const before = secondsAfter(now, -(LONGEST_WINDOW_SECONDS + SLACK_SECONDS));
  for (let removed = 0; ; ) {
    const batch = await tallies.pruneTallies(before, BATCH);
    removed += batch;
    if (batch < BATCH) return removed;
  }
}
