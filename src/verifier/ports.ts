import { randomBytes } from 'node:crypto';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Timer } from '../ports/timer.ts';

/** What a verifier takes of the world around it. Tests put their own in. */
export interface VerifierPorts {
  /** Judges the expiry of tokens. */
  readonly clock: Clock;
  /** Milliseconds that only rise, whatever becomes of the clock: judges staleness. */
  readonly monotonic: () => number;
  readonly timer: Timer;
  readonly random: Random;
}

/** Those of the process. No waiting timer keeps it alive. */
export const systemPorts: VerifierPorts = {
  clock: { now: () => new Date() },
  monotonic: () => performance.now(),
  timer: {
    after: (milliseconds, run) => {
      const timer = setTimeout(run, milliseconds);
      timer.unref();
      return () => clearTimeout(timer);
    },
  },
  random: { bytes: (length) => randomBytes(length) },
};
