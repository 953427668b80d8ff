/** Runs something once, later. */
export interface Timer {
  /** Calls `run` after so many milliseconds; the answer cancels it. */
  after(milliseconds: number, run: () => void): () => void;
}
