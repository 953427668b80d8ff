import { BrokenInvariant } from '../targets/target.ts';

/** Kind of what a run found. */
export type ProblemKind = 'threw' | 'broken-invariant' | 'slow' | 'memory' | 'stalled';

/** What is wrong with one run. */
export interface Problem {
  readonly kind: ProblemKind;
  readonly message: string;
  readonly stack: string;
}

/** A problem with the input that shows it. */
export interface Finding extends Problem {
  readonly reader: string;
  readonly run: number;
  readonly input: Uint8Array;
}

const MAXIMUM_MESSAGE = 2000;

/** A thrown value as a problem. */
export function problemOf(thrown: unknown): Problem {
  const kind = thrown instanceof BrokenInvariant ? 'broken-invariant' : 'threw';
  const { message, stack } = thrown instanceof Error ? thrown : new Error(`threw ${typeof thrown}: ${String(thrown)}`);
  return { kind, message: message.slice(0, MAXIMUM_MESSAGE), stack: (stack ?? '').slice(0, MAXIMUM_MESSAGE) };
}

/** The same for problems that have most likely one cause: kind, what is said before a colon, and where it happened. */
export function signatureOf({ kind, message, stack }: Problem): string {
  const said = message.split(':', 1)[0]!.replaceAll(/\d+/g, '#');
  const place = stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 2)
    .join(' ');
  return `${kind} ${said} ${place}`;
}
