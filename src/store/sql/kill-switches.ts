import type { KillScope, KillSelector } from '../../devices/kill-switch.ts';
import type {
  AwaitedReplica,
  KillPreview,
  KillSwitchStore,
  NewKill,
  RecordedKill,
} from '../../devices/kill-switch-store.ts';
import { isUuid } from '../../ports/random.ts';
import type { Database } from './database.ts';
import { CommitUnknown } from './engine/errors.ts';
import { prepared } from './engine/statement.ts';
import { killPreview } from './kill-preview.ts';
import { killSelectorFromJson } from './kill-selector.ts';

interface KillRow {
  readonly id: string;
  readonly generation: bigint;
  readonly scope: KillScope;
  readonly selector: unknown;
  readonly cause: string;
  readonly set_by: string;
  readonly set_at: Date;
  readonly in_force_at: Date | null;
  readonly lifted_by: string | null;
  readonly lift_cause: string | null;
  readonly lifted_at: Date | null;
  readonly replicas: bigint;
  readonly sessions: bigint;
  readonly pin_entries: bigint;
}

/**
 * When a replica whose lease has run out is waited for no more, counted from the setting of a switch. Whatever it had
 * begun before has ended by then: a statement after 5 seconds, a transaction that stands still after 10, and the setting
 * itself was committed within 5.
 */
const STATEMENTS_END_WITHIN = 20_000;

const COLUMNS = `k.id, k.generation, k.scope, k.selector, k.cause, k.set_by, k.set_at, k.in_force_at, k.lifted_by,
  k.lift_cause, k.lifted_at,
  (SELECT COUNT(*) FROM kill_switch_reach r WHERE r.kill_switch_id = k.id) AS replicas,
  (SELECT COALESCE(SUM(r.sessions), 0)::INT8 FROM kill_switch_reach r WHERE r.kill_switch_id = k.id) AS sessions,
  (SELECT COALESCE(SUM(r.pin_entries), 0)::INT8 FROM kill_switch_reach r WHERE r.kill_switch_id = k.id) AS pin_entries`;

const SET = prepared(
  'set-kill-switch',
  `WITH head AS (
     INSERT INTO kill_switch_head (singleton, generation) VALUES (TRUE, 1)
     ON CONFLICT (singleton) DO UPDATE SET generation = kill_switch_head.generation + 1
     RETURNING generation)
   INSERT INTO kill_switch (id, generation, scope, selector, cause, set_by, set_at)
   SELECT $1, generation, $2, $3::jsonb, $4, $5, now() FROM head`,
);

const LIFT = prepared(
  'lift-kill-switch',
  `WITH lifted AS (
     UPDATE kill_switch SET lifted_by = $2, lift_cause = $3, lifted_at = now()
      WHERE id = $1 AND lifted_at IS NULL
     RETURNING id)
   INSERT INTO kill_switch_head (singleton, generation) SELECT TRUE, 1 FROM lifted
   ON CONFLICT (singleton) DO UPDATE SET generation = kill_switch_head.generation + 1`,
);

const KILL = prepared('kill-switch', `SELECT ${COLUMNS} FROM kill_switch k WHERE k.id = $1`);

const LIST = prepared(
  'kill-switches',
  `SELECT ${COLUMNS} FROM kill_switch k WHERE k.lifted_at IS NULL OR $1
    ORDER BY k.lifted_at IS NOT NULL, k.generation DESC LIMIT $2`,
);

const AWAITED = prepared(
  'kill-switch-awaited',
  `SELECT r.name, r.valid_until > now() AS live
     FROM kill_switch_replica r
    WHERE r.acknowledged < $1
      AND (r.valid_until > now()
        OR now() < (SELECT k.set_at FROM kill_switch k WHERE k.generation = $1) + $2 * INTERVAL '1 millisecond')
    ORDER BY r.name, r.id`,
);

const IN_FORCE = prepared(
  'kill-switch-in-force',
  'UPDATE kill_switch SET in_force_at = COALESCE(in_force_at, now()) WHERE id = $1 RETURNING in_force_at',
);

/** The record of kill switches in SQL. */
export class SqlKillSwitchStore implements KillSwitchStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async set({ id, scope, selector, cause, by }: NewKill): Promise<RecordedKill> {
    try {
      await this.#database.change(SET, [id, scope, JSON.stringify(selector), cause, by]);
    } catch (error) {
      if (!(error instanceof CommitUnknown)) throw error;
      const standing = await this.kill(id);
      if (standing === null) throw error;
      return standing;
    }
    const set = await this.kill(id);
    if (set === null) throw new Error('a kill switch that was set is gone');
    return set;
  }

  async lift(id: string, by: string, cause: string): Promise<RecordedKill | null> {
    if (!isUuid(id)) return null;
    await this.#database.change(LIFT, [id, by, cause]);
    return this.kill(id);
  }

  async kill(id: string): Promise<RecordedKill | null> {
    if (!isUuid(id)) return null;
    const [row] = await this.#database.read<KillRow>(KILL, [id]);
    return row === undefined ? null : killFromRow(row);
  }

  async list(withLifted: boolean, limit: number): Promise<readonly RecordedKill[]> {
    return (await this.#database.read<KillRow>(LIST, [withLifted, limit])).map(killFromRow);
  }

  awaited(generation: bigint): Promise<readonly AwaitedReplica[]> {
    return this.#database.read<AwaitedReplica>(AWAITED, [generation, STATEMENTS_END_WITHIN]);
  }

  async inForce(id: string): Promise<Date> {
    const { rows } = await this.#database.change<{ in_force_at: Date }>(IN_FORCE, [id]);
    const [row] = rows;
    if (row === undefined) throw new Error('a kill switch that was set is gone');
    return row.in_force_at;
  }

  preview(selector: KillSelector, sample: number): Promise<KillPreview> {
    return killPreview(this.#database, selector, sample);
  }
}

function killFromRow(row: KillRow): RecordedKill {
  const { lifted_by: by, lift_cause: cause, lifted_at: at } = row;
  return {
    id: row.id,
    generation: row.generation,
    scope: row.scope,
    selector: killSelectorFromJson(row.selector),
    cause: row.cause,
    by: row.set_by,
    setAt: row.set_at,
    inForceAt: row.in_force_at,
    lifted: at === null ? null : { by: by ?? '', cause: cause ?? '', at },
    reached: {
      replicas: Number(row.replicas),
      sessions: Number(row.sessions),
      pinEntries: Number(row.pin_entries),
    },
  };
}
