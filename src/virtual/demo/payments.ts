import { setTimeout as sleep } from 'node:timers/promises';
import { saleOf } from '../attacks/attack.ts';
import { type CardScheme, TEST_ACCOUNTS } from '../card/account.ts';
import type { VirtualPhone } from '../phone/phone.ts';
import type { PaymentResult } from '../world/processing-client.ts';
import type { World } from '../world/world.ts';
import type { DemoStep } from './step.ts';

const phones = new WeakMap<World, VirtualPhone>();

async function courier(world: World): Promise<VirtualPhone> {
  const known = phones.get(world);
  if (known !== undefined) return known;
  const phone = await world.phone();
  phones.set(world, phone);
  return phone;
}

function euros(minor: bigint): string {
  return `${(Number(minor) / 100).toFixed(2)} EUR`;
}

async function payOnce(world: World, amountMinor: bigint, withPin: boolean, scheme: CardScheme) {
  const phone = await courier(world);
  const card = await world.card(scheme);
  const payment = await phone.pay(saleOf(world, amountMinor), card, withPin ? card.account.pin : null);
  const paid = await (await world.processing()).submit(payment);
  if (paid.outcome !== 'paid') throw new Error(`${paid.outcome} ${paid.reasons.join(', ')}`);
  return { paid, payment };
}

const enrol: DemoStep = {
  name: 'phone enrols with an invite',
  run: async (world) => {
    const phone = await courier(world);
    const result = await phone.attest(await world.invite());
    return `device ${result.deviceId}, ${result.checks.length} checks, token for ten minutes`;
  },
};

const inject: DemoStep = {
  name: 'keys are injected and proven',
  run: async (world) => {
    const keys = await (await courier(world)).injectKeys();
    return `PIN and account data keys active for ${keys.maximumTransactions} transactions`;
  },
};

const small: DemoStep = {
  name: 'tap below the limit',
  run: async (world) => {
    const { paid } = await payOnce(world, 1250n, false, 'visa');
    return `12.50 EUR paid, wallet ${euros(paid.balanceMinor)}`;
  },
};

const withPin: DemoStep = {
  name: 'tap above the limit, with PIN',
  run: async (world) => {
    const { paid } = await payOnce(world, 9900n, true, 'mastercard');
    return `99.00 EUR paid, PIN verified by the issuer, wallet ${euros(paid.balanceMinor)}`;
  },
};

const everyScheme: DemoStep = {
  name: 'a card of every scheme',
  run: async (world) => {
    const schemes = Object.keys(TEST_ACCOUNTS) as CardScheme[];
    let balanceMinor = 0n;
    for (const [at, scheme] of schemes.entries()) {
      // By turns without a PIN and with one.
      const amountMinor = at % 2 === 0 ? 815n + BigInt(at) : 6400n + BigInt(at);
      ({ balanceMinor } = (await payOnce(world, amountMinor, at % 2 === 1, scheme)).paid);
    }
    return `${schemes.join(', ')}: ${schemes.length} paid, wallet ${euros(balanceMinor)}`;
  },
};

const again: DemoStep = {
  name: 'one payment submitted three times',
  run: async (world) => {
    const { paid, payment } = await payOnce(world, 700n, false, 'mir');
    const processing = await world.processing();
    const second = await processing.submit(payment);
    const third = await processing.submit(payment);
    const once = second.balanceMinor === paid.balanceMinor && third.balanceMinor === paid.balanceMinor;
    if (!once || third.receipt !== paid.receipt) throw new Error('the wallet was topped up more than once');
    return `one top-up, one receipt, wallet ${euros(third.balanceMinor)}`;
  },
};

const wrongPin: DemoStep = {
  name: 'wrong PIN, then the right one, on one tap',
  run: async (world) => {
    const phone = await courier(world);
    const card = await world.card('mastercard');
    const processing = await world.processing();
    const { pan, pin } = card.account;
    const tap = phone.tap(await phone.begin(saleOf(world, 7700n)), card);
    const wrong = pin === '0000' ? '1111' : '0000';
    const first = await processing.submit(phone.sign(tap, await phone.enterPin(tap, { pin: wrong, pan })));
    if (first.outcome !== 'declined' || first.pinTriesLeft === 0) throw new Error(`a wrong PIN is ${first.outcome}`);
    const again = await phone.beginAgain(tap);
    const paid = await processing.submit(phone.sign(again, await phone.enterPin(again, { pin, pan })));
    if (paid.outcome !== 'paid') throw new Error(`${paid.outcome} ${paid.reasons.join(', ')}`);
    return `declined, then 77.00 EUR paid without another tap, wallet ${euros(paid.balanceMinor)}`;
  },
};

const renew: DemoStep = {
  name: 'phone attests again and pays',
  run: async (world) => {
    const phone = await courier(world);
    await phone.attest(null);
    const { paid } = await payOnce(world, 500n, false, 'visa');
    return `new session key, same device and keys, wallet ${euros(paid.balanceMinor)}`;
  },
};

/** Asks again while nothing is decided, as processing does: for at most half a minute. */
async function untilDecided(submit: () => Promise<PaymentResult>): Promise<PaymentResult> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await submit();
    if (result.outcome !== 'unavailable' || attempt === 30) return result;
    await sleep(1000);
  }
}

const powerCut: DemoStep = {
  name: 'service killed between tap and answer',
  run: async (world) => {
    const phone = await courier(world);
    const payment = await phone.pay(saleOf(world, 2500n), await world.card(), null);
    await world.killService();
    const processing = await world.processing();
    const during = await processing.submit(payment);
    if (during.outcome !== 'unavailable') throw new Error(`expected no decision, got ${during.outcome}`);
    await world.startService();
    const paid = await untilDecided(() => processing.submit(payment));
    if (paid.outcome !== 'paid') throw new Error(`${paid.outcome} ${paid.reasons.join(', ')}`);
    return `nothing decided while down, paid once after the restart, wallet ${euros(paid.balanceMinor)}`;
  },
};

/** Honest payments, in their order. */
export const PAYMENT_STEPS: readonly DemoStep[] = [
  enrol,
  inject,
  small,
  withPin,
  everyScheme,
  wrongPin,
  again,
  renew,
  powerCut,
];
