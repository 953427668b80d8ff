import type { KillScope, StandingKill } from '../../devices/kill-switch.ts';
import {
  type KillReach,
  KillRecordLost,
  type KillReplica,
  type KillReplicaStore,
} from '../../devices/kill-switch-store.ts';
import type { Database } from './database.ts';
import { prepared } from './engine/statement.ts';
import { killSelectorFromJson } from './kill-selector.ts';

/** The head, where it is no earlier than the latest switch: whoever takes it away or sets it back lifts nothing. */
const HEAD = `SELECT h.generation FROM kill_switch_head h
  WHERE h.singleton AND h.generation >= (SELECT COALESCE(MAX(k.generation), 0) FROM kill_switch k)`;

const GENERATION = prepared('kill-generation', HEAD);

const RENEW = prepared(
  'renew-kill-lease',
  `INSERT INTO kill_switch_replica (id, name, acknowledged, valid_until)
   VALUES ($1, $2, $3, now() + $4 * INTERVAL '1 millisecond')
   ON CONFLICT (id) DO UPDATE SET acknowledged = excluded.acknowledged, valid_until = excluded.valid_until
   RETURNING (${HEAD}) AS generation`,
);

// One statement, so that generation and switches are of one instant.
const STANDING = prepared(
  'standing-kill-switches',
  `SELECT h.generation, k.id, k.scope, k.selector
     FROM (${HEAD}) h LEFT JOIN kill_switch k ON k.lifted_at IS NULL
    ORDER BY k.generation`,
);

const REACHED = prepared(
  'kill-switch-reached',
  `INSERT INTO kill_switch_reach (kill_switch_id, replica_id, sessions, pin_entries, reached_at)
   VALUES ($1, $2, $3, $4, now()) ON CONFLICT (kill_switch_id, replica_id) DO NOTHING`,
);

const LEAVE = prepared('leave-kill-lease', 'DELETE FROM kill_switch_replica WHERE id = $1');

// Whatever such a process had under way has long ended; one that wakes takes a lease before it lets anything pass.
const FORGET_SILENT = prepared(
  'forget-silent-kill-leases',
  `DELETE FROM kill_switch_replica WHERE valid_until < now() - INTERVAL '10 minutes' AND id <> $1`,
);

interface StandingRow {
  readonly generation: bigint;
  readonly id: string | null;
  readonly scope: KillScope;
  readonly selector: unknown;
}

/** What replicas ask of the record of kill switches, in SQL. */
export class SqlKillReplicaStore implements KillReplicaStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async generation(): Promise<bigint> {
    const [row] = await this.#database.read<{ generation: bigint }>(GENERATION, []);
    return latest(row?.generation);
  }

  async renew({ id, name }: KillReplica, enforced: bigint, leaseMilliseconds: number): Promise<bigint> {
    const { rows } = await this.#database.change<{ generation: bigint | null }>(RENEW, [
      id,
      name,
      enforced,
      leaseMilliseconds,
    ]);
    return latest(rows[0]?.generation);
  }

  async standing(): Promise<{ readonly generation: bigint; readonly switches: readonly StandingKill[] }> {
    const rows = await this.#database.read<StandingRow>(STANDING, []);
    const [first] = rows;
    const generation = latest(first?.generation);
    const switches = rows.flatMap(({ id, scope, selector }) =>
      id === null ? [] : [{ id, scope, selector: killSelectorFromJson(selector) }],
    );
    return { generation, switches };
  }

  async reached(replicaId: string, reach: readonly KillReach[]): Promise<void> {
    for (const { killId, sessions, pinEntries } of reach)
      await this.#database.change(REACHED, [killId, replicaId, sessions, pinEntries]);
  }

  async leave(replicaId: string): Promise<void> {
    await this.#database.change(LEAVE, [replicaId]);
    await this.#database.change(FORGET_SILENT, [replicaId]);
  }
}

function latest(generation: bigint | null | undefined): bigint {
  if (generation === null || generation === undefined) throw new KillRecordLost();
  return generation;
}
