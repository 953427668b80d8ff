import type { DeviceGroup, DeviceGroupStore, GroupChange, GroupChanged } from '../../policy/store.ts';
import type { Database } from './database.ts';
import { prepared, type SqlSession } from './engine/statement.ts';
import { takeGeneration } from './policies.ts';

/** Devices of one group; each replica holds those of the groups that policy is assigned to. */
const MAXIMUM_DEVICES = 10_000n;

const GROUPS = prepared(
  'device-groups',
  'SELECT group_name, COUNT(*) AS devices FROM device_group_member GROUP BY group_name ORDER BY group_name',
);

const MEMBERS = prepared(
  'device-group-members',
  `SELECT device_id FROM device_group_member
    WHERE group_name = $1 AND ($2::UUID IS NULL OR device_id > $2) ORDER BY device_id LIMIT $3`,
);

const KNOWN = prepared('known-devices', 'SELECT id FROM device WHERE id = ANY($1::UUID[])');

const COUNT = prepared(
  'count-device-group',
  'SELECT COUNT(*) AS devices FROM device_group_member WHERE group_name = $1',
);

const ADD = prepared(
  'add-device-group-member',
  `INSERT INTO device_group_member (group_name, device_id, added_by, added_at)
   SELECT $1, id, $3, $4 FROM device WHERE id = ANY($2::UUID[])
   ON CONFLICT (group_name, device_id) DO NOTHING RETURNING device_id`,
);

const REMOVE = prepared(
  'remove-device-group-member',
  'DELETE FROM device_group_member WHERE group_name = $1 AND device_id = ANY($2::UUID[]) RETURNING device_id',
);

const NOTE_CHANGE = prepared(
  'note-device-group-change',
  `INSERT INTO device_group_change (number, group_name, change, device_ids, changed_by, changed_at)
   VALUES ($1, $2, $3, $4::JSONB, $5, $6)`,
);

const CHANGES = prepared(
  'device-group-changes',
  `SELECT number, change, device_ids, changed_by, changed_at FROM device_group_change
    WHERE group_name = $1 AND ($2::INT8 IS NULL OR number < $2) ORDER BY number DESC LIMIT $3`,
);

interface ChangeRow {
  readonly number: bigint;
  readonly change: GroupChange['change'];
  readonly device_ids: readonly string[];
  readonly changed_by: string;
  readonly changed_at: Date;
}

/** Device groups in SQL. */
export class SqlDeviceGroupStore implements DeviceGroupStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async groups(): Promise<readonly DeviceGroup[]> {
    const rows = await this.#database.read<{ group_name: string; devices: bigint }>(GROUPS, []);
    return rows.map(({ group_name: name, devices }) => ({ name, devices: Number(devices) }));
  }

  async members(group: string, after: string | null, limit: number): Promise<readonly string[]> {
    const rows = await this.#database.read<{ device_id: string }>(MEMBERS, [group, after, limit]);
    return rows.map(({ device_id }) => device_id);
  }

  addMembers(group: string, deviceIds: readonly string[], by: string, at: Date): Promise<GroupChanged> {
    return this.#database
      .transaction(async (sql): Promise<GroupChanged> => {
        const known = new Set((await sql.query<{ id: string }>(KNOWN, [deviceIds])).rows.map(({ id }) => id));
        const unknown = deviceIds.find((id) => !known.has(id.toLowerCase()));
        if (unknown !== undefined) return { outcome: 'no-such-device', deviceId: unknown };
        const { rows: added } = await sql.query<{ device_id: string }>(ADD, [group, deviceIds, by, at]);
        const { devices } = (await sql.query<{ devices: bigint }>(COUNT, [group])).rows[0]!;
        if (devices > MAXIMUM_DEVICES) throw new GroupTooLarge();
        await noteChange(sql, group, { change: 'added', deviceIds: idsOf(added), by, at });
        return { outcome: 'changed', devices: Number(devices), changed: added.length };
      })
      .catch((error: unknown): GroupChanged => {
        // Thrown, so that the rows that are too many are rolled back.
        if (error instanceof GroupTooLarge) return { outcome: 'limit-reached' };
        throw error;
      });
  }

  removeMembers(group: string, deviceIds: readonly string[], by: string, at: Date): Promise<GroupChanged> {
    return this.#database.transaction(async (sql): Promise<GroupChanged> => {
      const { rows: removed } = await sql.query<{ device_id: string }>(REMOVE, [group, deviceIds]);
      const { devices } = (await sql.query<{ devices: bigint }>(COUNT, [group])).rows[0]!;
      await noteChange(sql, group, { change: 'removed', deviceIds: idsOf(removed), by, at });
      return { outcome: 'changed', devices: Number(devices), changed: removed.length };
    });
  }

  async changes(group: string, before: bigint | null, limit: number): Promise<readonly GroupChange[]> {
    const rows = await this.#database.read<ChangeRow>(CHANGES, [group, before, limit]);
    return rows.map(({ number, change, device_ids: deviceIds, changed_by: by, changed_at: at }) => ({
      number,
      change,
      deviceIds,
      by,
      at,
    }));
  }
}

const idsOf = (rows: readonly { readonly device_id: string }[]): readonly string[] =>
  rows.map(({ device_id }) => device_id).sort();

/** A change is a new generation, and a row of its own; nothing came or went, nothing changed. */
async function noteChange(sql: SqlSession, group: string, made: Omit<GroupChange, 'number'>): Promise<void> {
  const { change, deviceIds, by, at } = made;
  if (deviceIds.length === 0) return;
  const number = await takeGeneration(sql);
  await sql.query(NOTE_CHANGE, [number, group, change, JSON.stringify(deviceIds), by, at]);
}

class GroupTooLarge extends Error {}
