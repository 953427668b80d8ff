import { recordHash } from '../../audit/record.ts';
import { sha256 } from '../../encoding/digest.ts';
import { factsToJson } from '../../gate/facts.ts';
import type { NewDecision } from '../../gate/store.ts';
import { DECISION_SOURCE } from './audit-sources.ts';
import { prepared, type SqlValue } from './engine/statement.ts';

/**
 * Commits decisions of different grants, sessions and cards; answers the grants whose decision was kept.
 *
 * The rows of a card's use, by its application's counter and by its cryptogram, are taken by whoever has them first, and
 * again only by the same tap; nothing is read for that, so that payments of different cards never conflict. A decision that asked another generation of the kill switches than
 * the latest is passed over: once a switch was set, nothing is kept that did not ask it. What a sale counts towards is
 * counted up in parts, one of 16 by the device, so that devices of one merchant seldom write one row. The hash that the
 * audit log will hold of the row is kept with it: the row need not be read back, and what changes it later does not fit.
 */
export const COMMIT = prepared(
  'gate-commit-group',
  `WITH input AS (
     SELECT * FROM unnest($1::UUID[], $2::BYTEA[], $3::TEXT[], $4::UUID[], $5::TEXT[], $6::TEXT[], $7::TEXT[],
                          $8::INT8[], $9::INT4[], $10::TEXT[], $11::INT8[], $12::TEXT[], $13::TEXT[], $14::BOOL[],
                          $15::BYTEA[], $16::TEXT[], $17::TIMESTAMPTZ[], $18::TEXT[], $19::UUID[], $20::TEXT[],
                          $21::BYTEA[], $22::TEXT[], $23::TEXT[], $24::INT4[], $34::INT8[], $35::BYTEA[],
                          $36::BYTEA[])
       AS i(grant_id, intent_hash, thumbprint, device_id, acquirer, merchant, order_number,
            amount_minor, currency, outcome, sequence, reasons, receipt, pin_entered,
            card_reference, policy_version, decided_at, transaction_type, root_grant_id, gate_policy_version,
            evidence_hash, facts, application, counter, kill_generation, kept_hash, cryptogram)
      WHERE i.kill_generation = (SELECT h.generation FROM kill_switch_head h WHERE h.singleton)),
   signed AS (
     INSERT INTO card_cryptogram (card_reference, cryptogram, counter, root_grant_id, used_at)
     SELECT card_reference, cryptogram, counter, root_grant_id, decided_at FROM input WHERE counter > 0
     ON CONFLICT (card_reference, cryptogram, counter)
       DO UPDATE SET root_grant_id = excluded.root_grant_id WHERE card_cryptogram.root_grant_id = excluded.root_grant_id
     RETURNING card_reference, cryptogram, counter),
   used AS (
     INSERT INTO card_use (card_reference, application, counter, root_grant_id, used_at)
     SELECT i.card_reference, i.application, i.counter, i.root_grant_id, i.decided_at
       FROM input i
       JOIN signed s
         ON s.card_reference = i.card_reference AND s.cryptogram = i.cryptogram AND s.counter = i.counter
     ON CONFLICT (card_reference, application, counter)
       DO UPDATE SET root_grant_id = excluded.root_grant_id WHERE card_use.root_grant_id = excluded.root_grant_id
     RETURNING card_reference, application, counter),
   passed AS (
     UPDATE attested_session SET decided_sequence = i.sequence
       FROM input i
      WHERE attested_session.thumbprint = i.thumbprint AND status = 'active' AND decided_sequence < i.sequence
        AND (i.counter = 0 OR EXISTS (
              SELECT 1 FROM used u
               WHERE u.card_reference = i.card_reference AND u.application = i.application AND u.counter = i.counter))
     RETURNING i.grant_id),
   kept AS (
     INSERT INTO decision (grant_id, intent_hash, thumbprint, device_id, acquirer, merchant, order_number, amount_minor,
                           currency, outcome, sequence, reasons, receipt, pin_entered, card_reference, policy_version,
                           decided_at, transaction_type, root_grant_id, gate_policy_version, evidence_hash, facts,
                           kept_hash)
     SELECT i.grant_id, i.intent_hash, i.thumbprint, i.device_id, i.acquirer, i.merchant, i.order_number, i.amount_minor,
            i.currency, i.outcome, i.sequence, i.reasons::JSONB, i.receipt, i.pin_entered, i.card_reference,
            i.policy_version, i.decided_at, i.transaction_type, i.root_grant_id, i.gate_policy_version, i.evidence_hash,
            i.facts::JSONB, i.kept_hash
       FROM input i JOIN passed p ON p.grant_id = i.grant_id
     ON CONFLICT (grant_id) DO NOTHING
     RETURNING grant_id),
   counted AS (
     INSERT INTO payment_tally (acquirer, merchant, subject, window_seconds, window_start, currency, part, payments,
                                amount_minor)
     SELECT t.acquirer, t.merchant, t.subject, t.window_seconds, t.window_start, t.currency, t.part, count(*),
            sum(t.amount_minor)::INT8
       FROM unnest($25::UUID[], $26::TEXT[], $27::TEXT[], $28::TEXT[], $29::INT4[], $30::TIMESTAMPTZ[], $31::INT4[],
                   $32::INT2[], $33::INT8[])
              AS t(grant_id, acquirer, merchant, subject, window_seconds, window_start, currency, part, amount_minor)
       JOIN kept ON kept.grant_id = t.grant_id
      GROUP BY t.acquirer, t.merchant, t.subject, t.window_seconds, t.window_start, t.currency, t.part
     ON CONFLICT (acquirer, merchant, subject, window_seconds, window_start, currency, part)
       DO UPDATE SET payments = payment_tally.payments + excluded.payments,
                     amount_minor = payment_tally.amount_minor + excluded.amount_minor
     RETURNING part)
   SELECT grant_id FROM kept`,
);

