import type { Acceptance, JudgePhone } from '../../devices/acceptance.ts';
import type { AttestedState, Device, DeviceStatus } from '../../devices/device.ts';
import type { AttestedSession, DeviceStore, NewDevice, NewSession } from '../../devices/store.ts';
import { isUuid } from '../../ports/random.ts';
import { enrolDevice, renewDevice } from './acceptance.ts';
import { attestedFromJson, platformFromJson, trustVectorFromJson } from './attested.ts';
import type { Database } from './database.ts';
import { prepared } from './engine/statement.ts';
import { Lane } from './lane.ts';

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
  readonly trust_vector: unknown;
  readonly created_at: Date;
  readonly attestation_keys: readonly string[];
}

const COLUMNS = 'id, acquirer, merchant, status, device_key, attested, enrolled_at, attested_at';

const SELECT_DEVICE = prepared('device', `SELECT ${COLUMNS} FROM device WHERE id = $1`);

const SELECT_SESSION = prepared(
  'session',
  `SELECT s.thumbprint, s.device_id, s.public_key, s.status, s.pin_forbidden, s.facts, s.trust_vector,
          s.created_at, d.acquirer, d.merchant,
          d.status AS device_status, d.session_thumbprint,
          ARRAY(SELECT encode(a.key_id, 'hex') FROM attestation_sighting a WHERE a.device_id = d.id) AS attestation_keys
     FROM attested_session s JOIN device d ON d.id = s.device_id
    WHERE s.thumbprint = $1`,
);

// The row that a suspension holds: a token is given before it and void by it, or not given. The instants of a device's
// tokens never fall, whichever clock they are of, so that a revocation covers all of them by the latest.
const RESUME_SESSION = prepared(
  'resume-session',
  `UPDATE device SET resumed_at = GREATEST($3::TIMESTAMPTZ, attested_at, resumed_at)
    WHERE id = $2 AND status = 'active' AND session_thumbprint = $1
      AND EXISTS (SELECT 1 FROM attested_session WHERE thumbprint = $1 AND status = 'active')
   RETURNING resumed_at`,
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

/** Devices and their attested session keys in SQL. */
export class SqlDeviceStore implements DeviceStore {
  readonly #database: Database;
  readonly #enrolments = new Lane();

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
      trustVector: trustVectorFromJson(row.trust_vector),
      attestedAt: row.created_at,
      current: row.session_thumbprint === row.thumbprint,
      platform: platformFromJson(row.facts),
      attestationKeys: row.attestation_keys,
    };
  }

  enrol(inviteId: string, device: NewDevice, session: NewSession, judge: JudgePhone): Promise<Acceptance> {
    return this.#enrolments.run(() =>
      this.#database.transaction((sql) => enrolDevice(sql, inviteId, device, session, judge)),
    );
  }

  renew(deviceId: string, attested: AttestedState, session: NewSession, judge: JudgePhone): Promise<Acceptance> {
    return this.#database.transaction((sql) => renewDevice(sql, deviceId, attested, session, judge));
  }

  async resume(thumbprint: string, deviceId: string, at: Date): Promise<Date | null> {
    if (!isUuid(deviceId)) return null;
    const { rows } = await this.#database.change<{ resumed_at: Date }>(RESUME_SESSION, [thumbprint, deviceId, at]);
    return rows[0]?.resumed_at ?? null;
  }
}
