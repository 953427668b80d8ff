import type { ToolRun } from './tool.ts';

/** What one check of the repository found. `seen` says what it looked at; `output` is for whoever has to mend it. */
export interface Finding {
  readonly status: 'passed' | 'failed' | 'skipped';
  readonly seen: string;
  readonly output: string;
}

/** A check of the repository whose root folder it is given. */
export type Check = (root: string) => Promise<Finding>;

/**
 * Judges a tool by its exit code and by what it saw: a tool that looked at nothing has failed, whatever it says.
 *
 * @param seen how many things (`noun`) the tool looked at
 */
export function judge(run: ToolRun, seen: number, noun: string): Finding {
  const output = run.stdout + run.stderr;
  if (seen === 0) return { status: 'failed', seen: `no ${noun}`, output: `the tool saw no ${noun}\n${output}` };
  return { status: run.status === 0 ? 'passed' : 'failed', seen: `${seen} ${noun}`, output };
}
