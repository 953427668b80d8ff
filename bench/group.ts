import type { BenchLine } from './lines.ts';

/** Where a group's results go. */
export interface BenchReport {
  /** Takes each line as soon as it is measured. */
  readonly line: (line: BenchLine) => void;
  /** Told of each step, for people. */
  readonly tell: (step: string) => void;
}

/** Measurements that belong together. */
export interface BenchGroup {
  /** One line for the list. */
  readonly summary: string;
  readonly run: (report: BenchReport) => Promise<void>;
}
