import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '../../encoding/digest.ts';
import { verifyReceipt } from '../../verifier/receipt.ts';
import { SqliteLedger } from '../processing/ledger.ts';
import type { ApprovedAttempt } from '../processing/orders.ts';
import { ACQUIRERS } from '../world/folder.ts';
import type { AcquirerRole } from '../world/target.ts';
import type { World } from '../world/world.ts';
import type { DemoStep } from './step.ts';

/** Rows are chained a moment after they are written. */
const ATTEMPTS = 60;
const PAUSE = 250;
const MOST_ORDERS = 100_000;

/** Everything about a payment that both sides have to say alike, as one line. */
function line(parts: readonly (string | bigint | number)[]): string {
  return parts.map(String).join(' ');
}

/** Orders that processing has paid, out of its own file, each with the genuine receipt of an approval. */
async function paidBy(world: World, acquirer: AcquirerRole): Promise<readonly string[]> {
  const keys = await (await world.gateConnection(acquirer)).fetchReceiptKeys();
  const trust = { issuer: world.places.issuer, audience: acquirer, keys };
  const ledger = new SqliteLedger(world.folder.ledger(acquirer));
  try {
    return ledger.paidOrders(MOST_ORDERS).map((order) => paidLine(order, acquirer, trust));
  } finally {
    ledger.close();
  }
}

function paidLine(
  { merchant, order, amountMinor, currency, intentHash, receipt }: ApprovedAttempt,
  acquirer: AcquirerRole,
  trust: Parameters<typeof verifyReceipt>[1],
): string {
  const verified = verifyReceipt(receipt, trust);
  if (!verified.ok) throw new Error(`the receipt of order ${order}: ${verified.reason}`);
  const { decision, grant, ...claims } = verified.value;
  const same =
    decision === 'approved' &&
    claims.merchant === merchant &&
    claims.order === order &&
    claims.amount === amountMinor.toString() &&
    claims.currency === currency &&
    claims.intent === intentHash.toString('base64url');
  if (!same) throw new Error(`the receipt of order ${order} is not that of its payment`);
  const hash = sha256(Buffer.from(receipt)).toString('hex');
  return line([acquirer, merchant, order, amountMinor, currency, grant, hash]);
}

/** Approvals of the audit log of which processing has said that the issuer authorised them; and how many there are in all. */
async function approvedByService(world: World): Promise<{ readonly authorised: readonly string[]; approved: number }> {
  const approvals = new Map<string, string>();
  const authorised = new Set<string>();
  await world.security(async (team) => {
    for await (const part of team.auditLog()) {
      for (const { entry, content } of part.kind === 'entries' ? part.entries : []) {
        const { source, subject } = entry;
        const kept = content?.kept ?? {};
        if (source === 'payment-outcome/1' && kept.outcome === 'approved') authorised.add(subject);
        if (source !== 'decision/1' || kept.outcome !== 'approved') continue;
        const { acquirer, merchant, order_number, amount_minor, currency, receipt_hash } = kept;
        const parts = [acquirer, merchant, order_number, amount_minor, currency, subject, receipt_hash];
        approvals.set(subject, line(parts.map(String)));
      }
    }
  });
  const lines = [...approvals].filter(([grant]) => authorised.has(grant)).map(([, text]) => text);
  return { authorised: lines, approved: approvals.size };
}

const ledgerEqualsReceipts: DemoStep = {
  name: 'ledgers are the approved receipts',
  run: async (world) => {
    for (let attempt = 1; ; attempt += 1) {
      const paid = (await Promise.all(ACQUIRERS.map((acquirer) => paidBy(world, acquirer)))).flat();
      const { authorised, approved } = await approvedByService(world);
      const [ledger, log] = [new Set(paid), new Set(authorised)];
      const onlyPaid = paid.filter((order) => !log.has(order));
      const onlyApproved = authorised.filter((order) => !ledger.has(order));
      if (onlyPaid.length + onlyApproved.length === 0 && ledger.size === paid.length) {
        const declined = approved - authorised.length;
        return `${paid.length} paid orders, each with its receipt in the audit log, and no more; ${declined} approved, then declined or not submitted`;
      }
      if (attempt === ATTEMPTS) {
        throw new Error(`paid and not approved: ${onlyPaid.length}; approved and not paid: ${onlyApproved.length}`);
      }
      await sleep(PAUSE);
    }
  },
};

/** What is compared once everything was tried. */
export const LEDGER_STEPS: readonly DemoStep[] = [ledgerEqualsReceipts];
