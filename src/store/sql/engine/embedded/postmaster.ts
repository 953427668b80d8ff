import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync, realpathSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EmbeddedError } from './error.ts';
import { isAlive, signalProcess } from './process.ts';

/** A running PostgreSQL on a cluster. */
export interface Postmaster {
  readonly pid: number;
  /** Its program's path; not that of a file where its file was replaced since. */
  readonly program: string;
  readonly socketFolder: string;
}

const POLL_MILLISECONDS = 20;
/** A starting PostgreSQL fills its pid file at once. */
const EMPTY_MILLISECONDS = 10_000;

interface PidFile {
  readonly pid: number;
  readonly socketFolder: string;
}

/** postmaster.pid: process id, data folder, start time, port, socket folder, … one a line (miscadmin.h). */
function readPidFile(cluster: string): PidFile | null {
  let lines: string[];
  try {
    lines = readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return null;
  }
  const pid = Number.parseInt(lines[0] ?? '', 10);
  // A negative number marks a stand-alone backend, as at initialisation.
  return Number.isInteger(pid) && pid > 1 ? { pid, socketFolder: lines[4] ?? '' } : null;
}

/** PostgreSQL works inside its data folder, so the process's working folder names the cluster that it serves. */
function programFromProc(pid: number, cluster: string): string | null {
  try {
    const program = readlinkSync(`/proc/${pid}/exe`);
    const serves = readlinkSync(`/proc/${pid}/cwd`) === realpathSync(cluster);
    return serves && basename(program.replace(/ \(deleted\)$/, '')) === 'postgres' ? program : null;
  } catch {
    return null;
  }
}

/** Where there is no /proc, the command line that this module starts it with. */
function programFromPs(pid: number, cluster: string): string | null {
  try {
    const command = execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    const [program = ''] = command.split(' -D ');
    return basename(program) === 'postgres' && command.includes(` -D ${cluster} `) ? program : null;
  } catch {
    return null;
  }
}

/** The program of the process where it is a PostgreSQL on the cluster, or null. */
function programServing(pid: number, cluster: string): string | null {
  return process.platform === 'linux' ? programFromProc(pid, cluster) : programFromPs(pid, cluster);
}

/**
 * The PostgreSQL that runs on the cluster, or null. The pid file alone proves nothing: after a crash its number may be
 * another process's, so the process is asked what it is.
 */
export function findPostmaster(cluster: string): Postmaster | null {
  const file = readPidFile(cluster);
  if (file === null) return null;
  const program = programServing(file.pid, cluster);
  return program === null ? null : { pid: file.pid, program, socketFolder: file.socketFolder };
}

/**
 * Removes a pid file that would keep PostgreSQL from starting although none runs: its number is now another process's,
 * or it is empty since a power cut. One whose process is dead is PostgreSQL's own to replace.
 */
export function removeMisleadingPidFile(cluster: string): void {
  const path = join(cluster, 'postmaster.pid');
  const file = readPidFile(cluster);
  if (file === null ? isLongEmpty(path) : isAlive(file.pid) && findPostmaster(cluster) === null)
    rmSync(path, { force: true });
}

function isLongEmpty(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.size === 0 && Date.now() - stat.mtimeMs > EMPTY_MILLISECONDS;
}

async function waitForEnd(cluster: string, pid: number, milliseconds: number): Promise<boolean> {
  const deadline = performance.now() + milliseconds;
  // It removes its pid file a moment before it ends.
  while (programServing(pid, cluster) !== null) {
    if (performance.now() > deadline) return false;
    await delay(POLL_MILLISECONDS);
  }
  return true;
}

function signal(cluster: string, pid: number, name: 'SIGINT' | 'SIGQUIT'): void {
  if (findPostmaster(cluster)?.pid === pid) signalProcess(pid, name);
}

/**
 * Stops the PostgreSQL of the cluster: fast shutdown (SIGINT), which ends connections and writes a checkpoint; after
 * half of the time immediate shutdown (SIGQUIT), which loses nothing either, because the next start recovers.
 *
 * @throws EmbeddedError where it still runs at the end
 */
export async function stopPostmaster(cluster: string, pid: number, milliseconds: number): Promise<void> {
  for (const name of ['SIGINT', 'SIGQUIT'] as const) {
    signal(cluster, pid, name);
    if (await waitForEnd(cluster, pid, milliseconds / 2)) return;
  }
  throw new EmbeddedError('EMBEDDED_NOT_STOPPED', `The PostgreSQL of ${cluster} (process ${pid}) does not stop.`);
}
