import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Source } from './scanner.ts';

/** Bytes that are at hand. */
export function bytesSource(name: string, bytes: Buffer): Source {
  return { name, length: bytes.length, readAt: (into, position) => bytes.copy(into, 0, position) };
}

function* opened(path: string, sources: (descriptor: number) => Iterable<Source>): Generator<Source> {
  const descriptor = openSync(path, 'r');
  try {
    yield* sources(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** A file. It may go away before it is read: then there is nothing in it. */
export function* fileSource(path: string, name: string): Generator<Source> {
  try {
    yield* opened(path, (descriptor) => [
      { name, length: statSync(path).size, readAt: (into, position) => readSync(descriptor, into, { position }) },
    ]);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** Every file below a folder, but for those below `except`. */
export function* folderSources(folder: string, except: readonly string[]): Generator<Source> {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || except.some((left) => path.startsWith(`${left}/`))) continue;
    yield* fileSource(path, relative(folder, path));
  }
}

/**
 * The memory of a running process (Linux, proc(5)): all of its readable mappings that are its own, code of files that it
 * cannot have written to left out; and its command line and environment.
 */
export function* memorySources(pid: number): Generator<Source> {
  for (const name of ['cmdline', 'environ']) yield bytesSource(name, readFileSync(`/proc/${pid}/${name}`));
  const mappings = readFileSync(`/proc/${pid}/maps`, 'utf8').trimEnd().split('\n');
  yield* opened(`/proc/${pid}/mem`, function* (descriptor) {
    for (const mapping of mappings) {
      const [, from = '0', to = '0', rights = '', path = ''] =
        /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$/.exec(mapping) ?? [];
      const isCode = path.startsWith('/') && !rights.includes('w');
      if (!rights.startsWith('r') || isCode || path === '[vvar]' || path === '[vsyscall]') continue;
      const start = Number.parseInt(from, 16);
      yield {
        name: path === '' ? 'memory' : `memory (${path})`,
        length: Number.parseInt(to, 16) - start,
        readAt: (into, position) => readMemory(descriptor, into, start + position),
      };
    }
  });
}

function readMemory(descriptor: number, into: Buffer, position: number): number {
  try {
    return readSync(descriptor, into, { position });
  } catch (error) {
    // The process has given it back since.
    if (['EIO', 'EFAULT'].includes(codeOf(error))) return 0;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}
