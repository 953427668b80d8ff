import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { saleOf } from '../../src/virtual/attacks/attack.ts';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import type { PhoneMoment } from '../../src/virtual/phone/stream.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { payThrough, persistently, startWorld, untilDecided } from './support.ts';

let world: World;
let end: () => Promise<void> = async () => {};

beforeAll(async () => {
  ({ world, end } = await startWorld());
}, 120_000);

afterAll(() => end(), 60_000);

async function topUps(order: string): Promise<number> {
  const entries = await (await world.processing()).ledger();
  return entries.filter((entry) => entry.order === order).length;
}

/** Kills the service, once, at one message of the phone's exchanges, and starts it again before the phone goes on. */
function killAt(phone: VirtualPhone, { exchange, direction, number }: PhoneMoment): () => boolean {
  let killed = false;
  phone.memory.probe = async (moment) => {
    const here = moment.exchange === exchange && moment.direction === direction && moment.number === number;
    if (killed || !here) return;
    killed = true;
    await world.killService();
    await world.startService();
  };
  return () => killed;
}

const moments = (exchange: PhoneMoment['exchange'], sent: number, received: number): PhoneMoment[] => [
  ...Array.from({ length: sent }, (_, at): PhoneMoment => ({ exchange, direction: 'sent', number: at + 1 })),
  ...Array.from({ length: received }, (_, at): PhoneMoment => ({ exchange, direction: 'received', number: at + 1 })),
];

const named = (list: readonly PhoneMoment[]) =>
  list.map((moment) => [`${moment.direction} ${moment.number}`, moment] as const);

describe('the service killed with SIGKILL at a message of an enrolment', () => {
  test.each(named(moments('attest', 2, 2)))('%s: one phone by one invite, and it can pay', async (_name, moment) => {
    const phone = await world.phone();
    const code = await world.invite();
    const killed = killAt(phone, moment);
    await persistently(() => phone.attest(code));
    expect(killed()).toBe(true);
    const { deviceId } = phone.memory;
    await phone.attest(null);
    expect(phone.memory.deviceId).toBe(deviceId);
    const terms = saleOf(world, 100n);
    await phone.injectKeys();
    await expect(payThrough(world, phone, terms)).resolves.toMatchObject({ outcome: 'paid' });
  });
});

describe('the service killed with SIGKILL at a message of an injection', () => {
  test.each(named(moments('inject', 3, 3)))('%s: the phone ends with keys that pay, once', async (_name, moment) => {
    const phone = await world.readyPhone();
    const killed = killAt(phone, moment);
    await persistently(() => phone.injectKeys());
    expect(killed()).toBe(true);
    const terms = saleOf(world, 300n);
    await expect(payThrough(world, phone, terms)).resolves.toMatchObject({ outcome: 'paid' });
    expect(await topUps(terms.order)).toBe(1);
  });
});

describe('the service killed with SIGKILL at a message of a payment with PIN', () => {
  const all = [...moments('session', 3, 3), ...moments('pin', 3, 3)];
  test.each(all.map((moment) => [`${moment.exchange} ${moment.direction} ${moment.number}`, moment] as const))(
    '%s: it is paid once',
    async (_name, moment) => {
      const phone = await world.readyPhone();
      const killed = killAt(phone, moment);
      const terms = saleOf(world, 9900n);
      await expect(payThrough(world, phone, terms)).resolves.toMatchObject({ outcome: 'paid' });
      expect(killed()).toBe(true);
      expect(await topUps(terms.order)).toBe(1);
    },
  );
});

describe('the service killed with SIGKILL while the gate decides', () => {
  // The instant lies between nothing and some ten milliseconds; the ledger is right wherever it falls.
  test.each([0, 2, 4, 8])('%i ms after submission: it is paid once', async (milliseconds) => {
    const phone = await world.readyPhone();
    const terms = saleOf(world, 1250n);
    const payment = await phone.pay(terms, await world.card(), null);
    const processing = await world.processing();
    const cut = processing.submit(payment);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    await world.killService();
    await world.startService();
    await cut;
    await expect(untilDecided(() => processing.submit(payment))).resolves.toMatchObject({ outcome: 'paid' });
    expect(await topUps(terms.order)).toBe(1);
  });
});

describe('processing killed with SIGKILL', () => {
  test('between the gate and the wallet: the same payment is paid once', async () => {
    const phone: VirtualPhone = await world.readyPhone();
    const terms = saleOf(world, 1250n);
    const payment = await phone.pay(terms, await world.card(), null);
    const cut = (await world.processing()).submit(payment).catch(() => null);
    await world.killProcessing('acquirer');
    await cut;
    await world.startProcessing('acquirer');
    const processing = await world.processing();
    await expect(persistently(() => processing.submit(payment))).resolves.toMatchObject({ outcome: 'paid' });
    expect(await topUps(terms.order)).toBe(1);
  });
});

describe('after every kill', () => {
  test('every receipt that was given is still the answer to its intent', async () => {
    const phone = await world.readyPhone();
    const payment = await phone.pay(saleOf(world, 1250n), await world.card(), null);
    const processing = await world.processing();
    const { receipt } = await processing.submit(payment);
    await world.killService();
    await world.startService();
    const again = await persistently(async () => {
      const result = await processing.submit(payment);
      if (result.outcome === 'unavailable') throw new Error('not yet');
      return result;
    });
    expect(again).toMatchObject({ outcome: 'paid', receipt });
  });
});
