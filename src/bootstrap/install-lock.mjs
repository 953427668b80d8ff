import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BootstrapError } from './error.mjs';

const POLL_MS = 200;
const GIVE_UP_MS = 15 * 60_000;

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** True where the lock was taken; false where a living process holds it. A dead holder's lock is removed. */
function tryTake(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const holder = Number.parseInt(readHolder(path), 10);
  if (Number.isInteger(holder) && !isAlive(holder)) rmSync(path, { force: true });
  return false;
}

function readHolder(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/**
 * Runs the work while no other command of this checkout installs: two at once would delete each other's files.
 *
 * @param {string} root
 * @param {() => Promise<void>} work
 */
export async function withInstallLock(root, work) {
  const folder = join(root, '.tapgate');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'install.lock');
  const deadline = Date.now() + GIVE_UP_MS;
  while (!tryTake(path)) {
    if (Date.now() > deadline)
      throw new BootstrapError(`Another command is still installing; if none is, delete ${path}`);
    await delay(POLL_MS);
  }
  try {
    await work();
  } finally {
    rmSync(path, { force: true });
  }
}
