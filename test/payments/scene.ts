import type { GateDecision } from '../../src/virtual/processing/pay.ts';
import type { Cashier, Charge, Order, PinEntered } from './cashier.ts';
import type { OutsideView } from './database.ts';
import type { Kiosk } from './kiosk.ts';
import type { PaymentPlan } from './plan.ts';

const ATTEMPTS = 150;
const NOTHING: ReadonlySet<string> = new Set();

/** What one plan is carried out with. */
export interface Scene {
  readonly cashier: Cashier;
  readonly view: OutsideView;
  readonly kiosk: Kiosk;
  readonly plan: PaymentPlan;
  readonly orders: readonly Order[];
}

/** The first order of a plan. */
export const first = ({ orders }: Scene): Order => at(orders, 0);

/** What stands there in a list. */
export function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new RangeError(`nothing at ${index}`);
  return found;
}

/**
 * Pays an order to its end. A refusal is one that is expected of this charge, or a PIN that was lost with the service; then
 * the order is tried with a new grant.
 */
export async function finish({ cashier, plan }: Scene, charge: Charge, expected = NOTHING): Promise<void> {
  let [next, mayBe] = [charge, expected];
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const answer = await cashier.settle(next, cashier.till(plan.number));
    if (answer.outcome === 'paid') return;
    if (answer.outcome === 'unavailable') throw new Error('not decided');
    const [reason = answer.outcome] = answer.reasons;
    cashier.book.count(`refused: ${reason}`);
    if (answer.outcome === 'declined') cashier.book.declined.add(next.intentHash);
    if (!mayBe.has(reason) && !(reason === 'PIN_LOST' && isPinLost(cashier, next))) {
      cashier.book.violate(`order ${next.order.name} was ${answer.outcome}: ${answer.reasons.join(', ')}`, plan.number);
    }
    mayBe = NOTHING;
    next = await again(cashier, next, answer.again?.parentGrantId);
  }
  cashier.book.violate(`order ${charge.order.name} was never paid`, plan.number);
}

/** Whether the service was killed since the PIN was entered. */
export const isPinLost = ({ book }: Cashier, { pinEnteredAfterKills }: Charge): boolean =>
  pinEnteredAfterKills !== null && pinEnteredAfterKills !== book.serviceKills;

/** The next charge of an order: of the same tap where that may be paid again, else of another one. */
export async function again(
  cashier: Cashier,
  charge: Charge,
  parentGrantId: string | undefined,
  pin: PinEntered = 'right',
): Promise<Charge> {
  if (parentGrantId === undefined) return cashier.prepare(charge.order, pin);
  cashier.book.count('taps paid again');
  try {
    return await cashier.prepareAgain(charge, parentGrantId, pin);
  } catch {
    // Its time is over, or its session.
    return cashier.prepare(charge.order, pin);
  }
}

/** The gate has to refuse it for this reason. */
export function mustRefuse({ cashier, plan }: Scene, decision: GateDecision, reason: string): void {
  const [given = decision.outcome] = decision.outcome === 'approved' ? [] : decision.reasons;
  cashier.book.count(`refused: ${given}`);
  if (given !== reason) cashier.book.violate(`${plan.mishap}: ${given}, not ${reason}`, plan.number);
}

/** The gate has to approve it as before: only a PIN that was lost before anything was decided speaks against it. */
export function mustRepeat({ cashier, plan }: Scene, decision: GateDecision, charge: Charge): void {
  if (decision.outcome === 'approved') {
    if (decision.pinLost && !isPinLost(cashier, charge)) cashier.book.violate('a PIN was lost', plan.number);
    return;
  }
  const lost = decision.reasons[0] === 'PIN_LOST' && isPinLost(cashier, charge);
  if (!lost) cashier.book.violate(`${plan.mishap}: ${decision.reasons.join(', ')}`, plan.number);
}
