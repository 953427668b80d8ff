import type { VelocityLimit } from '../../src/gate/policy.ts';
import type { Book } from './book.ts';
import type { Cashier, Charge } from './cashier.ts';
import type { OutsideView } from './database.ts';
import { KIOSK, KIOSK_LIMITS } from './kiosk.ts';
import { at, mustRefuse, type Scene } from './scene.ts';
import type { Shop } from './shop.ts';

const LIMITED = 'VELOCITY_EXCEEDED';

/** All phones of the kiosk pay at once: what fits into its limits is paid, the rest is refused and stays so. */
export function limited(scene: Scene): Promise<void> {
  return scene.kiosk.take(async (cashiers) => {
    const orders = scene.orders.map((order) => ({ ...order, merchant: KIOSK }));
    const charges = await Promise.all(orders.map((order, index) => at(cashiers, index).prepare(order)));
    await Promise.all(charges.map((charge, index) => settle(scene, at(cashiers, index), charge, index)));
  });
}

async function settle(scene: Scene, cashier: Cashier, charge: Charge, index: number): Promise<void> {
  const { plan } = scene;
  const { book } = cashier;
  const answer = await cashier.settle(charge, cashier.till(plan.number + index));
  book.count(`limited: ${answer.outcome}`);
  if (answer.outcome === 'paid') return;
  const [reason = answer.outcome] = answer.reasons;
  if (reason !== LIMITED) return book.violate(`limited: ${reason}`, plan.number);
  const { merchant, name: order } = charge.order;
  book.limited.set(charge.intentHash, { merchant, order, plan: plan.number });
  // However late it is asked again: it was decided.
  if (plan.times === 3) mustRefuse(scene, await cashier.ask(charge, cashier.till(plan.number)), LIMITED);
}

interface Sale {
  readonly deviceId: string;
  readonly amountMinor: bigint;
  readonly currency: number;
  readonly seconds: number;
}

interface SaleRow {
  readonly device_id: string;
  readonly intent: string;
  readonly outcome: string;
  readonly amount: string;
  readonly currency: number;
  readonly seconds: string;
}

/** No window has more approved sales than policy allows: counted anew out of the decisions, and out of the top-ups' receipts. */
export async function checkLimits(book: Book, view: OutsideView, { ledger }: Shop): Promise<void> {
  const rows = await view.rows<SaleRow>(
    `SELECT device_id, encode(intent_hash, 'hex') AS intent, outcome, amount_minor::TEXT AS amount, currency,
            floor(extract(epoch FROM decided_at))::INT8::TEXT AS seconds
       FROM decision WHERE merchant = $1 AND transaction_type = 'sale'`,
    [KIOSK],
  );
  for (const { intent, outcome } of rows)
    if ((outcome === 'refused') !== book.limited.has(intent))
      book.violate(`decided otherwise than answered: ${outcome} ${intent}`, book.limited.get(intent)?.plan ?? null);
  const approved = rows.filter(({ outcome }) => outcome === 'approved');
  const decided = approved.map(({ device_id, amount, currency, seconds }) => {
    return { deviceId: device_id, amountMinor: BigInt(amount), currency, seconds: Number(seconds) };
  });
  checkWindows(book, decided, 'decisions');
  const paid = ledger.paidOrders(Number.MAX_SAFE_INTEGER).filter(({ merchant }) => merchant === KIOSK);
  const toppedUp = paid.map(({ receipt, amountMinor, currency }) => ({ ...saleOf(receipt), amountMinor, currency }));
  checkWindows(book, toppedUp, 'top-ups');
  for (const { merchant, order, plan } of book.limited.values())
    if (ledger.find({ merchant, order })?.state === 'paid') book.violate(`over a limit, and paid: ${order}`, plan);
  book.count('refused for a limit', book.limited.size);
}

function checkWindows(book: Book, sales: readonly Sale[], where: string): void {
  for (const limit of KIOSK_LIMITS) {
    const windows = new Map<string, { payments: number; amountMinor: bigint }>();
    for (const sale of sales) {
      if (limit.currency !== undefined && limit.currency !== sale.currency) continue;
      const name = windowOf(limit, sale);
      const { payments, amountMinor } = windows.get(name) ?? { payments: 0, amountMinor: 0n };
      windows.set(name, { payments: payments + 1, amountMinor: amountMinor + sale.amountMinor });
    }
    for (const [name, { payments, amountMinor }] of windows) {
      const most = { payments: limit.payments ?? payments, amountMinor: limit.amountMinor ?? amountMinor };
      if (payments > most.payments || amountMinor > BigInt(most.amountMinor))
        book.violate(`over a limit by the ${where}: ${name}: ${payments} payments of ${amountMinor}`, null);
      if (payments === limit.payments) book.count(`windows with all payments of a ${limit.of} (${where})`);
    }
    book.count(`windows of a ${limit.of} (${where})`, windows.size);
  }
}

const windowOf = ({ of, windowSeconds }: VelocityLimit, { deviceId, seconds }: Sale): string =>
  `${of === 'device' ? deviceId : KIOSK} ${new Date((seconds - (seconds % windowSeconds)) * 1000).toISOString()}`;

/** Device and time of a verified receipt. */
function saleOf(receipt: string): { readonly deviceId: string; readonly seconds: number } {
  const claims: unknown = JSON.parse(Buffer.from(receipt.split('.')[1] ?? '', 'base64url').toString('utf8'));
  const { sub, iat } = claims as { readonly sub: string; readonly iat: number };
  return { deviceId: sub, seconds: iat };
}
