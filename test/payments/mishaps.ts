import { setTimeout as sleep } from 'node:timers/promises';
import { callUnary } from '../../src/wire/call.ts';
import type { Charge } from './cashier.ts';
import { sendAndCut } from './gate-line.ts';
import { limited } from './limits.ts';
import { requiredPin, wrongPins } from './pins.ts';
import type { Mishap } from './plan.ts';
import {
  refundAtOnce,
  refundDeclined,
  refundInParts,
  refundOfNothing,
  refundToOtherCard,
  voidSale,
} from './refunds.ts';
import { at, finish, first, isPinLost, mustRefuse, mustRepeat, type Scene } from './scene.ts';

const CALL_WITHIN = 15_000;
const PAUSE = 200;
const ATTEMPTS = 150;

/** Of payments that are on their way at the same time, a later one may overtake an earlier one. */
const SUSPENDED: ReadonlySet<string> = new Set(['DEVICE_SUSPENDED', 'SESSION_ENDED', 'COUNTER_BEHIND']);

/** Carries a plan out: each of its orders ends paid, once, or is over a limit. */
export function carryOut(scene: Scene): Promise<void> {
  return MISHAPS[scene.plan.mishap](scene);
}

const MISHAPS: Readonly<Record<Mishap, (scene: Scene) => Promise<void>>> = {
  none: async (scene) => finish(scene, await scene.cashier.prepare(first(scene))),

  'asked again': async (scene) => {
    const { cashier, plan } = scene;
    const charge = await cashier.prepare(first(scene));
    await finish(scene, charge);
    for (let time = 1; time <= plan.times; time += 1) {
      mustRepeat(scene, await cashier.ask(charge, cashier.till(plan.number + time)), charge);
    }
  },

  'asked at once': async (scene) => {
    const { cashier, plan } = scene;
    const charge = await cashier.prepare(first(scene));
    const unary = cashier.till(plan.number + 1).client;
    const again = Array.from({ length: plan.times }, (_, time) => cashier.ask(charge, cashier.till(time)));
    const alone = cashier.decided(() => callUnary(unary.authorizePayment.bind(unary), charge.payment, CALL_WITHIN));
    const [decisions] = await Promise.all([Promise.all([...again, alone]), finish(scene, charge)]);
    for (const decision of decisions) mustRepeat(scene, decision, charge);
  },

  overtaken: async (scene) => {
    const { cashier, orders } = scene;
    const earlier = await cashier.prepare(at(orders, 0));
    const later = await cashier.prepare(at(orders, 1));
    await finish(scene, later);
    await finish(scene, earlier, new Set(['COUNTER_BEHIND']));
  },

  'other processing': async (scene) => {
    const { cashier, plan } = scene;
    const charge = await cashier.prepare(first(scene));
    const other = cashier.till(plan.number + 1).submit(charge.payment);
    await Promise.all([other, finish(scene, charge)]);
  },

  rival: async (scene) => {
    const { cashier } = scene;
    const charge = await cashier.prepare(first(scene));
    const { rival } = cashier.shop;
    const decision = await cashier.decided(() =>
      callUnary(rival.authorizePayment.bind(rival), charge.payment, CALL_WITHIN),
    );
    mustRefuse(scene, decision, 'TOKEN_AUDIENCE_MISMATCH');
    await finish(scene, charge);
  },

  cut: async (scene) => {
    const { cashier, plan } = scene;
    const charge = await cashier.prepare(first(scene));
    const till = cashier.till(plan.number);
    await sendAndCut(till.client, charge.payment, plan.milliseconds);
    if (plan.times === 3 && plan.milliseconds < 10) till.line.cut();
    await finish(scene, charge);
  },

  'changed before': async (scene) => {
    const { cashier, plan } = scene;
    const charge = await cashier.prepare(first(scene));
    const changed = cashier.changed(charge, true);
    const decision = await cashier.decided(() => cashier.till(plan.number).line.ask(changed));
    mustRefuse(scene, decision, 'INTENT_GRANT_MISMATCH');
    await finish(scene, charge, new Set(['INTENT_CHANGED']));
  },

  'changed after': async (scene) => {
    const { cashier, plan } = scene;
    const charge = await cashier.prepare(first(scene));
    const changed = cashier.changed(charge, true);
    await finish(scene, charge);
    const decision = await cashier.decided(() => cashier.till(plan.number).line.ask(changed));
    mustRefuse(scene, decision, 'INTENT_CHANGED');
  },

  'not signed': async (scene) => {
    const { cashier, plan } = scene;
    const charge = await cashier.prepare(first(scene));
    const changed = cashier.changed(charge, false);
    const decision = await cashier.decided(() => cashier.till(plan.number).line.ask(changed));
    mustRefuse(scene, decision, 'INTENT_SIGNATURE_INVALID');
    await finish(scene, charge);
  },

  'tap played again': async (scene) => {
    const { cashier, orders, plan } = scene;
    const charge = await cashier.prepare(at(orders, 0));
    await finish(scene, charge);
    // The cryptogram is for the first order's amount.
    const order = { ...at(orders, 0), name: at(orders, 1).name };
    const fresh = await cashier.prepare(order);
    const played = await cashier.sign(order, { ...fresh.tap, iccData: charge.tap.iccData });
    const decision = await cashier.ask(played, cashier.till(plan.number));
    mustRefuse(scene, decision, 'CARD_COUNTER_REPEATED');
    await finish(scene, fresh, new Set(['INTENT_CHANGED']));
  },

  suspended: suspendMeanwhile,

  'attested anew': async (scene) => {
    const { cashier } = scene;
    const charge = await cashier.prepare(first(scene));
    await cashier.attestAnew();
    await finish(scene, charge, new Set(['SESSION_ENDED', 'TOKEN_INVALID']));
  },

  'keys anew': async (scene) => {
    const { cashier } = scene;
    const charge = await cashier.prepare(first(scene));
    await cashier.rekey();
    await finish(scene, charge);
  },

  'PIN wrong': wrongPins,
  'PIN required': requiredPin,
  'refunded in parts': refundInParts,
  'refunded at once': refundAtOnce,
  'refund declined': refundDeclined,
  'refund of nothing': refundOfNothing,
  'refund to another card': refundToOtherCard,
  voided: voidSale,
  limited,
};

