import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  type AuthorizePaymentRequest,
  type AuthorizePaymentsRequest,
  type AuthorizePaymentsResponse,
  PaymentGateServiceClient,
} from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import { saleOf } from '../../src/virtual/attacks/attack.ts';
import type { VirtualPhone } from '../../src/virtual/phone/phone.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { ClientConversation, channelCredentials, channelOptions } from '../../src/wire/channel.ts';
import { Network } from '../support/network.ts';
import { persistently, startWorld } from './support.ts';

type Line = ClientConversation<AuthorizePaymentsRequest, AuthorizePaymentsResponse>;

const WITHIN = { withinMilliseconds: 10_000 };
const LINES = 8;

let world: World;
let end: () => Promise<void> = async () => {};

beforeAll(async () => {
  ({ world, end } = await startWorld());
}, 300_000);

afterAll(() => end(), 60_000);

const portOf = (address: string): number => Number(address.split(':')[1]);

async function paymentOf(phone: VirtualPhone): Promise<AuthorizePaymentRequest> {
  const { deviceToken, intent, sessionPublicKey } = await phone.pay(saleOf(world, 100n), await world.card(), null);
  return { deviceToken, intent, sessionPublicKey };
}

/** Reads to the stream's end; null is an orderly one. */
async function endOf(line: Line): Promise<unknown> {
  try {
    while ((await line.next(WITHIN)) !== null);
    return null;
  } catch (error) {
    return error;
  }
}

test('processing whose streams share one connection goes on over another one after the service was killed', async () => {
  const phone = await world.readyPhone();
  const payment = await paymentOf(phone);
  const network = await Network.to(portOf(world.addresses.processing));
  const { tls } = await world.gateEndpoint('acquirer');
  const gate = new PaymentGateServiceClient(
    network.address,
    channelCredentials(tls),
    channelOptions({ ownConnection: true }),
  );
  const ask: AuthorizePaymentsRequest = { correlation: 1n, payment };
  const lines: Line[] = [];
  for (let line = 1; line <= LINES; line += 1) lines.push(new ClientConversation(gate.authorizePayments()));
  for (const line of lines) {
    await line.send(ask);
    expect(await line.next(WITHIN)).toMatchObject({ decision: { outcome: { $case: 'approved' } } });
  }
  // Answers are under way, others are asked for, and the service dies.
  network.hold('service');
  for (const [at, line] of lines.entries()) {
    await line.send(ask);
    await network.holds(at + 1);
  }
  await world.killService();
  for (const line of lines) for (let message = 1; message <= 4; message += 1) void line.send(ask);
  await new Promise<void>((resolve) => process.nextTick(resolve));
  network.deliverAndReset();
  for (const cause of await Promise.all(lines.map(endOf))) expect(cause).toMatchObject({ code: expect.any(Number) });
  await world.startService();
  const decided = await persistently(async () => {
    const line = new ClientConversation(gate.authorizePayments());
    await line.send(ask);
    const answer = await line.next(WITHIN);
    line.close();
    if (answer?.decision?.outcome?.$case !== 'approved') throw new Error('not decided');
    return answer.decision.outcome.value.receipt;
  });
  expect(decided).not.toBe('');
  gate.close();
  await network.close();
}, 120_000);
