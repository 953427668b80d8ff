import { readdirSync, readFileSync } from 'node:fs';
import { processMicroseconds } from '../cpu.ts';

function childrenOf(parent: number): readonly number[] {
  return readdirSync(`/proc/${parent}/task`).flatMap((thread) =>
    readFileSync(`/proc/${parent}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}

function microsecondsIfThere(pid: number): number | null {
  try {
    return processMicroseconds([pid]);
  } catch {
    // It has ended since it was listed.
    return null;
  }
}

/** CPU time of a process and its children each, in microseconds, by process id; Linux. */
export function familyMicroseconds(parent: number): ReadonlyMap<number, number> {
  const entries = [parent, ...childrenOf(parent)].map((pid) => [pid, microsecondsIfThere(pid)] as const);
  return new Map(entries.flatMap(([pid, time]) => (time === null ? [] : [[pid, time]])));
}

/** What a family took between two looks; children that ended in between are left out. */
export function takenBetween(before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): number {
  let taken = 0;
  for (const [pid, time] of after) taken += time - (before.get(pid) ?? 0);
  return taken;
}
