import type { DeviceStatus } from '../../devices/device.ts';
import type { Decision } from '../../gate/decision.ts';
import type { SituationKeySet } from '../../gate/key-set.ts';
import type { Situation } from '../../gate/store.ts';
import { isReason } from '../../reasons/catalogue.ts';
import { prepared } from './engine/statement.ts';
import { type GrantRow, grantFromRow } from './grants.ts';

/** One situation that is asked for. */
export interface SituationAsked {
  readonly grantId: string;
  readonly thumbprint: string;
  /** 8 bytes. */
  readonly accountDataInitialKeyId: Buffer;
}

/** One row of SITUATIONS; `asked` is the number of the question. */
export interface SituationRow extends GrantRow {
  readonly asked: number;
  readonly session_status: 'active' | 'revoked';
  readonly appraisal_id: string | null;
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

/** Everything that decisions rest on, of many payments: numbers, grants, session keys, account data keys. */
export const SITUATIONS = prepared(
  'gate-situations',
  `SELECT q.asked, g.payload, g.signature, g.key_id,
          s.status AS session_status, s.appraisal_id, d.status AS device_status,
          c.intent_hash, c.outcome, c.reasons, c.receipt, c.pin_entered,
          k.status AS key_set_status, k.pin_initial_key_id, k.expires_at AS key_set_expires_at, k.retired_at
     FROM unnest($1::INT4[], $2::UUID[], $3::TEXT[], $4::BYTEA[]) AS q(asked, grant_id, thumbprint, initial_key_id)
     JOIN transaction_grant g ON g.id = q.grant_id AND g.thumbprint = q.thumbprint
     JOIN attested_session s ON s.thumbprint = g.thumbprint
     JOIN device d ON d.id = s.device_id
     LEFT JOIN decision c ON c.grant_id = g.id
     LEFT JOIN key_set k ON k.account_data_initial_key_id = q.initial_key_id AND k.device_id = d.id`,
);

/** The situation out of its row. */
export function situationFromRow(row: SituationRow): Situation {
  const stored = grantFromRow(row);
  return {
    deviceStatus: row.device_status,
    sessionStatus: row.session_status,
    stored,
    keySet: keySetFromRow(row),
    appraisalId: row.appraisal_id,
    decision: decisionFromRow(stored.grant.id, row),
  };
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
