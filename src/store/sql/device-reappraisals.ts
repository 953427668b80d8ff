import type {
  EndedSession,
  KeptEvidence,
  Lease,
  LeasedReappraisal,
  Reappraisal,
  ReappraisalPrompt,
  ReappraisalStore,
} from '../../devices/reappraisal.ts';
import { isUuid } from '../../ports/random.ts';
import type { Database } from './database.ts';
import { endSessions, voidTokens } from './device-standing.ts';
import { prepared, type SqlSession } from './engine/statement.ts';

interface RunRow {
  readonly id: string;
  readonly prompt: ReappraisalPrompt;
  readonly requested_by: string;
  readonly requested_at: Date;
  readonly policy_version: string;
  readonly devices: bigint | null;
  readonly begun_at: Date | null;
  readonly finished_at: Date | null;
  readonly position: string | null;
  readonly examined: bigint;
  readonly refused: bigint;
  readonly without_evidence: bigint;
  readonly undecided: bigint;
}

interface EvidenceRow {
  readonly id: string;
  readonly acquirer: string;
  readonly merchant: string;
  readonly session_thumbprint: string;
  readonly appraised_at: Date | null;
  readonly challenge: string | null;
  readonly session_chain: Buffer | null;
  readonly device_appraised_at: Date | null;
  readonly device_chain: Buffer | null;
}

const COLUMNS = `id, prompt, requested_by, requested_at, policy_version, devices, begun_at, finished_at, position,
  examined, refused, without_evidence, undecided`;

const WAITING = prepared(
  'waiting-reappraisal',
  'SELECT id FROM reappraisal WHERE begun_at IS NULL ORDER BY requested_at, id LIMIT 1',
);

const INSERT_RUN = prepared(
  'insert-reappraisal',
  `INSERT INTO reappraisal (id, prompt, requested_by, requested_at, policy_version) VALUES ($1, $2, $3, $4, $5)`,
);

const LAST_POLICY_VERSION = prepared(
  'last-reappraisal-policy',
  'SELECT policy_version FROM reappraisal ORDER BY requested_at DESC, id DESC LIMIT 1',
);

const OLDEST = prepared(
  'oldest-reappraisal',
  `SELECT ${COLUMNS}, lease_holder, lease_until FROM reappraisal
    WHERE finished_at IS NULL ORDER BY requested_at, id LIMIT 1 FOR UPDATE`,
);

const TAKE = prepared('take-reappraisal', `UPDATE reappraisal SET lease_holder = $2, lease_until = $3 WHERE id = $1`);

const BEGIN = prepared(
  'begin-reappraisal',
  `UPDATE reappraisal
      SET begun_at = $2, policy_version = $3,
          devices = (SELECT COUNT(*) FROM device WHERE status = 'active')
    WHERE id = $1`,
);

const RUN = prepared('reappraisal', `SELECT ${COLUMNS} FROM reappraisal WHERE id = $1`);

const LATEST = prepared(
  'latest-reappraisals',
  `SELECT ${COLUMNS} FROM reappraisal ORDER BY requested_at DESC, id DESC LIMIT $1`,
);

// The session's own chain is of the latest accepted appraisal; the device key's is of the enrolment, or of whatever
// attested that key last.
const EVIDENCE = prepared(
  'kept-evidence',
  `SELECT d.id, d.acquirer, d.merchant, d.session_thumbprint,
          a.appraised_at, a.facts->>'challenge' AS challenge, a.session_chain,
          k.appraised_at AS device_appraised_at, k.device_chain
     FROM (SELECT id, acquirer, merchant, session_thumbprint FROM device
            WHERE status = 'active' AND ($1::uuid IS NULL OR id > $1) ORDER BY id LIMIT $2) AS d
     LEFT JOIN LATERAL (
       SELECT p.appraised_at, p.facts, e.session_chain
         FROM appraisal p LEFT JOIN evidence e ON e.appraisal_id = p.id
        WHERE p.device_id = d.id AND p.verdict = 'accepted'
        ORDER BY p.appraised_at DESC, p.id DESC LIMIT 1) AS a ON TRUE
     LEFT JOIN LATERAL (
       SELECT p.appraised_at, e.device_chain
         FROM appraisal p JOIN evidence e ON e.appraisal_id = p.id
        WHERE p.device_id = d.id AND p.verdict = 'accepted' AND e.device_chain IS NOT NULL
        ORDER BY p.appraised_at DESC, p.id DESC LIMIT 1) AS k ON TRUE
    ORDER BY d.id`,
);

