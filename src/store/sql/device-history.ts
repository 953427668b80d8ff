import { z } from 'zod';
import type { Check } from '../../attestation/appraise.ts';
import type { DeviceHistory, RecordedAppraisal, RecordedSession } from '../../devices/history.ts';
import { isUuid } from '../../ports/random.ts';
import { isReason } from '../../reasons/catalogue.ts';
import type { Database } from './database.ts';
import { prepared } from './engine/statement.ts';

interface AppraisalRow {
  readonly id: string;
  readonly appraised_at: Date;
  readonly policy_version: string;
  readonly verdict: 'accepted' | 'refused';
  readonly reasons: readonly string[];
  readonly reappraisal_id: string | null;
  readonly checks: unknown;
}

interface SessionRow {
  readonly thumbprint: string;
  readonly status: 'active' | 'revoked';
  readonly current: boolean;
  readonly pin_forbidden: boolean;
  readonly created_at: Date;
}

const checksSchema = z.array(
  z.object({
    code: z.string(),
    status: z.enum(['pass', 'fail', 'skipped', 'tolerated']),
    reason: z.string().optional(),
    detail: z.string().optional(),
  }),
);

const COLUMNS = 'id, appraised_at, policy_version, verdict, reasons, reappraisal_id, checks';

const FIRST_APPRAISALS = prepared(
  'appraisals',
  `SELECT ${COLUMNS} FROM appraisal WHERE device_id = $1 ORDER BY appraised_at DESC, id DESC LIMIT $2`,
);

const FURTHER_APPRAISALS = prepared(
  'further-appraisals',
  `SELECT ${COLUMNS} FROM appraisal
    WHERE device_id = $1 AND appraised_at <= $3 AND (appraised_at < $3 OR id < $4)
    ORDER BY appraised_at DESC, id DESC LIMIT $2`,
);

const SESSIONS = prepared(
  'device-sessions',
  `SELECT s.thumbprint, s.status, s.thumbprint = d.session_thumbprint AS current, s.pin_forbidden, s.created_at
     FROM attested_session s JOIN device d ON d.id = s.device_id
    WHERE s.device_id = $1 ORDER BY s.created_at DESC, s.thumbprint LIMIT $2`,
);

/** The past of devices in SQL. */
export class SqlDeviceHistory implements DeviceHistory {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async appraisals(
    deviceId: string,
    after: { readonly appraisedAt: Date; readonly id: string } | null,
    limit: number,
  ): Promise<readonly RecordedAppraisal[]> {
    if (!isUuid(deviceId)) return [];
    const rows =
      after === null
        ? await this.#database.read<AppraisalRow>(FIRST_APPRAISALS, [deviceId, limit])
        : await this.#database.read<AppraisalRow>(FURTHER_APPRAISALS, [deviceId, limit, after.appraisedAt, after.id]);
    return rows.map(appraisalFromRow);
  }

  async sessions(deviceId: string, limit: number): Promise<readonly RecordedSession[]> {
    if (!isUuid(deviceId)) return [];
    const rows = await this.#database.read<SessionRow>(SESSIONS, [deviceId, limit]);
    return rows.map(({ thumbprint, status, current, pin_forbidden, created_at }) => ({
      thumbprint,
      status,
      current,
      pinForbidden: pin_forbidden,
      createdAt: created_at,
    }));
  }
}

/** Throws where the store is broken. */
function appraisalFromRow(row: AppraisalRow): RecordedAppraisal {
  return {
    id: row.id,
    appraisedAt: row.appraised_at,
    policyVersion: row.policy_version,
    verdict: row.verdict,
    reasons: row.reasons.filter(isReason),
    reappraisalId: row.reappraisal_id,
    checks: checksSchema.parse(row.checks).map(checkFromJson),
  };
}

function checkFromJson({ code, status, reason, detail }: z.infer<typeof checksSchema>[number]): Check {
  return {
    code,
    status,
    ...(reason !== undefined && isReason(reason) ? { reason } : {}),
    ...(detail === undefined ? {} : { detail }),
  };
}
