import type { OrderTransaction } from '../../gate/origin.ts';
import type { NewDecision } from '../../gate/store.ts';
import type { Database } from './database.ts';
import { prepared, type SqlSession } from './engine/statement.ts';

const OF_ORDER = prepared(
  'gate-order-transactions',
  `SELECT c.transaction_type, c.amount_minor, c.currency, c.card_reference, o.outcome AS reported
     FROM decision c
     LEFT JOIN payment_outcome o ON o.grant_id = c.grant_id
    WHERE c.acquirer = $1 AND c.merchant = $2 AND c.order_number = $3 AND c.outcome = 'approved'`,
);

const TAP_APPROVED = prepared(
  'gate-tap-approved',
  `SELECT 1 AS found FROM decision
    WHERE acquirer = $1 AND merchant = $2 AND order_number = $3 AND outcome = 'approved'
      AND COALESCE(root_grant_id, grant_id) = $4
    LIMIT 1`,
);

interface OrderRow {
  readonly transaction_type: OrderTransaction['type'];
  readonly amount_minor: bigint;
  readonly currency: number;
  readonly card_reference: Buffer;
  readonly reported: OrderTransaction['reported'];
}

/** The approved transactions of a decision's order, read in the transaction that commits it. */
export async function orderTransactions(
  sql: SqlSession,
  { acquirer, merchant, order }: Pick<NewDecision, 'acquirer' | 'merchant' | 'order'>,
): Promise<readonly OrderTransaction[]> {
  const { rows } = await sql.query<OrderRow>(OF_ORDER, [acquirer, merchant, order]);
  return rows.map((row) => ({
    type: row.transaction_type,
    amountMinor: row.amount_minor,
    currency: row.currency,
    cardReference: row.card_reference,
    reported: row.reported,
  }));
}

/** Whether a payment of a tap was approved before. All of them are of one order, so that they are found by it. */
export async function tapApproved(
  database: Pick<Database, 'read'>,
  { acquirer, merchant, order, rootGrantId }: Pick<NewDecision, 'acquirer' | 'merchant' | 'order' | 'rootGrantId'>,
): Promise<boolean> {
  return (await database.read(TAP_APPROVED, [acquirer, merchant, order, rootGrantId])).length > 0;
}
