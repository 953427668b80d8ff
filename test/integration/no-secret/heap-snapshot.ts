import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Source } from './scanner.ts';
import { fileSource } from './sources.ts';

const LOOK_EVERY = 50;
const ATTEMPTS = 600;

/** Options of Node with which a process writes its heap into a folder when it is asked to. */
export function snapshotOptions(folder: string): string[] {
  return ['--heapsnapshot-signal=SIGUSR2', `--diagnostic-dir=${folder}`];
}

/**
 * Has a process write a snapshot of its V8 heap into the folder, and answers it. `answers` resolves once the process does
 * anything else again: it writes the snapshot in one go.
 */
export async function takeHeapSnapshot(
  pid: number,
  folder: string,
  answers: () => Promise<unknown>,
): Promise<Iterable<Source>> {
  const before = new Set(readdirSync(folder));
  process.kill(pid, 'SIGUSR2');
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const name = readdirSync(folder).find((entry) => entry.endsWith('.heapsnapshot') && !before.has(entry));
    if (name !== undefined) {
      await answers();
      return fileSource(join(folder, name), 'heap snapshot');
    }
    await sleep(LOOK_EVERY);
  }
  throw new Error('no heap snapshot was written');
}
