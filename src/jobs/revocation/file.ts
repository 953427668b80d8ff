import { constants } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { ok, type Result, refuse } from '../../reasons/result.ts';

/** Why a file of this room is not read or written. */
export type FileFailure =
  | 'FILE_MISSING'
  /** A link, a folder or a pipe. */
  | 'FILE_NOT_REGULAR'
  | 'FILE_TOO_LARGE'
  /** It belongs to another user, or others have rights to it. */
  | 'FILE_OPEN_TO_OTHERS'
  /** The file system refused; the detail is its error code. */
  | 'FILE_IO';

/** Rights of the owner only. */
export const PRIVATE_MODE = 0o600;
const RIGHTS_OF_OTHERS = 0o077;

/** The code of an error of the file system. */
export function errorCode(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'UNKNOWN';
}

async function readOpened(file: FileHandle, maximumBytes: number): Promise<Result<Buffer, FileFailure>> {
  const stats = await file.stat();
  if (!stats.isFile()) return refuse('FILE_NOT_REGULAR');
  const isOthers = process.geteuid !== undefined && stats.uid !== process.geteuid();
  // Windows has no such rights to look at.
  const isOpen = process.platform !== 'win32' && (stats.mode & RIGHTS_OF_OTHERS) !== 0;
  if (isOthers || isOpen) return refuse('FILE_OPEN_TO_OTHERS');
  if (stats.size > maximumBytes) return refuse('FILE_TOO_LARGE');
  const bytes = Buffer.alloc(stats.size);
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length, bytes.length - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return ok(bytes.subarray(0, length));
}

/** Reads a file that is this user's alone. The checks are made on the opened file, so it cannot be exchanged between. */
export async function readPrivateFile(path: string, maximumBytes: number): Promise<Result<Buffer, FileFailure>> {
  let file: FileHandle | null = null;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    return await readOpened(file, maximumBytes);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') return refuse('FILE_MISSING');
    return code === 'ELOOP' ? refuse('FILE_NOT_REGULAR') : refuse('FILE_IO', code);
  } finally {
    await file?.close();
  }
}

/** Makes the names in a folder durable. */
export async function syncFolder(folder: string): Promise<void> {
  const opened = await open(folder, constants.O_RDONLY);
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
}

/** Writes a file that is the owner's alone, over one of its name, and makes its content durable. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(
    path,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    PRIVATE_MODE,
  );
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Replaces a file in one durable step: whoever reads finds the old content or the new one. */
export async function replaceFile(folder: string, name: string, bytes: Uint8Array): Promise<Result<null, FileFailure>> {
  try {
    const draft = join(folder, `${name}.new`);
    await writeDurably(draft, bytes);
    await rename(draft, join(folder, name));
    await syncFolder(folder);
    return ok(null);
  } catch (error) {
    return refuse('FILE_IO', errorCode(error));
  }
}
