import { basename } from 'node:path';

/** One migration: `NNN.do.name.sql` and its text. */
export interface Migration {
  readonly path: string;
  readonly text: string;
}

const NAME = /^(\d{3})\.do\.([a-z0-9-]+)\.sql$/;
const MARK = /^-- contract: \S.*; expand (\d{3})$/m;

/** What the program of before may still read or write, or what it does not yet write. */
const CONTRACTS: readonly (readonly [string, RegExp])[] = [
  ['drops what an older program may use', /\bDROP (TABLE|COLUMN|VIEW)\b/i],
  ['renames what an older program may use', /\bRENAME\b/i],
  ['asks for a value that an older program does not write', /\bSET NOT NULL\b/i],
  ['takes a value away that an older program leaves out', /\bDROP DEFAULT\b/i],
  ['refuses rows that an older program may write', /\bADD (CONSTRAINT \w+ )?(CHECK|UNIQUE|FOREIGN KEY|PRIMARY KEY)\b/i],
];

/** A column that is NOT NULL without a default: no row of before has a value. */
function addsRequiredColumn(text: string): boolean {
  return text
    .split(/\bADD COLUMN\b/i)
    .slice(1)
    .some((column) => /\bNOT NULL\b/i.test(column) && !/\bDEFAULT\b/i.test(column));
}

function contractionsOf(text: string): readonly string[] {
  const found = CONTRACTS.filter(([, pattern]) => pattern.test(text)).map(([what]) => what);
  return addsRequiredColumn(text) ? [...found, 'adds a required column that no row of before has'] : found;
}

function withoutComments(text: string): string {
  return text.replace(/--.*$/gm, '');
}

function problemsOf({ path, text }: Migration, numbers: ReadonlySet<number>): readonly string[] {
  const [, digits, name = ''] = NAME.exec(basename(path)) ?? [];
  const number = Number(digits);
  const found = contractionsOf(withoutComments(text));
  const mark = MARK.exec(text)?.[1];
  const isNamed = name.startsWith('contract-');
  if (found.length === 0)
    return isNamed || mark !== undefined ? [`${path} is called a contraction and takes nothing away`] : [];
  if (mark === undefined)
    return [`${path} ${found.join('; ')}: expand first, then say "-- contract: why; expand NNN" in a later migration`];
  const expanded = Number(mark);
  const problems: string[] = [];
  if (!isNamed)
    problems.push(`${path} is a contraction: name it NNN.do.contract-name.sql, by which older programs know`);
  if (!numbers.has(expanded)) problems.push(`${path} names the migration ${mark}, which is not there`);
  if (!(expanded < number)) problems.push(`${path} is not later than the migration ${mark}, which it contracts`);
  return problems;
}

/**
 * Expand, migrate, contract: while a new version is rolled out, replicas of the old one use the same schema. What takes
 * something away from them is marked, comes after the migration that made it superfluous, and bears a name by which an
 * older program knows that the schema is not its own any more.
 */
export function contractionProblems(migrations: readonly Migration[]): readonly string[] {
  const numbers = new Set(migrations.map(({ path }) => Number.parseInt(basename(path), 10)));
  return migrations.flatMap((migration) => problemsOf(migration, numbers));
}
