import type { Logger } from 'pino';
import { Pruning } from '../jobs/pruning.ts';
import { systemTimer } from '../jobs/timer.ts';
import { systemClock, systemRandom } from './system.ts';

/** Prunes about once an hour from now on; `what` names it in the log. */
export function startPruning(what: string, prune: (now: Date) => Promise<number>, logger: Logger): Pruning {
  const pruning = new Pruning({
    prune,
    clock: systemClock,
    timer: systemTimer,
    random: systemRandom,
    onPruned: (outcome) => {
      if ('error' in outcome) logger.warn({ err: outcome.error }, `${what} not pruned`);
      else logger.info({ removed: outcome.removed }, `${what} pruned`);
    },
  });
  pruning.start();
  return pruning;
}
