import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { MutantResult } from '@stryker-mutator/api/core';

/** What became of the mutants. */
export interface Score {
  readonly killed: number;
  readonly timedOut: number;
  readonly survived: number;
  /** No test runs their code. */
  readonly uncovered: number;
  /** Not code that runs: they say nothing. */
  readonly invalid: number;
  /** Left out, for a reason that is reported. */
  readonly ignored: number;
  /** Killed and timed out, of all that are valid, in percent; null where there are none. */
  readonly percent: number | null;
}

/** Counts mutants by what became of them. */
export function scoreOf(mutants: readonly MutantResult[]): Score {
  const count = (...statuses: readonly string[]): number =>
    mutants.filter(({ status }) => statuses.includes(status)).length;
  const killed = count('Killed');
  const timedOut = count('Timeout');
  const survived = count('Survived');
  const uncovered = count('NoCoverage');
  const valid = killed + timedOut + survived + uncovered;
  return {
    killed,
    timedOut,
    survived,
    uncovered,
    invalid: count(...INVALID),
    ignored: count('Ignored'),
    percent: valid === 0 ? null : ((killed + timedOut) / valid) * 100,
  };
}

const INVALID = new Set<string>(['RuntimeError', 'CompileError', 'Pending']);

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

/** The mutants that no test noticed, in the order of the files: place, mutator, what stood there and what stood instead. */
export function survivorLines(mutants: readonly MutantResult[], root: string): readonly string[] {
  return mutants
    .filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
    .toSorted((a, b) => a.fileName.localeCompare(b.fileName, 'en') || a.location.start.line - b.location.start.line)
    .map(({ fileName, location: { start, end }, mutatorName, replacement, status }) => {
      const lines = readFileSync(fileName, 'utf8')
        .split('\n')
        .slice(start.line - 1, end.line);
      const last = lines.length - 1;
      const original = lines
        .map((line, index) =>
          line.slice(index === 0 ? start.column - 1 : 0, index === last ? end.column - 1 : undefined),
        )
        .join(' ');
      const place = `${relative(root, fileName)}:${start.line}:${start.column}`;
      const uncovered = status === 'NoCoverage' ? ' (no test runs it)' : '';
      return `${place} ${mutatorName}${uncovered}: ${oneLine(original)} => ${oneLine(replacement ?? '')}`;
    });
}

const placed =
  (root: string) =>
  ({ fileName, location: { start }, mutatorName, status, statusReason = '' }: MutantResult): string =>
    `${relative(root, fileName)}:${start.line}:${start.column} ${mutatorName} ${status}: ${oneLine(statusReason).slice(0, 300)}`;

/** Mutants that could not be tried, with what went wrong. */
export function invalidLines(mutants: readonly MutantResult[], root: string): readonly string[] {
  return mutants.filter(({ status }) => INVALID.has(status)).map(placed(root));
}

/** Mutants that count as noticed since they did not end: each may take as long as the time-out. */
export function timedOutLines(mutants: readonly MutantResult[], root: string): readonly string[] {
  return mutants.filter(({ status }) => status === 'Timeout').map(placed(root));
}

/** Reasons for which mutants were left out, with their numbers. */
export function ignoredLines(mutants: readonly MutantResult[]): readonly string[] {
  const reasons = new Map<string, number>();
  for (const { status, statusReason = 'no reason' } of mutants) {
    if (status === 'Ignored') reasons.set(statusReason, (reasons.get(statusReason) ?? 0) + 1);
  }
  return [...reasons].map(([reason, number]) => `${number} left out: ${reason}`);
}
