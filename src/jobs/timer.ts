/** Runs something once, later. */
export interface Timer {
  /** Calls `run` after so many milliseconds; the answer cancels it. */
  after(milliseconds: number, run: () => void): () => void;
}

/** The process's timers. A waiting one does not keep the process alive. */
export const systemTimer: Timer = {
  after: (milliseconds, run) => {
    const timer = setTimeout(run, milliseconds);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
