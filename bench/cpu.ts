import { readdirSync, readFileSync } from 'node:fs';

const NANOSECONDS = 1000;

/** Each side pays for its own garbage and for no other; a no-op where Node was started without --expose-gc. */
function collectGarbage(): void {
  // A full collection would also age the code that is measured.
  globalThis.gc?.({ type: 'minor' });
}

/** Clears away what earlier work has left in this process, so that no thread of the collector is at it any more. */
export function clearGarbage(): void {
  globalThis.gc?.();
}

/**
 * CPU time of this process and all its threads that the work took, in microseconds a piece. A machine that is shared
 * takes time away from a process, but adds none to this.
 */
export function cpuMicroseconds(pieces: number, work: () => void): number {
  collectGarbage();
  const before = process.cpuUsage();
  work();
  collectGarbage();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / pieces;
}

/** As `cpuMicroseconds`, of work that waits. */
export async function cpuMicrosecondsOf(pieces: number, work: () => Promise<void>): Promise<number> {
  collectGarbage();
  const before = process.cpuUsage();
  await work();
  collectGarbage();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / pieces;
}

/**
 * CPU time of other processes since their start, all threads together, in microseconds: the first field of
 * /proc/PID/task/TID/schedstat (nanoseconds on a CPU). Throws where the system has no such files, or a process is gone.
 */
export function processMicroseconds(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ', 1)[0]);
    }
  }
  return nanoseconds / NANOSECONDS;
}

/** Whether this system tells the CPU time of other processes. */
export function tellsProcessTimes(): boolean {
  try {
    return processMicroseconds([process.pid]) > 0;
  } catch {
    // Not Linux, or a kernel without scheduler statistics.
    return false;
  }
}

/** The process under `parent` whose command line names this program; throws where there is not exactly one. */
export function childRunning(parent: number, program: string): number {
  const children = readdirSync(`/proc/${parent}/task`).flatMap((thread) =>
    readFileSync(`/proc/${parent}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  const [found, ...others] = children.filter((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      .split('\0')
      .some((argument) => argument.endsWith(program)),
  );
  if (found === undefined || others.length > 0) throw new Error(`${children.length} children, not one ${program}`);
  return found;
}
