import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Finding } from './engine/problem.ts';

const findingSchema = z.strictObject({
  target: z.string(),
  reader: z.string(),
  kind: z.string(),
  message: z.string(),
  stack: z.string(),
  seed: z.int(),
  run: z.int(),
  /** Hex. */
  input: z.string().regex(/^(?:[0-9a-f]{2})*$/),
  /** What the target had prepared for the run. */
  prepared: z.string(),
});

/** A finding as it is kept in a file, with all that a replay needs. */
export type StoredFinding = z.output<typeof findingSchema>;

/** Writes a finding into a folder; answers the file's path. The same input of a reader gives the same file. */
export function writeFinding(
  folder: string,
  finding: Finding,
  { target, seed, prepared }: { readonly target: string; readonly seed: number; readonly prepared: string },
): string {
  const { input, ...described } = finding;
  const stored: StoredFinding = { target, seed, ...described, input: Buffer.from(input).toString('hex'), prepared };
  const digest = createHash('sha256').update(input).digest('hex').slice(0, 12);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${target}-${finding.reader}-${finding.kind}-${digest}.json`);
  writeFileSync(path, `${JSON.stringify(stored, null, 2)}\n`);
  return path;
}

/** Reads a finding. Throws where the file is none. */
export function readFinding(path: string): StoredFinding {
  return findingSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
}
