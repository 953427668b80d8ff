import type { BenchGroup } from '../group.ts';
import { lineOf } from '../lines.ts';
import { compare } from '../measure.ts';
import { LEAK_SUBJECTS, type LeakSubject } from './subjects.ts';
import { timingDifference } from './timing.ts';

/** |t| above which two classes of input are held to take different times (dudect, and TVLA of ISO/IEC 17825). */
const BOUND = 4.5;
const ROUNDS = 3;

/** A median of several rounds: one that was disturbed convicts nobody, and hides nothing that is there each time. */
function measured(subject: LeakSubject) {
  const rounds = Array.from({ length: ROUNDS }, () => ({
    ours: Math.max(timingDifference(subject), Number.MIN_VALUE),
    yardstick: BOUND,
  }));
  return compare(rounds);
}

/** Timing differences in MAC checks, RSA-OAEP and PIN paths; planted mistakes must be found. */
export const LEAKS: BenchGroup = {
  summary: 'timing differences of MAC checks, RSA-OAEP and PIN paths by Welch t; planted mistakes must be found',
  run: async ({ line, tell }) => {
    for (const subject of LEAK_SUBJECTS) {
      tell(`${subject.name}: ${ROUNDS} rounds of ${subject.measurements} measurements`);
      const goal = { relation: subject.planted ? '>=' : '<=', ratio: 1 } as const;
      line(lineOf(`leaks/${subject.name}`, '|t|', measured(subject), goal));
    }
  },
};
