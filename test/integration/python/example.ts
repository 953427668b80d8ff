import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from '../../../src/checks/root.ts';

/** The example of exact bytes as docs/integration-app.md shows it: values by name. */
export async function readExample(): Promise<Readonly<Record<string, string>>> {
  const page = await readFile(join(ROOT, 'docs/integration-app.md'), 'utf8');
  const block = /^```text\n(.*?)^```$/ms.exec(page)?.[1] ?? '';
  const rows = block.split('\n').filter((line) => line !== '');
  return Object.fromEntries(rows.map((line) => line.split(/ {2,}/) as [string, string]));
}
