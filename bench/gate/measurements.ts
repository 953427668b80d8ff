import { readFile } from 'node:fs/promises';
import {
  type AuthorizePaymentResponse,
  PaymentGateServiceClient,
} from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import type { SignedPayment } from '../../src/virtual/phone/intent.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { channelCredentials, channelOptions } from '../../src/wire/channel.ts';
import { decodeIntent } from '../../src/wire/transaction.ts';
import { childRunning } from '../cpu.ts';
import type { BenchReport } from '../group.ts';
import { DecisionCryptography, type DecisionSizes } from './cryptography.ts';
import { type Echo, startEcho } from './echo.ts';
import { authorize, streamPayments } from './load.ts';
import { PaymentPreparation } from './payments.ts';
import type { GateSetting } from './setting.ts';
import { measureStreamed } from './streamed.ts';
import { measureLatency, measureRate } from './unary.ts';

const ACQUIRER = 'acquirer';
const VAULT = '/vault/main.ts';
const TAG_BYTES = 16;
/** Decisions before anything counts, so that the service runs the code that it will run for hours. */
const WARM_UP = 1500;

/** Sizes of a payment and of the answer to it. */
function sizesOf({ intent, deviceToken }: SignedPayment, { outcome }: AuthorizePaymentResponse): DecisionSizes {
  const payload = intent?.payload ?? Buffer.alloc(0);
  const decoded = decodeIntent(payload);
  if (!decoded.ok || outcome?.$case !== 'approved') throw new Error('not an approved payment');
  const signingInput = (compact: string): number => compact.lastIndexOf('.');
  return {
    token: signingInput(deviceToken),
    intent: payload.length,
    receipt: signingInput(outcome.value.receipt),
    accountData: decoded.value.accountData.ciphertext.length - TAG_BYTES,
  };
}

async function echoClient({ folder }: World, { address }: Echo): Promise<PaymentGateServiceClient> {
  const [ca, cert, key] = await Promise.all([
    readFile(folder.certificate('processing', 'ca.crt')),
    readFile(folder.certificate('processing', `${ACQUIRER}.crt`)),
    readFile(folder.certificate('processing', `${ACQUIRER}.key`)),
  ]);
  return new PaymentGateServiceClient(address, channelCredentials({ ca, cert, key }), channelOptions());
}

async function measureUnary(setting: GateSetting, world: World, echo: Echo): Promise<void> {
  const client = await echoClient(world, echo);
  try {
    const rate = await measureRate(setting, client);
    await measureLatency(setting, client, 'none', rate / 2);
    await measureLatency(setting, client, 'pin', rate / 2);
  } finally {
    client.close();
  }
}

/** Measures the gate of a running world: CPU time of streamed decisions, rate and latency of unary ones. */
export async function measureGate(world: World, report: BenchReport): Promise<void> {
  const preparation = await PaymentPreparation.start(world, report.tell);
  const gate = await world.gate(ACQUIRER);
  const pids = [world.serviceProcess, childRunning(world.serviceProcess, VAULT)];
  const prepared = await preparation.prepare(WARM_UP, 'none');
  const counters = prepared.map(({ counter }) => counter);
  const [sample, ...others] = prepared.map(({ payment }) => payment);
  if (sample === undefined) throw new Error('nothing was prepared');
  const response = await authorize(gate, sample);
  await streamPayments(gate, others);
  const sizes = sizesOf(sample, response);
  const cryptography = new DecisionCryptography(sizes);
  for (const counter of counters) cryptography.decide(counter, true);
  const setting: GateSetting = { preparation, gate, pids, cryptography, sample, counters, report };
  await measureStreamed(setting, 'none');
  await measureStreamed(setting, 'pin');
  const echo = await startEcho(world.folder, response, sizes, counters);
  try {
    await measureUnary(setting, world, echo);
  } finally {
    await echo.stop();
  }
}
