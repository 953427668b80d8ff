import type { SqlPool } from '../../../src/store/sql/engine/pool.ts';

/** Every row of the service's tables, each as a digest, by table. */
export type Snapshot = ReadonlyMap<string, readonly string[]>;

/** How many rows of which table came and went; tables without a change are absent. A changed row comes and goes. */
export type RowChanges = Readonly<Record<string, { readonly came: number; readonly went: number }>>;

/** Takes a picture of the whole database. */
export async function snapshot(pool: SqlPool): Promise<Snapshot> {
  const tables = await pool.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables
      WHERE table_schema = 'public' AND table_name <> 'schema_version' ORDER BY 1`,
  );
  const digests = tables.rows.map(({ name }) => `SELECT '${name}' AS name, md5(t::text) AS row FROM "${name}" t`);
  const { rows } = await pool.query<{ name: string; row: string }>(digests.join(' UNION ALL '));
  const all = new Map<string, string[]>();
  for (const { name, row } of rows) all.set(name, [...(all.get(name) ?? []), row]);
  return all;
}

/** What differs between two pictures. */
export function rowChanges(before: Snapshot, after: Snapshot): RowChanges {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const entries = names.map((name) => {
    const [was, is] = [new Set(before.get(name)), new Set(after.get(name))];
    return [
      name,
      { came: [...is].filter((row) => !was.has(row)).length, went: [...was].filter((row) => !is.has(row)).length },
    ] as const;
  });
  return Object.fromEntries(entries.filter(([, { came, went }]) => came + went > 0));
}
