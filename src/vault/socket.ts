import { lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, isAbsolute } from 'node:path';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { errorCode } from './keystore/fault.ts';
import { checkFolder, FOLDER_MODE } from './keystore/folder.ts';

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

/** The address of a Unix socket as gRPC writes it. */
export function socketAddress(path: string): string {
  return `unix:${path}`;
}

/**
 * Makes the place of a Unix socket ready: its folder with rights for the owner only, and no socket that a killed process
 * left behind. A socket that somebody answers at is never removed.
 */
export async function prepareSocket(path: string): Promise<Result<null, SocketFault>> {
  if (!isAbsolute(path) || Buffer.byteLength(path) > MAX_PATH_BYTES) return refuse('SOCKET_PATH');
  const directory = dirname(path);
  try {
    mkdirSync(directory, { mode: FOLDER_MODE });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') return refuse('SOCKET_FOLDER', errorCode(error));
  }
  const folder = checkFolder(directory);
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
