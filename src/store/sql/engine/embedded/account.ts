import { execFileSync } from 'node:child_process';
import { userInfo } from 'node:os';
import { EmbeddedError } from './error.ts';

/** The operating system's account that PostgreSQL runs under. */
export interface OsAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** The account of this process, which connects: its own, or root. */
  readonly connectsAs: string;
}

const ROOT_RUNS_AS = 'postgres';

function idOf(flag: '-u' | '-g', name: string): number | null {
  try {
    return Number.parseInt(
      execFileSync('id', [flag, name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
      10,
    );
  } catch {
    return null;
  }
}

function lookUp(name: string): { uid: number; gid: number } | null {
  const uid = idOf('-u', name);
  const gid = idOf('-g', name);
  return uid === null || gid === null ? null : { uid, gid };
}

function makeAccount(name: string): { uid: number; gid: number } {
  const noShell = '/usr/sbin/nologin';
  try {
    execFileSync(
      'useradd',
      ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', noShell, name],
      { stdio: 'ignore', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } },
    );
  } catch {
    // Another process may have made it at the same moment; the look-up decides.
  }
  const made = lookUp(name);
  if (made === null)
    throw new EmbeddedError(
      'EMBEDDED_NOT_SUPPORTED',
      `PostgreSQL refuses to run as root, and the account "${name}" could not be made: make it, or run as an ordinary user.`,
    );
  return made;
}

/**
 * The account for the database: this process's own; where this process is root, which PostgreSQL refuses, the system
 * account `postgres`, made where it is missing.
 *
 * @throws EmbeddedError
 */
export function databaseAccount(): OsAccount {
  const uid = process.getuid?.();
  if (uid === undefined)
    throw new EmbeddedError(
      'EMBEDDED_NOT_SUPPORTED',
      'The embedded database needs Unix sockets and accounts; use a PostgreSQL server.',
    );
  if (uid === 0)
    return { name: ROOT_RUNS_AS, ...(lookUp(ROOT_RUNS_AS) ?? makeAccount(ROOT_RUNS_AS)), connectsAs: 'root' };
  try {
    const { username, gid } = userInfo();
    return { name: username, uid, gid, connectsAs: username };
  } catch {
    throw new EmbeddedError(
      'EMBEDDED_NOT_SUPPORTED',
      `The user id ${uid} has no entry in the system's accounts, which PostgreSQL needs: run as a user that has one.`,
    );
  }
}