// Written, not only locked: whoever renews or resumes the session at the same time meets a conflict, and reads anew.
const HOLD_CURRENT = prepared(
  'hold-reappraised-device',
  `UPDATE device SET session_thumbprint = $2 WHERE id = $1 AND status = 'active' AND session_thumbprint = $2
   RETURNING GREATEST(attested_at, resumed_at) AS last_token_at`,
);

const COUNT_ENDED = prepared(
  'count-ended-session',
  `UPDATE reappraisal SET refused = refused + $3, without_evidence = without_evidence + $4
    WHERE id = $1 AND lease_holder = $2 AND finished_at IS NULL`,
);

const INSERT_REFUSED = prepared(
  'insert-refused-appraisal',
  `INSERT INTO appraisal (id, device_id, appraised_at, policy_version, checks, facts, verdict, reasons, reappraisal_id)
   VALUES ($1, $2, $3, $4, $5::jsonb, '{}'::jsonb, 'refused', $6::jsonb, $7)`,
);

const ADVANCE = prepared(
  'advance-reappraisal',
  `UPDATE reappraisal
      SET position = $3, examined = examined + $4, undecided = undecided + $5, lease_until = $6
    WHERE id = $1 AND lease_holder = $2 AND finished_at IS NULL AND (position IS NULL OR position < $3)`,
);

const FINISH = prepared(
  'finish-reappraisal',
  `UPDATE reappraisal SET finished_at = $3, lease_holder = NULL, lease_until = NULL
    WHERE id = $1 AND lease_holder = $2 AND finished_at IS NULL`,
);

const RELEASE = prepared(
  'release-reappraisal',
  'UPDATE reappraisal SET lease_holder = NULL, lease_until = NULL WHERE id = $1 AND lease_holder = $2',
);

/** Rolls the transaction back in which it is thrown. */
class LeaseLost extends Error {}

function runFromRow(row: RunRow): Reappraisal {
  return {
    id: row.id,
    prompt: row.prompt,
    requestedBy: row.requested_by,
    requestedAt: row.requested_at,
    policyVersion: row.policy_version,
    devices: row.devices === null ? null : Number(row.devices),
    begunAt: row.begun_at,
    finishedAt: row.finished_at,
    examined: Number(row.examined),
    refused: Number(row.refused),
    withoutEvidence: Number(row.without_evidence),
    undecided: Number(row.undecided),
  };
}

function evidenceFromRow(row: EvidenceRow): KeptEvidence {
  const { appraised_at: appraisedAt, session_chain: chain, device_appraised_at: keyAppraisedAt } = row;
  const challenge = row.challenge === null ? null : Buffer.from(row.challenge, 'hex');
  return {
    deviceId: row.id,
    acquirer: row.acquirer,
    merchant: row.merchant,
    thumbprint: row.session_thumbprint,
    session: appraisedAt === null || chain === null ? null : { chain, appraisedAt, challenge },
    deviceKey:
      keyAppraisedAt === null || row.device_chain === null
        ? null
        : { chain: row.device_chain, appraisedAt: keyAppraisedAt },
  };
}

