import type { DeviceStatus } from '../../devices/device.ts';
import type { Decision } from '../../gate/decision.ts';
import type { DecisionStore, NewDecision, Situation, SituationKeySet } from '../../gate/store.ts';
import { isUuid } from '../../ports/random.ts';
import { isReason } from '../../reasons/catalogue.ts';
import type { Database } from './database.ts';
import { CommitUnknown } from './engine/errors.ts';
import { prepared } from './engine/statement.ts';
import { type GrantRow, grantFromRow } from './grants.ts';

interface SituationRow extends GrantRow {
  readonly session_status: 'active' | 'revoked';
  readonly device_status: DeviceStatus;
  readonly intent_hash: Buffer | null;
  readonly outcome: Decision['outcome'];
  readonly reasons: readonly string[];
  readonly receipt: string;
  readonly pin_entered: boolean;
  readonly key_set_status: SituationKeySet['status'] | null;
  readonly pin_initial_key_id: Buffer;
  readonly key_set_expires_at: Date;
  readonly retired_at: Date | null;
}

const SITUATION = prepared(
  'gate-situation',
  `SELECT g.payload, g.signature, g.key_id, s.status AS session_status, d.status AS device_status,
          c.intent_hash, c.outcome, c.reasons, c.receipt, c.pin_entered,
          k.status AS key_set_status, k.pin_initial_key_id, k.expires_at AS key_set_expires_at, k.retired_at
     FROM transaction_grant g
     JOIN attested_session s ON s.thumbprint = g.thumbprint
     JOIN device d ON d.id = s.device_id
     LEFT JOIN decision c ON c.grant_id = g.id
     LEFT JOIN key_set k ON k.account_data_initial_key_id = $3 AND k.device_id = d.id
    WHERE g.id = $1 AND g.thumbprint = $2`,
);

const COMMIT = prepared(
  'gate-commit',
  `WITH passed AS (
     UPDATE attested_session SET decided_sequence = $11
      WHERE thumbprint = $3 AND status = 'active' AND decided_sequence < $11
     RETURNING thumbprint)
   INSERT INTO decision (grant_id, intent_hash, thumbprint, device_id, acquirer, merchant, order_number, amount_minor,
                         currency, outcome, sequence, reasons, receipt, pin_entered, card_reference, policy_version,
                         decided_at)
   SELECT $1, $2, thumbprint, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb, $13, $14, $15, $16, $17 FROM passed
   ON CONFLICT (grant_id) DO NOTHING`,
);

const COMMITTED = prepared('gate-committed', 'SELECT receipt FROM decision WHERE grant_id = $1');

/** Gate decisions in SQL. */
export class SqlDecisionStore implements DecisionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async situation(grantId: string, thumbprint: string, accountDataInitialKeyId: Buffer): Promise<Situation | null> {
    if (!isUuid(grantId)) return null;
    const [row] = await this.#database.read<SituationRow>(SITUATION, [grantId, thumbprint, accountDataInitialKeyId]);
    if (row === undefined) return null;
    return {
      deviceStatus: row.device_status,
      sessionStatus: row.session_status,
      stored: grantFromRow(row),
      keySet: keySetFromRow(row),
      decision: decisionFromRow(grantId, row),
    };
  }

  async commit(decision: NewDecision): Promise<boolean> {
    try {
      const { rowCount } = await this.#database.change(COMMIT, [
        decision.grantId,
        decision.intentHash,
        decision.thumbprint,
        decision.deviceId,
        decision.acquirer,
        decision.merchant,
        decision.order,
        decision.amountMinor,
        decision.currency,
        decision.outcome,
        decision.sequence,
        JSON.stringify(decision.reasons),
        decision.receipt,
        decision.pinEntered,
        decision.cardReference,
        decision.policyVersion,
        decision.decidedAt,
      ]);
      return rowCount === 1;
    } catch (error) {
      if (!(error instanceof CommitUnknown)) throw error;
      return this.#readBack(decision, error);
    }
  }

  /**
   * The outcome of a commit that was cut off: ours, another's, or still unknown, which decides nothing. Only a receipt
   * tells an approval for ours; of a refusal the one that stands is the answer, whoever made it.
   */
  async #readBack(decision: NewDecision, unknown: CommitUnknown): Promise<boolean> {
    const [row] = await this.#database.read<{ receipt: string }>(COMMITTED, [decision.grantId]);
    if (row === undefined) throw unknown;
    return decision.receipt !== '' && row.receipt === decision.receipt;
  }
}

function keySetFromRow(row: SituationRow): SituationKeySet | null {
  if (row.key_set_status === null) return null;
  return {
    status: row.key_set_status,
    pinInitialKeyId: row.pin_initial_key_id,
    expiresAt: row.key_set_expires_at,
    retiredAt: row.retired_at,
  };
}

function decisionFromRow(grantId: string, row: SituationRow): Decision | null {
  if (row.intent_hash === null) return null;
  return {
    grantId,
    intentHash: row.intent_hash,
    outcome: row.outcome,
    reasons: row.reasons.filter(isReason),
    receipt: row.receipt,
    pinEntered: row.pin_entered,
  };
}
