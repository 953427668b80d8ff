import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { addressAt } from '../../../src/store/sql/engine/embedded/server.ts';
import type { Source } from './scanner.ts';
import { bytesSource } from './sources.ts';

/** Where the embedded database below a folder listens: line 5 of its postmaster.pid. */
function socketFolderBelow(folder: string): string {
  const cluster = readdirSync(folder, { recursive: true }).find((path) => String(path).endsWith('postmaster.pid'));
  if (cluster === undefined) throw new Error('no database runs');
  return readFileSync(join(folder, String(cluster)), 'utf8').split('\n')[4] ?? '';
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Every row of every table as text: bytes as hexadecimal, JSON as it is. */
export async function dumpDatabase(
  folder: string,
): Promise<{ readonly tables: readonly string[]; readonly dump: Source }> {
  const { host, port, user, database } = addressAt(socketFolderBelow(folder));
  const client = new Client({ host, port, user, database });
  await client.connect();
  try {
    const { rows } = await client.query<{ schema: string; table: string }>(
      `SELECT table_schema AS schema, table_name AS table FROM information_schema.tables
       WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2`,
    );
    const lines: string[] = [];
    const filled: string[] = [];
    for (const { schema, table } of rows) {
      const dumped = await client.query<{ row: string }>(
        `SELECT t::text AS row FROM ${quoted(schema)}.${quoted(table)} AS t`,
      );
      if (dumped.rows.length > 0) filled.push(table);
      lines.push(...dumped.rows.map(({ row }) => row));
    }
    return { tables: filled, dump: bytesSource('database', Buffer.from(lines.join('\n'))) };
  } finally {
    await client.end();
  }
}
