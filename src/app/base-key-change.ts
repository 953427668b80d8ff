import type { Logger } from 'pino';
import { BaseKeyChange } from '../jobs/base-keys.ts';
import { systemTimer } from '../jobs/timer.ts';
import type { BdksInUse, KeyUse } from '../keys/use.ts';
import type { Presence } from '../sessions/presence.ts';
import { systemClock } from './system.ts';

/** Has open sessions told to rotate their keys once another base derivation key is in use. */
export function startBaseKeyChange(
  inUse: () => BdksInUse,
  use: KeyUse,
  sessions: Presence,
  logger: Logger,
): BaseKeyChange {
  const change = new BaseKeyChange({
    inUse,
    use,
    sessions,
    clock: systemClock,
    timer: systemTimer,
    onTold: (outcome) => {
      if ('error' in outcome) logger.warn({ err: outcome.error }, 'open sessions not told of a base derivation key');
      else logger.info({ told: outcome.told }, 'open sessions told to rotate their keys');
    },
  });
  change.start();
  return change;
}
