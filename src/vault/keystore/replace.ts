import { closeSync, constants, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { errorCode, type KeystoreFault } from './fault.ts';
import { FILE_MODE, faultOf, readPrivateFile } from './folder.ts';

/**
 * What a change does to the file system, a call each: a test puts its own in their place and cuts after any of them. The
 * vault's process runs under Node's permission model, which has no fsync: files are opened with O_SYNC instead.
 */
export interface FileSystem {
  /** Opens for writing, each write durable when it returns, and empties; refuses links. */
  create(path: string): number;
  /** Opens likewise what is there. */
  open(path: string): number;
  /** Writes at a position. */
  write(descriptor: number, bytes: Uint8Array, position: number): number;
  close(descriptor: number): void;
  link(existing: string, path: string): void;
  rename(from: string, to: string): void;
  remove(path: string): void;
}

const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_SYNC } = constants;

const SYSTEM: FileSystem = {
  create: (path) => openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_SYNC, FILE_MODE),
  open: (path) => openSync(path, O_WRONLY | O_NOFOLLOW | O_SYNC),
  write: (descriptor, bytes, position) => writeSync(descriptor, bytes, 0, bytes.length, position),
  close: closeSync,
  link: linkSync,
  rename: renameSync,
  remove: (path) => rmSync(path, { force: true }),
};

const MAX_LOCK_BYTES = 32;
const MAX_RENAMED_BYTES = 4096;

function writeWhole(path: string, bytes: Uint8Array, files: FileSystem): void {
  const descriptor = files.create(path);
  try {
    for (let written = 0; written < bytes.length; )
      written += files.write(descriptor, bytes.subarray(written), written);
  } finally {
    files.close(descriptor);
  }
}

/**
 * Makes the new name of a renamed file durable. The rename is part of the file's own metadata, which a synchronous write
 * to it takes along; the byte that is written is the one that is there.
 */
function settleName(path: string, content: Uint8Array, files: FileSystem): void {
  const descriptor = files.open(path);
  try {
    files.write(descriptor, content.subarray(-1), content.length - 1);
  } finally {
    files.close(descriptor);
  }
}

/** Gives a file the name of another, durably; false where it is not there: somebody else has done it. */
export function renameFile(directory: string, from: string, to: string, files: FileSystem = SYSTEM): boolean {
  const path = join(directory, to);
  try {
    files.rename(join(directory, from), path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
  const content = readPrivateFile(directory, to, MAX_RENAMED_BYTES);
  if (content.ok) {
    settleName(path, content.value, files);
    content.value.fill(0);
  }
  return true;
}

/** Removes a file; one that is not there stays so. */
export function removeFile(directory: string, name: string, files: FileSystem = SYSTEM): void {
  files.remove(join(directory, name));
}

/** True where the process that a lock names is gone; a lock that cannot be read is somebody's. */
function isAbandoned(directory: string, name: string): boolean {
  const held = readPrivateFile(directory, name, MAX_LOCK_BYTES);
  const pid = held.ok ? Number(held.value.toString('latin1')) : Number.NaN;
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  // A change is one synchronous step: a lock of this process's own number is of one that had the number before.
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return errorCode(error) === 'ESRCH';
  }
}

/** Takes the lock: a link to a file that names this process, so that the lock is never there without its content. */
function lock(directory: string, name: string, files: FileSystem): Result<null, KeystoreFault> {
  const path = join(directory, name);
  const own = `${path}.${process.pid}`;
  writeWhole(own, Buffer.from(String(process.pid)), files);
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        files.link(own, path);
        return ok(null);
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
        if (attempt > 1 || !isAbandoned(directory, name)) return refuse('KEYSTORE_BUSY', name);
        files.remove(path);
      }
    }
  } finally {
    files.remove(own);
  }
}

/**
 * Replaces a file by new content, in one durable step: under a lock the content is made, written beside the file, made
 * durable, and renamed over it. Whatever instant the process is killed at, the file is the old one or the new one, whole.
 *
 * The lock `<name>.lock` holds the number of its process. One whose process is gone is taken over; while it lives, the
 * change is KEYSTORE_BUSY. Processes that share the folder see each other's numbers: one machine, one name space.
 */
export function replaceFile<R extends string>(
  directory: string,
  name: string,
  content: () => Result<Uint8Array, R>,
  files: FileSystem = SYSTEM,
): Result<null, R | KeystoreFault> {
  const lockName = `${name}.lock`;
  try {
    const locked = lock(directory, lockName, files);
    if (!locked.ok) return locked;
  } catch (error) {
    return faultOf(error, lockName);
  }
  try {
    const bytes = content();
    if (!bytes.ok) return bytes;
    const draft = join(directory, `${name}.new`);
    writeWhole(draft, bytes.value, files);
    const path = join(directory, name);
    files.rename(draft, path);
    settleName(path, bytes.value, files);
    return ok(null);
  } catch (error) {
    return faultOf(error, name);
  } finally {
    files.remove(join(directory, lockName));
  }
}
