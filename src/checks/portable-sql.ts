import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Finding } from './finding.ts';

/** What PostgreSQL has and CockroachDB lacks, stubs or does otherwise; keywords as this project writes them, in capitals. */
const NOT_PORTABLE: readonly (readonly [string, RegExp])[] = [
  ['advisory locks are not shared there', /\bpg_(try_)?advisory/i],
  ['there is no LISTEN and NOTIFY', /\b(UN)?LISTEN\b|\bNOTIFY\b|\bpg_notify\b/],
  ['triggers come late', /\bTRIGGER\b/],
  ['constraints are not deferrable', /\bDEFERRABLE\b|\bDEFERRED\b/],
  [
    'SERIAL and sequences: keys are UUIDs or content',
    /\b(BIG|SMALL)?SERIAL\b|\bCREATE SEQUENCE\b|\bnextval\(|\bAS IDENTITY\b/i,
  ],
  ['money is INT8 in minor units', /\bMONEY\b|\bREAL\b|\bFLOAT[48]?\b|\bDOUBLE PRECISION\b/],
  ['shared row locks are off by default', /\bFOR (KEY )?SHARE\b/],
  ['a decision never reads the past', /\bAS OF SYSTEM TIME\b/],
  ['TRUNCATE is a schema change there', /\bTRUNCATE\b/],
];

/** A cut can fall between a migration and its record, so that it runs twice. */
const ONCE_ONLY: readonly (readonly [string, RegExp])[] = [
  ['cannot run twice: IF NOT EXISTS', /\bCREATE (UNIQUE )?(TABLE|INDEX|SCHEMA|VIEW)\b(?! IF NOT EXISTS)/i],
  ['cannot run twice: IF NOT EXISTS', /\bADD COLUMN\b(?! IF NOT EXISTS)/i],
  ['cannot run twice: IF EXISTS', /\bDROP (TABLE|INDEX|COLUMN|CONSTRAINT|VIEW)\b(?! IF EXISTS)/i],
];

/** The embedded database is always PostgreSQL. */
const POSTGRESQL_ONLY = 'engine/embedded';

function withoutComments(path: string, source: string): string {
  return path.endsWith('.sql')
    ? source.replace(/--.*$/gm, '')
    : source.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' ')).replace(/(^|\s)\/\/.*$/gm, '$1');
}

function findings(path: string, source: string): string[] {
  const rules = path.endsWith('.sql') ? [...NOT_PORTABLE, ...ONCE_ONLY] : NOT_PORTABLE;
  return withoutComments(path, source)
    .split('\n')
    .flatMap((line, index) =>
      rules.filter(([, pattern]) => pattern.test(line)).map(([what]) => `${path}:${index + 1} ${what}: ${line.trim()}`),
    );
}

/** The store's SQL keeps to what PostgreSQL and CockroachDB share, and its migrations may run twice. */
export async function portableSql(root: string): Promise<Finding> {
  const folder = join(root, 'src/store/sql');
  const entries = existsSync(folder) ? await readdir(folder, { recursive: true, withFileTypes: true }) : [];
  const paths = entries
    .filter((entry) => entry.isFile() && /\.(sql|ts)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !relative(folder, path).startsWith(POSTGRESQL_ONLY));
  const lines: string[] = [];
  for (const path of paths) lines.push(...findings(relative(root, path), await readFile(path, 'utf8')));
  const status = paths.length > 0 && lines.length === 0 ? 'passed' : 'failed';
  return {
    status,
    seen: `${paths.length} files`,
    output: paths.length === 0 ? 'the check saw no files' : lines.join('\n'),
  };
}
