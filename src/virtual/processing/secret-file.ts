import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { ok, type Result, refuse } from '../../reasons/result.ts';

const MAXIMUM_BYTES = 65_536;
const OTHERS = 0o077;

/** Why a file is not read. The detail is its path. */
export type SecretFileFault = 'FILE_UNREADABLE' | 'FILE_OPEN_TO_OTHERS' | 'FILE_TOO_LARGE';

function readBounded(path: string, refusedModes: number): Result<string, SecretFileFault> {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return refuse('FILE_UNREADABLE', path);
  }
  try {
    const { mode, size } = fstatSync(file);
    if ((mode & refusedModes) !== 0) return refuse('FILE_OPEN_TO_OTHERS', path);
    if (size > MAXIMUM_BYTES) return refuse('FILE_TOO_LARGE', path);
    return ok(readFileSync(file, 'utf8').trim());
  } finally {
    closeSync(file);
  }
}

/** Text of a file without white space around it; refused over 64 KiB. */
export function readPlainFile(path: string): Result<string, SecretFileFault> {
  return readBounded(path, 0);
}

/**
 * Text of a file that holds a secret; refused also where group or others have any right to it. Windows has no such
 * rights to look at.
 */
export function readSecretFile(path: string): Result<string, SecretFileFault> {
  return readBounded(path, process.platform === 'win32' ? 0 : OTHERS);
}
