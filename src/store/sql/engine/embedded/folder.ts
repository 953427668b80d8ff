import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { OsAccount } from './account.ts';
import { EmbeddedError } from './error.ts';

/** Longest path of a Unix socket (sockaddr_un.sun_path less its NUL): 107 bytes on Linux, 103 on macOS. */
const LONGEST_SOCKET_PATH = process.platform === 'linux' ? 107 : 103;

/** PostgreSQL names its socket by a port, which means nothing else without TCP. */
export const SOCKET_PORT = 5432;

function unusable(message: string): EmbeddedError {
  return new EmbeddedError('EMBEDDED_FOLDER_UNUSABLE', message);
}

function lstatOrNull(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null;
  }
}

/** Makes the folder where it is missing; those above it are made open for others to pass. */
function makeFolder(path: string): void {
  if (lstatOrNull(path) !== null) return;
  try {
    mkdirSync(dirname(path), { recursive: true });
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    throw unusable(`${path} cannot be made: ${String(error)}`);
  }
}

/** Refuses what is no folder, or somebody else's. */
function checkFolder(path: string, account: OsAccount): void {
  const stat = lstatOrNull(path);
  if (stat?.isDirectory() !== true) throw unusable(`${path} is not a folder.`);
  if (stat.uid !== account.uid && stat.uid !== process.getuid?.())
    throw unusable(`${path} belongs to the user id ${stat.uid}; the database runs as ${account.name}.`);
}

/**
 * Makes the folder where it is missing, for the account alone (mode 0700); refuses one that is somebody else's.
 *
 * Works on the opened folder: its owner may be less trusted than this process and could put a link in its place.
 */
function ownFolder(path: string, account: OsAccount): void {
  makeFolder(path);
  checkFolder(path, account);
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const stat = fstatSync(descriptor);
    if (stat.uid !== account.uid) fchownSync(descriptor, account.uid, account.gid);
    if ((stat.mode & 0o777) !== 0o700) fchmodSync(descriptor, 0o700);
  } finally {
    closeSync(descriptor);
  }
}

function mayEnter(stat: Stats, account: OsAccount): boolean {
  if (stat.uid === account.uid) return (stat.mode & 0o100) !== 0;
  if (stat.gid === account.gid) return (stat.mode & 0o010) !== 0;
  return (stat.mode & 0o001) !== 0;
}

/** The folder on the way to the path that the account may not enter, or null where the way is free. */
export function blockedAt(path: string, account: OsAccount): string | null {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if (!mayEnter(statSync(folder), account)) return folder;
    if (folder === dirname(folder)) return null;
  }
}

/**
 * Makes the database's folder ready: the account's own, mode 0700, and reachable for it.
 *
 * @returns its real path
 * @throws EmbeddedError
 */
export function prepareFolder(folder: string, account: OsAccount): string {
  const path = resolve(folder);
  makeFolder(path);
  checkFolder(path, account);
  const real = realpathSync(path);
  const blocked = blockedAt(real, account);
  if (blocked !== null)
    throw unusable(
      `The database runs as ${account.name}, which may not enter ${blocked}: choose another data folder, or run as an ordinary user.`,
    );
  ownFolder(real, account);
  return real;
}

/**
 * The folder of the database's socket, mode 0700: beside the data, or a short one under the system's folder for
 * temporary files where the path would be too long for a socket.
 *
 * @throws EmbeddedError
 */
export function prepareSocketFolder(folder: string, account: OsAccount): string {
  const beside = join(folder, 'socket');
  const short = join(tmpdir(), `tapgate-${createHash('sha256').update(folder).digest('hex').slice(0, 16)}`);
  const chosen = [beside, short].find(
    (path) => Buffer.byteLength(join(path, `.s.PGSQL.${SOCKET_PORT}`)) <= LONGEST_SOCKET_PATH,
  );
  if (chosen === undefined)
    throw unusable(`${tmpdir()} is too long a path for a Unix socket: set TMPDIR to a shorter one.`);
  ownFolder(chosen, account);
  return chosen;
}
