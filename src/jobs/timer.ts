import type { Timer } from '../ports/timer.ts';

export type { Timer } from '../ports/timer.ts';

/** The process's timers. A waiting one does not keep the process alive. */
export const systemTimer: Timer = {
  after: (milliseconds, run) => {
    const timer = setTimeout(run, milliseconds);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
