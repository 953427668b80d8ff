import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { ok, type Refusal, type Result, refuse } from '../../reasons/result.ts';
import { errorCode, type KeystoreFault } from './fault.ts';

/** Rights of the folder and of its files: the owner's only. */
export const FOLDER_MODE = 0o700;
export const FILE_MODE = 0o600;
const RIGHTS_OF_OTHERS = 0o077;

/** A fault of the file system as a refusal; `subject` names what was touched. */
export function faultOf(error: unknown, subject: string): Refusal<KeystoreFault> {
  const code = errorCode(error);
  if (code === 'ENOENT') return refuse('KEYSTORE_MISSING', subject);
  return refuse('KEYSTORE_IO', `${subject}: ${code}`);
}

function ownedAlone(stats: Stats, subject: string): Result<null, KeystoreFault> {
  if (process.geteuid !== undefined && stats.uid !== process.geteuid()) return refuse('KEYSTORE_OWNER', subject);
  return (stats.mode & RIGHTS_OF_OTHERS) === 0 ? ok(null) : refuse('KEYSTORE_MODE', subject);
}

/** Checks that a folder is one, belongs to this process's user and gives no rights to anybody else. */
export function checkFolder(directory: string): Result<null, KeystoreFault> {
  try {
    const stats = statSync(directory);
    return stats.isDirectory() ? ownedAlone(stats, 'folder') : refuse('KEYSTORE_CORRUPT', 'not a folder');
  } catch (error) {
    return faultOf(error, 'folder');
  }
}

/**
 * Reads a file of at most `maximumBytes`, in a buffer of its own that the caller may wipe. Refuses symbolic links, and
 * files of another owner or with rights for others; the checks are made on the opened file, so it cannot be exchanged
 * in between.
 */
export function readPrivateFile(directory: string, name: string, maximumBytes: number): Result<Buffer, KeystoreFault> {
  let descriptor: number;
  try {
    descriptor = openSync(join(directory, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return errorCode(error) === 'ELOOP' ? refuse('KEYSTORE_CORRUPT', `${name}: a link`) : faultOf(error, name);
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || stats.size > maximumBytes)
      return refuse('KEYSTORE_CORRUPT', `${name}: not a file of its size`);
    const owned = ownedAlone(stats, name);
    if (!owned.ok) return owned;
    const bytes = Buffer.from(new ArrayBuffer(stats.size));
    const read = readSync(descriptor, bytes, 0, bytes.length, 0);
    return read === bytes.length ? ok(bytes) : refuse('KEYSTORE_CORRUPT', `${name}: cut short`);
  } catch (error) {
    return faultOf(error, name);
  } finally {
    closeSync(descriptor);
  }
}

/** Writes a new file and makes it durable; an existing one is an error of the file system (EEXIST) and is thrown. */
export function writeNewFile(path: string, bytes: Uint8Array): void {
  const descriptor = openSync(path, 'wx', FILE_MODE);
  try {
    writeAll(descriptor, bytes);
  } finally {
    closeSync(descriptor);
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(descriptor, bytes, written);
  fsyncSync(descriptor);
}

/** Makes the names in a folder durable. */
export function syncFolder(directory: string): void {
  const descriptor = openSync(directory, constants.O_RDONLY);
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
