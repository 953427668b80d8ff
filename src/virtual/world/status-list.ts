import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import type { WorldFolder } from './folder.ts';

const listSchema = z.object({ entries: z.record(z.string(), z.unknown()) });

/** Puts a certificate on the list of revoked ones, as their publisher does; `serial` is lower-case hex. */
export async function listKeybox(folder: WorldFolder, serial: string): Promise<void> {
  const file = folder.statusList();
  const { entries } = listSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  const listed = { ...entries, [serial]: { status: 'REVOKED', reason: 'KEY_COMPROMISE' } };
  await writeFile(file, JSON.stringify({ entries: listed }, null, 2));
}
