import type { GateDecision } from '../../src/virtual/processing/pay.ts';
import type { Book } from './book.ts';
import type { Charge, Order } from './cashier.ts';
import type { OutsideView } from './database.ts';
import { finish, first, isPinLost, mustRefuse, mustRepeat, type Scene } from './scene.ts';
import type { Shop } from './shop.ts';

const ATTEMPTS = 150;
const OVER_SALE = 'REFUND_OVER_SALE';

type Return = Order & { readonly type: 'refund' | 'void' };

/** A part of a sale, then more than is left of it; at times the rest, after which nothing is left to be voided. */
export async function refundInParts(scene: Scene): Promise<void> {
  const { cashier, plan } = scene;
  const sale = await paidSale(scene);
  const whole = sale.amountMinor;
  const part = (whole * BigInt(plan.perMille)) / 1000n || 1n;
  const amountMinor = plan.times === 1 ? whole : part;
  const charge = await mustReturn(scene, { ...sale, type: 'refund', amountMinor });
  mustRepeat(scene, await cashier.ask(charge, cashier.till(plan.number + 1)), charge);
  const left = whole - amountMinor;
  await mustNotReturn(scene, { ...sale, type: 'refund', amountMinor: left + 1n }, OVER_SALE);
  if (plan.times < 3 || left === 0n) return;
  await mustReturn(scene, { ...sale, type: 'refund', amountMinor: left });
  await mustNotReturn(scene, { ...sale, type: 'void' }, OVER_SALE);
}

/** Two refunds at once, each of more than half of the sale: one of them fits. */
export async function refundAtOnce(scene: Scene): Promise<void> {
  const { cashier, plan } = scene;
  const { book } = cashier;
  const sale = await paidSale(scene);
  const order: Return = { ...sale, type: 'refund', amountMinor: sale.amountMinor / 2n + 1n };
  const charges = [await cashier.prepare(order), await cashier.prepare(order)];
  const decisions = await Promise.all(
    charges.map(async (charge, index) => ({ charge, decision: await ask(scene, charge, plan.number + index) })),
  );
  let approved = 0;
  let lost = false;
  for (const { charge, decision } of decisions) {
    const [reason = ''] = decision.outcome === 'approved' ? ['approved'] : decision.reasons;
    book.count(`refunded at once: ${reason}`);
    if (reason === 'approved') approved += 1;
    else if (reason === 'PIN_LOST' && isPinLost(cashier, charge)) lost = true;
    // One that is decided after a later one of its session is behind.
    else if (reason !== OVER_SALE && reason !== 'COUNTER_BEHIND')
      book.violate(`refunded at once: ${reason}`, plan.number);
  }
  if (approved > 1 || (approved === 0 && !lost)) book.violate(`${approved} of two refunds approved`, plan.number);
}

/** A refund that failed at the issuer gives its amount free again. */
export async function refundDeclined(scene: Scene): Promise<void> {
  const { cashier, plan } = scene;
  const refund: Return = { ...(await paidSale(scene)), type: 'refund' };
  const charge = await mustReturn(scene, refund);
  await mustNotReturn(scene, { ...refund, amountMinor: 1n }, OVER_SALE);
  await cashier.report(charge, 'declined', cashier.till(plan.number));
  cashier.book.failed.add(charge.intentHash);
  await mustReturn(scene, refund);
  await mustNotReturn(scene, { ...refund, amountMinor: 1n }, OVER_SALE);
}

/** A sale that was refused gives nothing back; paid later with another grant, it is a sale like others. */
export async function refundOfNothing(scene: Scene): Promise<void> {
  const { cashier, plan } = scene;
  const sale = first(scene);
  const charge = await cashier.prepare(sale);
  const changed = cashier.changed(charge, true);
  const decision = await cashier.decided(() => cashier.till(plan.number).line.ask(changed));
  mustRefuse(scene, decision, 'INTENT_GRANT_MISMATCH');
  await mustNotReturn(scene, { ...sale, type: plan.times === 1 ? 'void' : 'refund' }, 'SALE_UNKNOWN');
  await finish(scene, charge, new Set(['INTENT_CHANGED']));
  if (plan.times === 3) await mustReturn(scene, { ...sale, type: 'refund' });
}

/** Money goes back to the card that it came from. */
export async function refundToOtherCard(scene: Scene): Promise<void> {
  const sale = await paidSale(scene);
  const other: Return = { ...sale, type: 'refund', card: sale.card + 1 };
  await mustNotReturn(scene, other, 'REFUND_CARD_MISMATCH');
  await mustReturn(scene, { ...sale, type: 'refund' });
}