/** Re-appraisals in SQL. */
export class SqlReappraisalStore implements ReappraisalStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  request(noted: {
    readonly id: string;
    readonly prompt: ReappraisalPrompt;
    readonly by: string;
    readonly at: Date;
    readonly policyVersion: string;
  }): Promise<string> {
    return this.#database.transaction(async (sql) => {
      const [waiting] = (await sql.query<{ id: string }>(WAITING, [])).rows;
      if (waiting !== undefined) return waiting.id;
      await sql.query(INSERT_RUN, [noted.id, noted.prompt, noted.by, noted.at, noted.policyVersion]);
      return noted.id;
    });
  }

  async lastPolicyVersion(): Promise<string | null> {
    const [row] = await this.#database.read<{ policy_version: string }>(LAST_POLICY_VERSION, []);
    return row?.policy_version ?? null;
  }

  claim(holder: string, policyVersion: string, now: Date, until: Date): Promise<LeasedReappraisal | null> {
    return this.#database.transaction(async (sql) => {
      type Oldest = RunRow & { readonly lease_holder: string | null; readonly lease_until: Date | null };
      const [oldest] = (await sql.query<Oldest>(OLDEST, [])).rows;
      if (oldest === undefined) return null;
      const taken = oldest.lease_holder !== null && oldest.lease_holder !== holder;
      if (taken && oldest.lease_until !== null && oldest.lease_until > now) return null;
      await sql.query(TAKE, [oldest.id, holder, until]);
      if (oldest.begun_at === null) await sql.query(BEGIN, [oldest.id, now, policyVersion]);
      const [row] = (await sql.query<RunRow>(RUN, [oldest.id])).rows;
      if (row === undefined) throw new Error('the re-appraisal that was claimed is gone');
      return { run: runFromRow(row), position: row.position };
    });
  }

  async evidence(after: string | null, limit: number): Promise<readonly KeptEvidence[]> {
    return (await this.#database.read<EvidenceRow>(EVIDENCE, [after, limit])).map(evidenceFromRow);
  }

  async end(lease: Lease, ended: EndedSession, now: () => Date): Promise<'ended' | 'moved-on' | 'lease-lost'> {
    try {
      return await this.#database.transaction((sql) => endReappraised(sql, lease, ended, now));
    } catch (error) {
      if (error instanceof LeaseLost) return 'lease-lost';
      throw error;
    }
  }

  async advance(
    { runId, holder }: Lease,
    done: { readonly position: string; readonly examined: number; readonly undecided: number },
    until: Date,
  ): Promise<boolean> {
    const values = [runId, holder, done.position, done.examined, done.undecided, until];
    return (await this.#database.change(ADVANCE, values)).rowCount === 1;
  }

  async finish({ runId, holder }: Lease, at: Date): Promise<boolean> {
    return (await this.#database.change(FINISH, [runId, holder, at])).rowCount === 1;
  }

  async release({ runId, holder }: Lease): Promise<void> {
    await this.#database.change(RELEASE, [runId, holder]);
  }

  async reappraisal(id: string): Promise<Reappraisal | null> {
    if (!isUuid(id)) return null;
    const [row] = await this.#database.read<RunRow>(RUN, [id]);
    return row === undefined ? null : runFromRow(row);
  }

  async latest(limit: number): Promise<readonly Reappraisal[]> {
    return (await this.#database.read<RunRow>(LATEST, [limit])).map(runFromRow);
  }
}

async function endReappraised(
  sql: SqlSession,
  { runId, holder }: Lease,
  ended: EndedSession,
  now: () => Date,
): Promise<'ended' | 'moved-on'> {
  const { deviceId, outcome } = ended;
  const [device] = (await sql.query<{ last_token_at: Date }>(HOLD_CURRENT, [deviceId, ended.thumbprint])).rows;
  if (device === undefined || (await endSessions(sql, deviceId)) === 0) return 'moved-on';
  const counts = outcome === 'refused' ? [1, 0] : [0, 1];
  if ((await sql.query(COUNT_ENDED, [runId, holder, ...counts])).rowCount === 0) throw new LeaseLost();
  const at = now();
  const checks = JSON.stringify(ended.checks);
  const reasons = JSON.stringify(ended.reasons);
  await sql.query(INSERT_REFUSED, [ended.appraisalId, deviceId, at, ended.policyVersion, checks, reasons, runId]);
  const voided = { deviceId, acquirer: ended.acquirer, lastTokenAt: device.last_token_at };
  await voidTokens(sql, voided, 'SESSION_ENDED', at);
  return 'ended';
}
