import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Finding } from './finding.ts';
import { contractionProblems } from './sql/contraction.ts';
import { NOT_PORTABLE, ONCE_ONLY, type SqlRule } from './sql/rules.ts';

/** The embedded database is always PostgreSQL. */
const POSTGRESQL_ONLY = 'engine/embedded';

interface Source {
  readonly path: string;
  readonly text: string;
}

const isMigration = ({ path }: Source): boolean => path.endsWith('.sql');

function withoutComments({ path, text }: Source): string {
  return path.endsWith('.sql')
    ? text.replace(/--.*$/gm, '')
    : text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' ')).replace(/(^|\s)\/\/.*$/gm, '$1');
}

function brokenRules(source: Source): readonly string[] {
  const rules: readonly SqlRule[] = isMigration(source) ? [...NOT_PORTABLE, ...ONCE_ONLY] : NOT_PORTABLE;
  return withoutComments(source)
    .split('\n')
    .flatMap((line, index) =>
      rules
        .filter(({ pattern }) => pattern.test(line))
        .map((rule) => `${source.path}:${index + 1} ${rule.what} (${rule.source}): ${line.trim()}`),
    );
}

/** Several statements of one text would be one transaction here and several there. */
function severalStatements(source: Source): readonly string[] {
  const [, ...rest] = withoutComments(source).split(';');
  return isMigration(source) && rest.some((text) => text.trim() !== '')
    ? [`${source.path} holds several statements`]
    : [];
}

/** PostgreSQL 18 has VIRTUAL as its default, CockroachDB none. */
function notStored(source: Source): readonly string[] {
  const text = withoutComments(source);
  const generated = text.match(/\bGENERATED ALWAYS AS \(/g)?.length ?? 0;
  const stored = text.match(/\) STORED\b/g)?.length ?? 0;
  return generated > stored ? [`${source.path} has a generated column that is not STORED`] : [];
}

const CHANGED_TABLE = /(?<!\bFOR |\bDO |\bKEY )\b(?:UPDATE|INSERT INTO|DELETE FROM) (?!SET\b)(\w+)/g;

/** One statement that changes a table twice is refused there, and here changes a row once at most. */
function changedTwice(source: Source): readonly string[] {
  const text = withoutComments(source);
  const statements = isMigration(source) ? [text] : (text.match(/`[^`]*`|'[^'\n]*'|"[^"\n]*"/g) ?? []);
  return statements.flatMap((statement) => {
    const tables = [...statement.matchAll(CHANGED_TABLE)].map(([, table]) => table);
    const twice = tables.find((table, index) => tables.indexOf(table) !== index);
    return twice === undefined ? [] : [`${source.path} changes ${twice} twice in one statement`];
  });
}

/**
 * The store's SQL keeps to what PostgreSQL and CockroachDB share; its migrations may run twice, and expand before they
 * contract.
 */
export async function portableSql(root: string): Promise<Finding> {
  const folder = join(root, 'src/store/sql');
  const entries = existsSync(folder) ? await readdir(folder, { recursive: true, withFileTypes: true }) : [];
  const paths = entries
    .filter((entry) => entry.isFile() && /\.(sql|ts)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !relative(folder, path).startsWith(POSTGRESQL_ONLY));
  const sources: Source[] = [];
  for (const path of paths) sources.push({ path: relative(root, path), text: await readFile(path, 'utf8') });
  const checks = [brokenRules, severalStatements, notStored, changedTwice];
  const lines = [
    ...sources.flatMap((source) => checks.flatMap((check) => check(source))),
    ...contractionProblems(sources.filter(isMigration)),
  ];
  const status = paths.length > 0 && lines.length === 0 ? 'passed' : 'failed';
  return {
    status,
    seen: `${paths.length} files`,
    output: paths.length === 0 ? 'the check saw no files' : lines.join('\n'),
  };
}
