import type { KeySetStore } from '../injection/key-set.ts';
import { secondsAfter } from '../ports/clock.ts';

/** Far beyond the ten minutes that an offer may live: what is older was never proven, and cannot be any more. */
const KEPT_SECONDS = 86_400;
/** Rows of one statement, so that none holds many locks for long. */
const BATCH = 1000;

/** Forgets key sets that were offered a day ago and never became active; answers how many. */
export async function pruneUnprovenKeys(keySets: Pick<KeySetStore, 'pruneUnproven'>, now: Date): Promise<number> {
  const before = secondsAfter(now, -KEPT_SECONDS);
  for (let removed = 0; ; ) {
    const batch = await keySets.pruneUnproven(before, BATCH);
    removed += batch;
    if (batch < BATCH) return removed;
  }
}
