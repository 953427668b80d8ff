import type { AttestedState, Device, DeviceStatus } from '../../devices/device.ts';
import type { AppraisalRecord, AttestedSession, DevicePage, DeviceStore, NewSession } from '../../devices/store.ts';
import { isUuid } from '../../ports/random.ts';
import {
  type AppraisalRow,
  appraisalFromRow,
  attestedFromJson,
  attestedToJson,
  factsToJson,
  platformFromJson,
} from './attested.ts';
import type { Database } from './database.ts';
import { prepared, type SqlSession } from './engine/statement.ts';

interface DeviceRow {
  readonly id: string;
  readonly acquirer: string;
  readonly merchant: string;
  readonly status: DeviceStatus;
  readonly device_key: Buffer;
  readonly attested: unknown;
  readonly enrolled_at: Date;
  readonly attested_at: Date;
}

interface SessionRow {
  readonly thumbprint: string;
  readonly device_id: string;
  readonly public_key: Buffer;
  readonly status: 'active' | 'revoked';
  readonly pin_forbidden: boolean;
  readonly acquirer: string;
  readonly merchant: string;
  readonly device_status: DeviceStatus;
  readonly session_thumbprint: string;
  readonly facts: unknown;
}

const COLUMNS = 'id, acquirer, merchant, status, device_key, attested, enrolled_at, attested_at';

const SELECT_DEVICE = prepared('device', `SELECT ${COLUMNS} FROM device WHERE id = $1`);

const SELECT_SESSION = prepared(
  'session',
  `SELECT s.thumbprint, s.device_id, s.public_key, s.status, s.pin_forbidden, s.facts, d.acquirer, d.merchant,
          d.status AS device_status, d.session_thumbprint
     FROM attested_session s JOIN device d ON d.id = s.device_id
    WHERE s.thumbprint = $1`,
);

const USE_INVITE = prepared(
  'use-invite',
  `UPDATE invite SET state = 'used', device_id = $2
    WHERE id = $1 AND state = 'open' AND expires_at > $3
    RETURNING acquirer, merchant`,
);

const INSERT_DEVICE = prepared(
  'insert-device',
  `INSERT INTO device (id, acquirer, merchant, status, device_key, session_thumbprint, attested, enrolled_at, attested_at)
   VALUES ($1, $2, $3, 'active', $4, $5, $6::jsonb, $7, $7)`,
);

const INSERT_SESSION = prepared(
  'insert-session',
  `INSERT INTO attested_session (thumbprint, device_id, public_key, status, pin_forbidden, facts, created_at)
   VALUES ($1, $2, $3, 'active', $6, $4::jsonb, $5)`,
);

const INSERT_APPRAISAL = prepared(
  'insert-appraisal',
  `INSERT INTO appraisal (id, device_id, appraised_at, policy_version, checks, facts)
   VALUES ($1, $2, $3, $4, $5::jsonb, $6::jsonb)`,
);

const RENEW_DEVICE = prepared(
  'renew-device',
  `UPDATE device SET session_thumbprint = $2, attested = $3::jsonb, attested_at = $4
    WHERE id = $1 AND status = 'active'`,
);

const REVOKE_DEVICE = prepared(
  'revoke-device',
  `UPDATE device SET status = 'revoked', revoked_at = $2, revoked_by = $3, revoked_cause = $4
    WHERE id = $1 AND status <> 'revoked'`,
);

const REVOKE_SESSIONS = prepared(
  'revoke-sessions',
  `UPDATE attested_session SET status = 'revoked' WHERE device_id = $1 AND status = 'active'`,
);

const LIST_DEVICES = prepared(
  'list-devices',
  `SELECT ${COLUMNS} FROM device
    WHERE ($1::uuid IS NULL OR id > $1) AND ($2::text IS NULL OR merchant = $2)
    ORDER BY id LIMIT $3`,
);

const LAST_APPRAISAL = prepared(
  'last-appraisal',
  `SELECT id, appraised_at, policy_version, checks FROM appraisal
    WHERE device_id = $1 ORDER BY appraised_at DESC LIMIT 1`,
);

