import type { Charge, PinEntered } from './cashier.ts';
import { again, first, isPinLost, type Scene } from './scene.ts';

const ATTEMPTS = 150;

/** Wrong PINs come first; each lets the tap be paid again until its tries are over, and then another tap is paid. */
export async function wrongPins(scene: Scene): Promise<void> {
  const { cashier, plan } = scene;
  const pinAfter = (declined: number): PinEntered => (declined < plan.times ? 'wrong' : 'right');
  await payThroughDeclines(scene, await cashier.prepare(first(scene), 'wrong'), pinAfter, plan.times);
}

/** The issuer asks for a PIN where none was entered. */
export async function requiredPin(scene: Scene): Promise<void> {
  const { cashier } = scene;
  const order = first(scene);
  cashier.shop.issuer.askForPin(order.name);
  await payThroughDeclines(scene, await cashier.prepare(order), () => 'right', 1);
}

/** Pays an order that is declined so many times, and once more for each other tap of its card. */
async function payThroughDeclines(
  scene: Scene,
  charge: Charge,
  pinAfter: (declined: number) => PinEntered,
  declines: number,
): Promise<void> {
  const { cashier, plan } = scene;
  const { book, shop } = cashier;
  let [next, declined, most] = [charge, 0, declines];
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const answer = await cashier.settle(next, cashier.till(plan.number));
    if (answer.outcome === 'unavailable') throw new Error('not decided');
    if (answer.outcome === 'paid') {
      const { merchant, name: order } = next.order;
      const verified = shop.ledger.find({ merchant, order })?.pinVerified === true;
      if (!verified || declined < declines) book.violate(`${plan.mishap}: paid without the right PIN`, plan.number);
      return;
    }
    const [reason = answer.outcome] = answer.reasons;
    book.count(`${plan.mishap}: ${reason}`);
    if (answer.outcome === 'declined') book.declined.add(next.intentHash);
    if (answer.outcome === 'declined' && reason === 'declined') declined += 1;
    else if (reason !== 'PIN_LOST' || !isPinLost(cashier, next)) book.violate(`${plan.mishap}: ${reason}`, plan.number);
    if (declined > most) book.violate(`${plan.mishap}: declined ${declined} times`, plan.number);
    const following = await again(cashier, next, answer.again?.parentGrantId, pinAfter(declined));
    if (following.tap.iccData !== next.tap.iccData) most += 1;
    next = following;
  }
  book.violate(`order ${charge.order.name} was never paid`, plan.number);
}
