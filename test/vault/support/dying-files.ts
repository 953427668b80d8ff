import { closeSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import type { FileSystem } from '../../../src/vault/keystore/replace.ts';

/** What a dying process "says": nothing catches it but the test. */
export class Crash extends Error {}

/** The real file system until the process dies: at that call, before or after it was done, and at every later one. */
export function dyingAt(call: number, done: boolean): FileSystem & { readonly calls: () => number } {
  let calls = 0;
  const dies =
    <A extends unknown[], T>(work: (...given: A) => T) =>
    (...given: A): T => {
      calls += 1;
      if (calls > call || (calls === call && !done)) throw new Crash();
      const result = work(...given);
      if (calls === call) throw new Crash();
      return result;
    };
  return {
    create: dies((path: string) => openSync(path, 'w', 0o600)),
    open: dies((path: string) => openSync(path, 'r+')),
    write: dies((descriptor: number, bytes: Uint8Array, position: number) =>
      writeSync(descriptor, bytes, 0, bytes.length, position),
    ),
    close: dies(closeSync),
    link: dies(linkSync),
    rename: dies(renameSync),
    remove: dies((path: string) => rmSync(path, { force: true })),
    calls: () => calls,
  };
}

/** Does what may die; false where it did. */
export function survives(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof Crash) return false;
    throw error;
  }
}
