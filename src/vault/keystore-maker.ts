import { spawn } from 'node:child_process';
import { extname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { KeystoreSource } from './keystore-source.ts';
import { sourceArguments } from './source-arguments.ts';

/** What a keystore is made with. */
export interface KeystoreRequest {
  /** The keystore's folder, which is not there yet, or empty. */
  readonly directory: string;
  readonly source: KeystoreSource;
  /** Variables that a PKCS #11 module takes, and the only ones that the process has. */
  readonly environment: Readonly<Record<string, string>>;
}

const PROGRAM = join(import.meta.dirname, `make-keystore${extname(import.meta.filename)}`);
// No permission model: a new folder is made durable by fsync, which that has not.
const FLAGS = ['--disable-sigusr1', '--disallow-code-generation-from-strings'];

/**
 * Makes a keystore with fresh keys in a process of its own, so that they are never in this one's memory. Refuses with
 * KEYSTORE_NOT_MADE; the detail is what the process says of it: a code, and where it has one what the code is about.
 */
export async function makeKeystore(request: KeystoreRequest): Promise<Result<null, 'KEYSTORE_NOT_MADE'>> {
  const { directory, source, environment } = request;
  const given = [...FLAGS, PROGRAM, '--directory', resolve(directory), ...sourceArguments(source)];
  const child = spawn(process.execPath, given, { stdio: ['ignore', 'pipe', 'ignore'], env: environment, cwd: '/' });
  const ended = new Promise<string | null>((settle) => {
    child.once('error', () => settle('the process could not be started'));
    child.once('close', (code, signal) => settle(code === 0 ? null : `the process ended with ${signal ?? code}`));
  });
  let said: string | null = null;
  createInterface({ input: child.stdout }).on('line', (line) => {
    said = faultIn(line) ?? said;
  });
  const fault = await ended;
  return fault === null ? ok(null) : refuse('KEYSTORE_NOT_MADE', said ?? fault);
}

function faultIn(line: string): string | null {
  try {
    const { fault, detail }: { fault?: unknown; detail?: unknown } = JSON.parse(line);
    return typeof fault === 'string' ? `${fault} ${typeof detail === 'string' ? detail : ''}`.trimEnd() : null;
  } catch {
    return null;
  }
}
