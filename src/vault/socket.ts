import { lstatSync, mkdirSync, statSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, isAbsolute } from 'node:path';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { errorCode, type KeystoreFault } from './keystore/fault.ts';
import { checkFolder, FILE_MODE, FOLDER_MODE, faultOf } from './keystore/folder.ts';

/** Why the vault cannot listen. */
export type SocketFault =
  /** Not an absolute path, or longer than the system takes. */
  | 'SOCKET_PATH'
  /** The folder is not there and cannot be made, belongs to another user, or gives rights to others. */
  | 'SOCKET_FOLDER'
  /** Another process listens there. */
  | 'SOCKET_IN_USE'
  /** Something else is in the socket's place, or the system refuses. */
  | 'SOCKET_IO';

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, the last one a zero. */
const MAX_PATH_BYTES = 103;

/** Who may connect: the vault's own user, or the group of the socket's folder too. */
export type SocketAccess = 'owner' | 'group';

/** Rights of the socket itself. */
export const SOCKET_MODE: Readonly<Record<SocketAccess, number>> = { owner: FILE_MODE, group: 0o660 };

const NOT_FOR_A_GROUP = 0o027;

/**
 * Makes the place of a Unix socket ready: its folder, and no socket that a killed process left behind. The folder gives
 * rights to the owner only; for a group it is there beforehand, and gives the group the right to pass. A socket that
 * somebody answers at is never removed.
 */
export async function prepareSocket(path: string, access: SocketAccess = 'owner'): Promise<Result<null, SocketFault>> {
  if (!isAbsolute(path) || Buffer.byteLength(path) > MAX_PATH_BYTES) return refuse('SOCKET_PATH');
  const directory = dirname(path);
  if (access === 'owner') {
    try {
      mkdirSync(directory, { mode: FOLDER_MODE });
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') return refuse('SOCKET_FOLDER', errorCode(error));
    }
  }
  const folder = access === 'owner' ? checkFolder(directory) : checkGroupFolder(directory);
  if (!folder.ok) return refuse('SOCKET_FOLDER', folder.reason);
  try {
    if (!lstatSync(path).isSocket()) return refuse('SOCKET_IO', 'not a socket');
  } catch (error) {
    return errorCode(error) === 'ENOENT' ? ok(null) : refuse('SOCKET_IO', errorCode(error));
  }
  if (await answers(path)) return refuse('SOCKET_IN_USE');
  try {
    unlinkSync(path);
    return ok(null);
  } catch (error) {
    return refuse('SOCKET_IO', errorCode(error));
  }
}

/** A folder of this user in which others than its group have no rights, and nobody else may put anything. */
function checkGroupFolder(directory: string): Result<null, KeystoreFault> {
  try {
    const stats = statSync(directory);
    if (!stats.isDirectory()) return refuse('KEYSTORE_CORRUPT', 'not a folder');
    if (process.geteuid !== undefined && stats.uid !== process.geteuid()) return refuse('KEYSTORE_OWNER', 'folder');
    return (stats.mode & NOT_FOR_A_GROUP) === 0 ? ok(null) : refuse('KEYSTORE_MODE', 'folder');
  } catch (error) {
    return faultOf(error, 'folder');
  }
}

/** True unless the system says that nobody listens at this socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error) => resolve(errorCode(error) !== 'ECONNREFUSED' && errorCode(error) !== 'ENOENT'));
  });
}
