import type {
  DecisionPlace,
  DecisionRecord,
  DecisionRecords,
  DecisionSurroundings,
  UnreadableDecision,
} from '../../audit/decision-record.ts';
import { type AuditRecord, recordValue } from '../../audit/record.ts';
import { factsFromJson } from '../../gate/facts.ts';
import { isUuid } from '../../ports/random.ts';
import { isReason } from '../../reasons/catalogue.ts';
import type { Database } from './database.ts';
import { prepared, type SqlValue, type Statement } from './engine/statement.ts';
import { type GrantRow, readableGrant } from './grants.ts';

interface RecordRow extends GrantRow {
  readonly grant_id: string;
  readonly decided_at: Date;
  readonly outcome: DecisionRecord['outcome'];
  readonly reasons: readonly string[];
  readonly receipt: string;
  readonly device_id: string;
  readonly gate_policy_version: string | null;
  readonly facts: unknown;
}

type AnyRow = Readonly<Record<string, unknown>>;

const COLUMNS = `t.grant_id, t.decided_at, t.outcome, t.reasons, t.receipt, t.device_id, t.gate_policy_version, t.facts,
  g.payload, g.signature, g.key_id`;

const RECORD = prepared(
  'decision-record',
  `SELECT ${COLUMNS} FROM decision t JOIN transaction_grant g ON g.id = t.grant_id WHERE t.grant_id = $1`,
);

const PAGE = prepared(
  'decision-records',
  `SELECT ${COLUMNS} FROM decision t JOIN transaction_grant g ON g.id = t.grant_id
    WHERE (t.decided_at, t.grant_id) > ($1, $2) AND t.decided_at < $3 ORDER BY t.decided_at, t.grant_id LIMIT $4`,
);

const DECISION = prepared(
  'decision-in-full',
  `SELECT grant_id, intent_hash, thumbprint, device_id, acquirer, merchant, order_number, amount_minor, currency,
          sequence, outcome, reasons, receipt, pin_entered, card_reference, policy_version, gate_policy_version,
          decided_at, transaction_type, root_grant_id, evidence_hash, facts
     FROM decision WHERE grant_id = $1`,
);

const DEVICE = prepared(
  'decision-device',
  `SELECT id, acquirer, merchant, status, enrolled_at, attested_at, revoked_at, revoked_by, forgotten_at, replaced_by
     FROM device WHERE id = $1`,
);

const SESSION = prepared(
  'decision-session',
  `SELECT thumbprint, status, pin_forbidden, granted_sequence, decided_sequence, created_at, appraisal_id
     FROM attested_session WHERE thumbprint = $1`,
);

const APPRAISAL = prepared(
  'decision-appraisal',
  `SELECT p.id, p.appraised_at, p.policy_version, p.verdict, p.reasons, p.checks
     FROM attested_session s JOIN appraisal p ON p.id = s.appraisal_id WHERE s.thumbprint = $1`,
);

const CHANGES = prepared(
  'decision-device-changes',
  `SELECT number, standing_before, standing_after, changed_by, cause, changed_at FROM device_change
    WHERE device_id = $1 ORDER BY number LIMIT 200`,
);

const REPORTED = prepared(
  'decision-outcome',
  'SELECT outcome, reported_by, reported_at FROM payment_outcome WHERE grant_id = $1',
);

const ACTIVATIONS = prepared(
  'decision-activations',
  `SELECT number, scope, mode, version, activated_by, activated_at, note FROM policy_activation
    WHERE version = ANY($1::TEXT[]) ORDER BY number LIMIT 200`,
);

function recordFromRow(row: RecordRow): DecisionRecord | UnreadableDecision {
  const kept = {
    grantId: row.grant_id,
    decidedAt: row.decided_at,
    outcome: row.outcome,
    reasons: row.reasons.filter(isReason),
    receipt: row.receipt,
    deviceId: row.device_id,
    gatePolicyVersion: row.gate_policy_version,
  };
  const stored = readableGrant(row);
  const facts = factsFromJson(row.facts);
  return stored === null || facts === 'unreadable' ? { ...kept, unreadable: true } : { ...kept, stored, facts };
}

const plain = (row: AnyRow): AuditRecord =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, recordValue(value)]));

/** Decisions as they were kept, in SQL. */
export class SqlDecisionRecords implements DecisionRecords {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async decision(grantId: string): Promise<DecisionRecord | UnreadableDecision | null> {
    if (!isUuid(grantId)) return null;
    const [row] = await this.#database.read<RecordRow>(RECORD, [grantId]);
    return row === undefined ? null : recordFromRow(row);
  }

  async page(
    after: DecisionPlace,
    before: Date,
    limit: number,
  ): Promise<readonly (DecisionRecord | UnreadableDecision)[]> {
    const rows = await this.#database.read<RecordRow>(PAGE, [after.decidedAt, after.grantId, before, limit]);
    return rows.map(recordFromRow);
  }

  async surroundings(grantId: string): Promise<DecisionSurroundings | null> {
    if (!isUuid(grantId)) return null;
    const [decision] = await this.#records(DECISION, [grantId]);
    if (decision === undefined) return null;
    const { device_id: device, thumbprint, policy_version: granted, gate_policy_version: decided } = decision;
    const versions = [...new Set([granted, decided].filter((version) => typeof version === 'string'))];
    const [devices, sessions, appraisals, deviceChanges, reported, activations] = await Promise.all([
      this.#records(DEVICE, [String(device)]),
      this.#records(SESSION, [String(thumbprint)]),
      this.#records(APPRAISAL, [String(thumbprint)]),
      this.#records(CHANGES, [String(device)]),
      this.#records(REPORTED, [grantId]),
      this.#records(ACTIVATIONS, [versions]),
    ]);
    return {
      decision,
      device: devices[0] ?? null,
      session: sessions[0] ?? null,
      appraisal: appraisals[0] ?? null,
      deviceChanges,
      reported: reported[0] ?? null,
      activations,
    };
  }

  async #records(statement: Statement, values: readonly SqlValue[]): Promise<readonly AuditRecord[]> {
    return (await this.#database.read<AnyRow>(statement, values)).map(plain);
  }
}