function deviceFromRow(row: DeviceRow): Device {
  return {
    id: row.id,
    acquirer: row.acquirer,
    merchant: row.merchant,
    status: row.status,
    deviceKey: row.device_key,
    attested: attestedFromJson(row.attested),
    enrolledAt: row.enrolled_at,
    attestedAt: row.attested_at,
  };
}

async function insertSession(session: SqlSession, deviceId: string, attested: NewSession): Promise<void> {
  const { thumbprint, publicKey, pinForbidden, appraisal } = attested;
  const facts = factsToJson(appraisal.facts);
  await session.query(INSERT_SESSION, [thumbprint, deviceId, publicKey, facts, appraisal.appraisedAt, pinForbidden]);
  const { id, appraisedAt, policyVersion, checks } = appraisal;
  await session.query(INSERT_APPRAISAL, [id, deviceId, appraisedAt, policyVersion, JSON.stringify(checks), facts]);
}

/** Devices and their attested session keys in SQL. */
export class SqlDeviceStore implements DeviceStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async device(id: string): Promise<Device | null> {
    if (!isUuid(id)) return null;
    const [row] = await this.#database.read<DeviceRow>(SELECT_DEVICE, [id]);
    return row === undefined ? null : deviceFromRow(row);
  }

  async session(thumbprint: string): Promise<AttestedSession | null> {
    const [row] = await this.#database.read<SessionRow>(SELECT_SESSION, [thumbprint]);
    if (row === undefined) return null;
    return {
      thumbprint: row.thumbprint,
      deviceId: row.device_id,
      publicKey: row.public_key,
      status: row.status,
      pinForbidden: row.pin_forbidden,
      acquirer: row.acquirer,
      merchant: row.merchant,
      deviceStatus: row.device_status,
      current: row.session_thumbprint === row.thumbprint,
      platform: platformFromJson(row.facts),
    };
  }

  async enrol(
    inviteId: string,
    device: { readonly id: string; readonly deviceKey: Buffer; readonly attested: AttestedState },
    session: NewSession,
  ): Promise<boolean> {
    const at = session.appraisal.appraisedAt;
    return this.#database.transaction(async (sql) => {
      const used = await sql.query<{ acquirer: string; merchant: string }>(USE_INVITE, [inviteId, device.id, at]);
      const [invite] = used.rows;
      if (invite === undefined) return false;
      const attested = attestedToJson(device.attested);
      const { acquirer, merchant } = invite;
      await sql.query(INSERT_DEVICE, [
        device.id,
        acquirer,
        merchant,
        device.deviceKey,
        session.thumbprint,
        attested,
        at,
      ]);
      await insertSession(sql, device.id, session);
      return true;
    });
  }

  async renew(deviceId: string, attested: AttestedState, session: NewSession): Promise<boolean> {
    return this.#database.transaction(async (sql) => {
      const values = [deviceId, session.thumbprint, attestedToJson(attested), session.appraisal.appraisedAt];
      const renewed = await sql.query(RENEW_DEVICE, values);
      if (renewed.rowCount === 0) return false;
      await insertSession(sql, deviceId, session);
      return true;
    });
  }

  async revoke(deviceId: string, by: string, cause: string, now: Date): Promise<Device | null> {
    if (!isUuid(deviceId)) return null;
    await this.#database.transaction(async (sql) => {
      await sql.query(REVOKE_DEVICE, [deviceId, now, by, cause]);
      await sql.query(REVOKE_SESSIONS, [deviceId]);
    });
    return this.device(deviceId);
  }

  async list(filter: {
    readonly merchant: string | null;
    readonly after: string | null;
    readonly limit: number;
  }): Promise<DevicePage> {
    const after = filter.after !== null && isUuid(filter.after) ? filter.after : null;
    const rows = await this.#database.read<DeviceRow>(LIST_DEVICES, [after, filter.merchant, filter.limit + 1]);
    const devices = rows.slice(0, filter.limit).map(deviceFromRow);
    return { devices, next: rows.length > filter.limit ? (devices.at(-1)?.id ?? null) : null };
  }

  async lastAppraisal(deviceId: string): Promise<AppraisalRecord | null> {
    const [row] = await this.#database.read<AppraisalRow>(LAST_APPRAISAL, [deviceId]);
    return row === undefined ? null : appraisalFromRow(row);
  }
}