/** Receipts of the decisions that stand. */
export const COMMITTED = prepared(
  'gate-committed-group',
  'SELECT grant_id, receipt FROM decision WHERE grant_id = ANY($1::UUID[])',
);

const NO_BYTES = Buffer.alloc(0);

/** SHA-256 of what the audit log holds of a decision: the record of its source, as it reads out of the row. */
function keptHash(decision: NewDecision, facts: string, reasons: string): Buffer {
  return recordHash(DECISION_SOURCE, 'kept', {
    acquirer: decision.acquirer,
    amount_minor: decision.amountMinor.toString(),
    card_reference: cardReferenceOf(decision).toString('hex'),
    currency: decision.currency.toString(),
    decided_at: decision.decidedAt.toISOString(),
    device_id: decision.deviceId,
    evidence_hash: decision.evidenceHash.toString('hex'),
    facts,
    gate_policy_version: decision.gatePolicyVersion,
    grant_hash: decision.grantHash.toString('hex'),
    intent_hash: decision.intentHash.toString('hex'),
    merchant: decision.merchant,
    order_number: decision.order,
    outcome: decision.outcome,
    pin_entered: decision.pinEntered,
    policy_version: decision.policyVersion,
    reasons,
    receipt_hash: sha256(Buffer.from(decision.receipt, 'utf8')).toString('hex'),
    root_grant_id: decision.rootGrantId,
    sequence: decision.sequence.toString(),
    thumbprint: decision.thumbprint,
    transaction_type: decision.type,
  });
}

function cardReferenceOf({ cardUse, cardReference }: NewDecision): Buffer {
  return cardUse?.reference ?? cardReference;
}

/** The values of COMMIT. */
export function commitValues(group: readonly NewDecision[]): readonly SqlValue[] {
  const column = (value: (decision: NewDecision) => SqlValue): SqlValue[] => group.map(value);
  const facts = group.map((decision) => factsToJson(decision.facts));
  const reasons = group.map((decision) => JSON.stringify(decision.reasons));
  const tallies = group.flatMap(({ grantId, deviceId, tallies: entries }) =>
    entries.map(({ key, amountMinor }) => ({
      grantId,
      key,
      amountMinor,
      part: Number.parseInt(deviceId.slice(-1), 16),
    })),
  );
  return [
    column(({ grantId }) => grantId),
    column(({ intentHash }) => intentHash),
    column(({ thumbprint }) => thumbprint),
    column(({ deviceId }) => deviceId),
    column(({ acquirer }) => acquirer),
    column(({ merchant }) => merchant),
    column(({ order }) => order),
    column(({ amountMinor }) => amountMinor),
    column(({ currency }) => currency),
    column(({ outcome }) => outcome),
    column(({ sequence }) => sequence),
    reasons,
    column(({ receipt }) => receipt),
    column(({ pinEntered }) => pinEntered),
    column(cardReferenceOf),
    column(({ policyVersion }) => policyVersion),
    column(({ decidedAt }) => decidedAt),
    column(({ type }) => type),
    column(({ rootGrantId }) => rootGrantId),
    column(({ gatePolicyVersion }) => gatePolicyVersion),
    column(({ evidenceHash }) => evidenceHash),
    facts,
    column(({ cardUse }) => cardUse?.application ?? ''),
    column(({ cardUse }) => cardUse?.counter ?? 0),
    tallies.map(({ grantId }) => grantId),
    tallies.map(({ key }) => key.acquirer),
    tallies.map(({ key }) => key.merchant),
    tallies.map(({ key }) => key.subject),
    tallies.map(({ key }) => key.windowSeconds),
    tallies.map(({ key }) => key.windowStart),
    tallies.map(({ key }) => key.currency),
    tallies.map(({ part }) => part),
    tallies.map(({ amountMinor }) => amountMinor),
    column(({ killGeneration }) => killGeneration),
    group.map((decision, index) => keptHash(decision, facts[index] ?? '', reasons[index] ?? '')),
    column(({ cardUse }) => cardUse?.cryptogram ?? NO_BYTES),
  ];
}
