import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding } from './finding.ts';

/** One package of package-lock.json, version 3; its key is its path. */
export interface LockEntry {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly optional?: boolean;
  readonly dev?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** The packages of package-lock.json by their paths; the repository itself is ''. */
export type LockPackages = Readonly<Record<string, LockEntry>>;

/** A dependency that the lock names without saying which package it is. */
export interface Unlocked {
  readonly dependent: string;
  readonly name: string;
  readonly range: string;
  readonly optional: boolean;
}

/** Node looks a package up beside its dependent and then in each folder above. */
function isLocked(packages: LockPackages, dependent: string, name: string): boolean {
  const parts = dependent.split('/node_modules/');
  const folders = parts.map((_, index) => `${parts.slice(0, index + 1).join('/node_modules/')}/`);
  return ['', ...folders.filter((folder) => folder !== '/')].some(
    (folder) => packages[`${folder}node_modules/${name}`] !== undefined,
  );
}

/** What the lock names and does not hold. `npm ci` refuses such a lock. */
export function unlocked(packages: LockPackages): readonly Unlocked[] {
  return Object.entries(packages).flatMap(([dependent, entry]) =>
    (['dependencies', 'optionalDependencies'] as const).flatMap((kind) =>
      Object.entries(entry[kind] ?? {})
        .filter(([name]) => !isLocked(packages, dependent, name))
        .map(([name, range]) => ({ dependent, name, range, optional: kind === 'optionalDependencies' })),
    ),
  );
}

/** Reads package-lock.json of a checkout. */
export async function readLock(root: string): Promise<{ readonly packages: LockPackages }> {
  return JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
}

function isForOnePlatform(entry: LockEntry): boolean {
  return entry.optional === true && entry.os !== undefined;
}

/**
 * package-lock.json is whole, pins packages by their hashes and names no registry's address. A package for another
 * platform may lack its hash, where the registry of whoever locked it did not have it.
 */
export async function lockfile(root: string): Promise<Finding> {
  const { packages } = await readLock(root);
  const entries = Object.entries(packages).filter(([path]) => path !== '');
  const lines = [
    ...entries.flatMap(([path, entry]) => [
      ...(entry.resolved === undefined ? [] : [`${path} names an address`]),
      ...(entry.integrity === undefined && !isForOnePlatform(entry) ? [`${path} has no hash`] : []),
    ]),
    ...unlocked(packages).map(({ dependent, name }) => `${dependent} needs ${name}, which is not locked`),
  ];
  const advice = lines.length > 0 ? ['for packages of other platforms, run `node src/checks/complete-lock.ts`'] : [];
  const status = entries.length > 0 && lines.length === 0 ? 'passed' : 'failed';
  return { status, seen: `${entries.length} packages`, output: [...lines, ...advice].join('\n') };
}