/**
 * Two payments are on their way while the device is suspended, a third is asked once that was answered. What is approved is
 * in the database by then, and nothing comes after it.
 */
async function suspendMeanwhile(scene: Scene): Promise<void> {
  const { cashier, view, plan, orders } = scene;
  const { book, shop, deviceId } = cashier;
  const charges: Charge[] = [];
  for (const order of orders) charges.push(await cashier.prepare(order));
  const grants = charges.map(({ tap }) => tap.transaction.grant.id);
  const [before, meanwhile, after] = [at(charges, 0), at(charges, 1), at(charges, 2)];
  const till = cashier.till(plan.number);
  const asked = Promise.all([
    cashier.ask(before, till),
    sleep(plan.milliseconds).then(() => cashier.ask(meanwhile, till)),
  ]);
  await sleep(plan.times * 3);
  await untilDone(() => shop.world.security((team) => team.suspend(deviceId, 'suspended meanwhile')));
  const from = Date.now();
  const kept = await view.approvedOf(grants);
  const decisions = [...(await asked), await cashier.ask(after, till)];
  for (const [index, decision] of decisions.entries()) {
    const { intentHash } = at(charges, index);
    if (decision.outcome === 'approved' && !kept.has(intentHash)) {
      book.violate(`approved although the suspension was in force: ${intentHash}`, plan.number);
    }
    const reason = decision.outcome === 'approved' ? 'approved' : (decision.reasons[0] ?? '');
    book.count(`suspended meanwhile: ${reason}`);
    const right = kept.has(intentHash) ? reason === 'approved' : SUSPENDED.has(reason);
    if (!right && !(reason === 'PIN_LOST' && isPinLost(cashier, at(charges, index)))) {
      book.violate(`suspended: ${reason}, in the database ${kept.has(intentHash)}`, plan.number);
    }
  }
  const still = await view.approvedOf(grants);
  if (still.size !== kept.size) book.violate('the database has more approvals than at the suspension', plan.number);
  book.suspended.push({ deviceId, plan: plan.number, from, until: Date.now() });
  await untilDone(() => shop.world.security((team) => team.resume(deviceId, 'tried enough')));
  await cashier.attestAnew();
  for (const charge of charges) await finish(scene, charge, new Set([...SUSPENDED, 'TOKEN_INVALID', 'PIN_LOST']));
}

async function untilDone(work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      await sleep(PAUSE);
    }
  }
}
