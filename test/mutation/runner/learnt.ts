import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RegisteredTest } from './registry.ts';

/** What the first run of all tests has shown, for every process that tries mutants. */
export interface Learnt {
  /** Ids of the tests that mutants are tried with, the fastest first. */
  readonly order: readonly string[];
  /** By mutant: test files whose loading runs its code; `*` where loading the room does. */
  readonly loadedBy: Readonly<Record<string, readonly string[]>>;
  /** By source: test files that import it, directly or not, the nearest first. */
  readonly reachedBy: Readonly<Record<string, readonly string[]>>;
}

const FILE = 'mutation-learnt.json';

/** Keeps it in the copy of the repository that is tested. */
export function writeLearnt(root: string, learnt: Learnt): void {
  writeFileSync(join(root, FILE), JSON.stringify(learnt));
}

/** Reads it. Throws before the first run. */
export function readLearnt(root: string): Learnt {
  return JSON.parse(readFileSync(join(root, FILE), 'utf8')) as Learnt;
}

/** Those of the tests that mutants are tried with, in that order. */
export function inOrder(tests: readonly RegisteredTest[], order: readonly string[]): readonly RegisteredTest[] {
  const byId = new Map(tests.map((test) => [test.id, test]));
  return order.flatMap((id) => byId.get(id) ?? []);
}
