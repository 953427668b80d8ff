import { canonicalJson } from './version.ts';

/** One member in which two documents differ. */
export interface Difference {
  /** Members by their names, entries of lists by the name that identifies them or by their number. */
  readonly path: string;
  /** The path with `[]` for every entry of a list: what it is, whichever entry. */
  readonly member: string;
  /** Undefined where the document does not have it. */
  readonly before: unknown;
  readonly after: unknown;
}

/** The members that tell the entries of a list apart; null where their order does. */
export type Identity = (member: string) => readonly string[] | null;

type Members = Readonly<Record<string, unknown>>;

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * What differs between two documents, in the order of their members. Lists of entries that can be told apart are compared
 * entry by entry, other lists of objects by position, and lists of plain values as a whole.
 */
export function differencesOf(before: unknown, after: unknown, identity: Identity): readonly Difference[] {
  return compare({ path: '', member: '', before, after }, identity);
}

function compare(at: Difference, identity: Identity): readonly Difference[] {
  const { before, after } = at;
  if (sameValue(before, after)) return [];
  if (isMembers(before) && isMembers(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => compare(below(at, name, name, before[name], after[name]), identity));
  }
  if (Array.isArray(before) && Array.isArray(after) && [...before, ...after].every(isMembers)) {
    return entries(at, before as Members[], after as Members[], identity);
  }
  return [at];
}

function sameValue(a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonicalJson(a) === canonicalJson(b);
}

function below(at: Difference, name: string, member: string, before: unknown, after: unknown): Difference {
  const joined = (head: string, tail: string): string => (head === '' ? tail : `${head}.${tail}`);
  return {
    path: joined(at.path, name),
    member: member === '[]' ? `${at.member}[]` : joined(at.member, member),
    before,
    after,
  };
}

function entries(
  at: Difference,
  before: readonly Members[],
  after: readonly Members[],
  identity: Identity,
): readonly Difference[] {
  const members = identity(at.member);
  const named = (list: readonly Members[]): Map<string, Members> =>
    new Map(list.map((entry, index) => [nameOf(entry, members) ?? String(index), entry]));
  const [old, fresh] = [named(before), named(after)];
  const names = [...new Set([...old.keys(), ...fresh.keys()])];
  return names.flatMap((name) => compare(below(at, `[${name}]`, '[]', old.get(name), fresh.get(name)), identity));
}

function nameOf(entry: Members, members: readonly string[] | null): string | null {
  if (members === null) return null;
  return members.map((member) => String(entry[member] ?? '*')).join(' ');
}