/** A void takes back the whole sale, once; nothing comes after it. */
export async function voidSale(scene: Scene): Promise<void> {
  const { plan } = scene;
  const sale: Return = { ...(await paidSale(scene)), type: 'void' };
  if (plan.times === 1) await mustNotReturn(scene, { ...sale, amountMinor: sale.amountMinor - 1n }, OVER_SALE);
  await mustReturn(scene, sale);
  await mustNotReturn(scene, sale, 'SALE_VOIDED');
  if (plan.times === 3) await mustNotReturn(scene, { ...sale, type: 'refund', amountMinor: 1n }, 'SALE_VOIDED');
}

async function paidSale(scene: Scene): Promise<Order> {
  const sale = first(scene);
  await finish(scene, await scene.cashier.prepare(sale));
  return sale;
}

async function mustReturn(scene: Scene, order: Return): Promise<Charge> {
  const { charge, decision } = await giveBack(scene, order);
  if (decision.outcome !== 'approved')
    scene.cashier.book.violate(`${order.type} of ${order.name}: ${decision.reasons.join(', ')}`, order.plan);
  return charge;
}

async function mustNotReturn(scene: Scene, order: Return, reason: string): Promise<void> {
  const { decision } = await giveBack(scene, order);
  mustRefuse(scene, decision, reason);
}

/** Asks for it until it is decided, with a new grant where its PIN was lost with the service. */
async function giveBack(
  scene: Scene,
  order: Return,
): Promise<{ readonly charge: Charge; readonly decision: GateDecision }> {
  const { cashier, plan } = scene;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const charge = await cashier.prepare(order);
    const decision = await ask(scene, charge, plan.number);
    const lost = decision.outcome === 'refused' && decision.reasons[0] === 'PIN_LOST' && isPinLost(cashier, charge);
    if (!lost) return { charge, decision };
  }
  throw new Error('its PIN was lost again and again');
}

/** Asks the gate, and books what it approves. */
async function ask({ cashier, plan }: Scene, charge: Charge, till: number): Promise<GateDecision> {
  const decision = await cashier.ask(charge, cashier.till(till));
  const { name: order, type, amountMinor } = charge.order;
  if (decision.outcome === 'approved' && type !== undefined)
    cashier.book.givenBack.set(charge.intentHash, { order, type, amountMinor, plan: plan.number });
  return decision;
}

interface ReturnRow {
  readonly merchant: string;
  readonly order_number: string;
  readonly type: 'refund' | 'void';
  readonly amount: string;
  readonly currency: number;
  readonly intent: string;
  readonly reported: string | null;
}

/** Approved refunds and voids against what was answered, and against the top-up of their order: never more than that. */
export async function checkReturns(book: Book, view: OutsideView, { ledger }: Shop): Promise<void> {
  const rows = await view.rows<ReturnRow>(
    `SELECT c.merchant, c.order_number, c.transaction_type AS type, c.amount_minor::TEXT AS amount, c.currency,
            encode(c.intent_hash, 'hex') AS intent, o.outcome AS reported
       FROM decision c LEFT JOIN payment_outcome o ON o.grant_id = c.grant_id
      WHERE c.outcome = 'approved' AND c.transaction_type IN ('refund', 'void')`,
  );
  const orders = Map.groupBy(rows, ({ order_number }) => order_number);
  for (const [order, returns] of orders) {
    const plan = book.givenBack.get(returns[0]?.intent ?? '')?.plan ?? null;
    const paid = ledger.find({ merchant: returns[0]?.merchant ?? '', order });
    const standing = returns.filter(({ reported }) => reported !== 'declined');
    const sum = standing.reduce((before, { amount }) => before + BigInt(amount), 0n);
    if (paid?.state !== 'paid' || sum > paid.amountMinor || returns.some(({ currency }) => currency !== paid.currency))
      book.violate(`${sum} given back of ${order}`, plan);
    const voids = standing.filter(({ type }) => type === 'void');
    if (voids.length > 0 && (standing.length > 1 || sum !== paid?.amountMinor))
      book.violate(`a void of ${order} is not alone, or not of all of it`, plan);
  }
  const known = new Map(rows.map((row) => [row.intent, row]));
  for (const [intent, { order, type, amountMinor, plan }] of book.givenBack) {
    const row = known.get(intent);
    const same = row?.order_number === order && row.type === type && BigInt(row.amount) === amountMinor;
    const failed = row?.reported === 'declined';
    if (!same || failed !== book.failed.has(intent)) book.violate(`a ${type} that is not as answered: ${order}`, plan);
  }
  if (known.size !== book.givenBack.size)
    book.violate(`${known.size} refunds and voids of ${book.givenBack.size}`, null);
  book.count('refunds and voids', rows.length);
}
