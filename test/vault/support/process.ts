import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { connect } from 'node:net';

/** Settles once nobody holds the other end of a connection to this socket: its process is gone. */
export function untilGone(socket: string): Promise<void> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.on('error', () => resolve());
    connection.on('close', () => resolve());
    connection.resume();
  });
}

/** True while a process of this id runs. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Which of the patterns are found in the memory that a process may write to (Linux). */
export function findInMemory(pid: number, patterns: ReadonlyMap<string, Buffer>): string[] {
  const found = new Set<string>();
  const descriptor = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const { start, length } of writableRanges(pid)) {
      const memory = readRange(descriptor, start, length);
      for (const [name, pattern] of patterns) if (memory.includes(pattern)) found.add(name);
    }
  } finally {
    closeSync(descriptor);
  }
  return [...found].sort();
}

function writableRanges(pid: number): { start: number; length: number }[] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return lines.flatMap((line) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (match === null) return [];
    const start = Number.parseInt(match[1] ?? '', 16);
    return [{ start, length: Number.parseInt(match[2] ?? '', 16) - start }];
  });
}

function readRange(descriptor: number, start: number, length: number): Buffer {
  const memory = Buffer.alloc(length);
  try {
    const read = readSync(descriptor, memory, 0, length, start);
    return memory.subarray(0, read);
  } catch {
    // A range that is reserved and not backed cannot be read: there is nothing in it.
    return memory.subarray(0, 0);
  }
}
