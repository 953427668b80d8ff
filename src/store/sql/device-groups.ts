import type { DeviceGroup, DeviceGroupStore, GroupChanged } from '../../policy/store.ts';
import type { Database } from './database.ts';
import { prepared } from './engine/statement.ts';
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
   ON CONFLICT (group_name, device_id) DO NOTHING`,
);

const REMOVE = prepared(
  'remove-device-group-member',
  'DELETE FROM device_group_member WHERE group_name = $1 AND device_id = ANY($2::UUID[])',
);

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
        const added = (await sql.query(ADD, [group, deviceIds, by, at])).rowCount;
        const { devices } = (await sql.query<{ devices: bigint }>(COUNT, [group])).rows[0]!;
        if (devices > MAXIMUM_DEVICES) throw new GroupTooLarge();
        if (added > 0) await takeGeneration(sql);
        return { outcome: 'changed', devices: Number(devices), changed: added };
      })
      .catch((error: unknown): GroupChanged => {
        // Thrown, so that the rows that are too many are rolled back.
        if (error instanceof GroupTooLarge) return { outcome: 'limit-reached' };
        throw error;
      });
  }

  removeMembers(group: string, deviceIds: readonly string[]): Promise<GroupChanged> {
    return this.#database.transaction(async (sql): Promise<GroupChanged> => {
      const removed = (await sql.query(REMOVE, [group, deviceIds])).rowCount;
      const { devices } = (await sql.query<{ devices: bigint }>(COUNT, [group])).rows[0]!;
      if (removed > 0) await takeGeneration(sql);
      return { outcome: 'changed', devices: Number(devices), changed: removed };
    });
  }
}

class GroupTooLarge extends Error {}
