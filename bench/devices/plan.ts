import { z } from 'zod';
import type { DeviceQuery } from '../../src/devices/search.ts';
import { searchStatement } from '../../src/store/sql/device-search.ts';
import type { SqlPool } from '../../src/store/sql/engine/pool.ts';

const nodeSchema = z.looseObject({
  'Node Type': z.string(),
  'Index Name': z.string().optional(),
  get Plans() {
    return z.array(nodeSchema).optional();
  },
});
type PlanNode = z.infer<typeof nodeSchema>;

const explainedSchema = z.tuple([z.looseObject({ Plan: nodeSchema })]);

function nodesOf(node: PlanNode): readonly PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

/**
 * The indexes by which PostgreSQL answers a search where it is free to choose: sequential scans are allowed for this. Throws
 * for a plan that reads the whole table.
 */
export function indexesOfSearch(pool: SqlPool, query: DeviceQuery): Promise<readonly string[]> {
  return pool.withConnection(async (connection) => {
    await connection.query("SELECT set_config('enable_seqscan', 'on', false)");
    try {
      const { text, values } = searchStatement(query);
      const { rows } = await connection.query<{ 'QUERY PLAN': unknown }>(`EXPLAIN (FORMAT JSON) ${text}`, values);
      const [{ Plan: plan }] = explainedSchema.parse(rows[0]?.['QUERY PLAN']);
      const nodes = nodesOf(plan);
      if (nodes.some((node) => node['Node Type'].includes('Seq Scan')))
        throw new Error('a search reads the whole table');
      const indexes = nodes.flatMap((node) => node['Index Name'] ?? []);
      if (indexes.length === 0) throw new Error('a search uses no index');
      return [...new Set(indexes)];
    } finally {
      await connection.query("SELECT set_config('enable_seqscan', 'off', false)");
    }
  });
}
