import {
  closeSync,
  existsSync,
  fchownSync,
  fsyncSync,
  lchownSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { OsAccount } from './account.ts';
import type { Binaries } from './binaries.ts';
import { EmbeddedError } from './error.ts';
import { isAlive } from './process.ts';
import { runProgram } from './program.ts';

/** The database and the role that owns it; the role is no superuser. */
export const DATABASE = 'tapgate';
export const ROLE = 'tapgate';
const SUPERUSER = 'postgres';
const IDENT_MAP = 'tapgate';
const DRAFT = /^cluster\.new-(\d+)-/;

/** Initialisations that this process has under way. */
const underWay = new Set<string>();

/** What an initialisation left that was killed. */
function removeDrafts(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = DRAFT.exec(name)?.[1];
    const path = join(folder, name);
    if (pid === undefined || underWay.has(path)) continue;
    if (Number(pid) === process.pid || !isAlive(Number(pid))) rmSync(path, { recursive: true, force: true });
  }
}

async function fillDraft(draft: string, binaries: Binaries, account: OsAccount): Promise<void> {
  await runProgram(
    binaries.initdb,
    [
      `--pgdata=${draft}`,
      `--username=${SUPERUSER}`,
      '--auth-local=peer',
      '--auth-host=reject',
      '--encoding=UTF8',
      // The order of texts must not change with the system's C library: indexes rest on it.
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--data-checksums',
      '--no-instructions',
    ],
    account,
    { cwd: draft },
  );
  await runProgram(binaries.postgres, ['--single', '-c', 'exit_on_error=on', '-D', draft, SUPERUSER], account, {
    cwd: draft,
    input: `CREATE ROLE ${ROLE} LOGIN\nCREATE DATABASE ${DATABASE} OWNER ${ROLE}\n`,
  });
}

/** A power cut must not take the name back from a cluster that has rows. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes a new cluster with the role and the database, aside; it gets its name once it is whole. */
async function initialise(folder: string, cluster: string, binaries: Binaries, account: OsAccount): Promise<void> {
  removeDrafts(folder);
  const draft = mkdtempSync(join(folder, `cluster.new-${process.pid}-`));
  underWay.add(draft);
  try {
    lchownSync(draft, account.uid, account.gid);
    await fillDraft(draft, binaries, account);
    // Where somebody else was quicker, theirs is the cluster: a folder that holds files is not replaced.
    if (!existsSync(cluster)) renameSync(draft, cluster);
    syncFolder(folder);
  } catch (error) {
    if (!existsSync(join(cluster, 'PG_VERSION'))) throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
    underWay.delete(draft);
  }
}

function checkVersion(cluster: string, binaries: Binaries): void {
  const made = readFileSync(join(cluster, 'PG_VERSION'), 'utf8').trim();
  const ours = binaries.version.split('.')[0];
  if (made !== ours)
    throw new EmbeddedError(
      'EMBEDDED_FOLDER_UNUSABLE',
      `${cluster} was made by PostgreSQL ${made}; this program brings PostgreSQL ${ours}. Move the data with pg_dump and pg_restore.`,
    );
}

/** Replaces the file whole; the folder is the account's, so nothing that lies there is followed or written into. */
function writeOwned(path: string, content: string, account: OsAccount): void {
  const draft = `${path}.new`;
  rmSync(draft, { force: true });
  const descriptor = openSync(draft, 'wx', 0o600);
  try {
    writeFileSync(descriptor, content);
    fchownSync(descriptor, account.uid, account.gid);
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, path);
}

/** Only the database's own account, and root, may connect, and only over the socket. */
function writeAccessRules(cluster: string, account: OsAccount): void {
  const names = [...new Set([account.name, account.connectsAs, 'root'])];
  const maps = names.flatMap((name) => [ROLE, SUPERUSER].map((role) => `${IDENT_MAP} "${name}" ${role}`));
  writeOwned(join(cluster, 'pg_hba.conf'), `local all all peer map=${IDENT_MAP}\n`, account);
  writeOwned(join(cluster, 'pg_ident.conf'), `${maps.join('\n')}\n`, account);
}

/**
 * Makes the cluster ready in the folder, new where there is none.
 *
 * @returns its path
 * @throws EmbeddedError where another major version made it
 */
export async function prepareCluster(folder: string, binaries: Binaries, account: OsAccount): Promise<string> {
  const cluster = join(folder, 'cluster');
  if (!existsSync(join(cluster, 'PG_VERSION'))) await initialise(folder, cluster, binaries, account);
  checkVersion(cluster, binaries);
  writeAccessRules(cluster, account);
  return cluster;
}
