import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AuthorizePaymentResponse,
  PaymentGateServiceClient,
} from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import type { SignedPayment } from '../../src/virtual/phone/intent.ts';
import type { World } from '../../src/virtual/world/world.ts';
import { channelCredentials, channelOptions } from '../../src/wire/channel.ts';
import { decodeIntent } from '../../src/wire/transaction.ts';
import { childRunning, cpuMicroseconds, processMicroseconds } from '../cpu.ts';
import type { BenchReport } from '../group.ts';
import { type Goal, lineOf } from '../lines.ts';
import { compare, interleave, median, quantile } from '../measure.ts';
import { aesOf, DecisionCryptography, type DecisionSizes } from './cryptography.ts';
import { type Echo, startEcho } from './echo.ts';
import { authorize, callRate, pacedLatencies, streamPayments } from './load.ts';
import { PaymentPreparation, type Verification } from './payments.ts';

const ACQUIRER = 'acquirer';
const VAULT = 'vault/main.ts';
const TAG_BYTES = 16;

const STREAMED: Goal = { relation: '<=', ratio: 2 };
const UNARY: Goal = { relation: '>=', ratio: 0.7 };

/** Decisions before anything counts, so that the service runs the code that it will run for hours. */
const WARM_UP = 600;
const STREAM = { none: { rounds: 5, decisions: 300 }, pin: { rounds: 5, decisions: 150 } } as const;
const RATE = { rounds: 5, warmUp: 1, calls: 250, echoCalls: 1000 };
const PACED = { rounds: 2, calls: 150 };

/** Processes are idle when they take less than this part of a CPU. */
const IDLE_PART = 0.02;
const IDLE_WITHIN = 50;
const LOOK_AGAIN = 100;

/** What all measurements of the group stand on. */
interface Bench {
  readonly preparation: PaymentPreparation;
  readonly gate: PaymentGateServiceClient;
  /** The service and its vault. */
  readonly pids: readonly number[];
  readonly cryptography: DecisionCryptography;
  /** Counters of payments that were prepared. */
  readonly counters: readonly number[];
  readonly report: BenchReport;
}

/** Waits until what is not to be measured, such as the end of the preparation, is over. */
async function untilIdle(pids: readonly number[]): Promise<void> {
  for (let look = 0; look < IDLE_WITHIN; look += 1) {
    const before = processMicroseconds(pids);
    await sleep(LOOK_AGAIN);
    if (processMicroseconds(pids) - before < LOOK_AGAIN * 1000 * IDLE_PART) return;
  }
}

/** Sizes of a payment and of the answer to it. */
function sizesOf(payment: SignedPayment, { outcome }: AuthorizePaymentResponse): DecisionSizes {
  const payload = payment.intent?.payload ?? Buffer.alloc(0);
  const intent = decodeIntent(payload);
  if (!intent.ok || outcome?.$case !== 'approved') throw new Error('the first payment is not approved');
  const signingInput = (compact: string): number => compact.lastIndexOf('.');
  return {
    token: signingInput(payment.deviceToken),
    intent: payload.length,
    receipt: signingInput(outcome.value.receipt),
    accountData: intent.value.accountData.ciphertext.length - TAG_BYTES,
  };
}

async function measureStreamed(bench: Bench, verification: Verification): Promise<void> {
  const { preparation, gate, pids, cryptography, report } = bench;
  const { rounds, decisions } = STREAM[verification];
  const pin = verification === 'pin';
  let counters = bench.counters;
  const measured = await interleave({
    rounds,
    warmUp: 0,
    ours: async () => {
      const prepared = await preparation.prepare(decisions, verification);
      counters = prepared.map(({ counter }) => counter);
      await untilIdle(pids);
      const before = processMicroseconds(pids);
      await streamPayments(
        gate,
        prepared.map(({ payment }) => payment),
      );
      return (processMicroseconds(pids) - before) / decisions;
    },
    yardstick: () =>
      cpuMicroseconds(counters.length, () => {
        for (const counter of counters) cryptography.decide(counter, pin);
      }),
  });
  const aes = counters.map((counter) => aesOf(counter, pin));
  const [blocks, gcm] = [median(aes.map((count) => count.blocks)), median(aes.map((count) => count.gcm))];
  report.tell(`a decision ${pin ? 'with' : 'without'} a PIN: ${blocks} AES blocks (median), ${gcm} GCM operations`);
  report.line(lineOf(`gate/streamed-decision${pin ? '-pin' : ''}`, 'CPU µs/decision', compare(measured), STREAMED));
}

/** Unary rate; answers the median, in calls a second. */
async function measureUnary(
  { preparation, gate, pids, report }: Bench,
  echo: PaymentGateServiceClient,
): Promise<number> {
  const [sample] = await preparation.prepare(1, 'none');
  const echoed = Array.from({ length: RATE.echoCalls }, () => sample!.payment);
  const rounds = await interleave({
    ...RATE,
    ours: async () => {
      const prepared = await preparation.prepare(RATE.calls, 'none');
      await untilIdle(pids);
      return callRate(
        gate,
        prepared.map(({ payment }) => payment),
      );
    },
    yardstick: () => callRate(echo, echoed),
  });
  const comparison = compare(rounds);
  report.line(lineOf('gate/unary-rate', 'calls/s', comparison, UNARY));
  return comparison.ours;
}

async function measureLatency(
  { preparation, gate, pids, report }: Bench,
  echo: PaymentGateServiceClient,
  verification: Verification,
  perSecond: number,
): Promise<void> {
  const [sample] = await preparation.prepare(1, 'none');
  const echoed = Array.from({ length: PACED.calls }, () => sample!.payment);
  const rounds = await interleave({
    rounds: PACED.rounds,
    warmUp: 0,
    ours: async () => {
      const prepared = await preparation.prepare(PACED.calls, verification);
      await untilIdle(pids);
      return pacedLatencies(
        gate,
        prepared.map(({ payment }) => payment),
        perSecond,
      );
    },
    yardstick: () => pacedLatencies(echo, echoed, perSecond),
  });
  const suffix = verification === 'pin' ? '-pin' : '';
  for (const [name, part] of [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const) {
    const at = rounds.map(({ ours, yardstick }) => ({
      ours: quantile(ours, part),
      yardstick: quantile(yardstick, part),
    }));
    report.line(lineOf(`gate/unary-half-rate-${name}${suffix}`, 'ms', compare(at), null));
  }
}

async function echoClient({ folder }: World, { address }: Echo): Promise<PaymentGateServiceClient> {
  const [ca, cert, key] = await Promise.all([
    readFile(folder.certificate('processing', 'ca.crt')),
    readFile(folder.certificate('processing', `${ACQUIRER}.crt`)),
    readFile(folder.certificate('processing', `${ACQUIRER}.key`)),
  ]);
  return new PaymentGateServiceClient(address, channelCredentials({ ca, cert, key }), channelOptions());
}

/** Measures the gate of a world. */
export async function measureGate(world: World, report: BenchReport): Promise<void> {
  const preparation = await PaymentPreparation.start(world, report.tell);
  const gate = await world.gate(ACQUIRER);
  const pids = [world.serviceProcess, childRunning(world.serviceProcess, VAULT)];
  const prepared = await preparation.prepare(WARM_UP, 'none');
  const [first, ...others] = prepared.map(({ payment }) => payment);
  if (first === undefined) throw new Error('nothing was prepared');
  const response = await authorize(gate, first);
  await streamPayments(gate, others);
  const sizes = sizesOf(first, response);
  const counters = prepared.map(({ counter }) => counter);
  const cryptography = new DecisionCryptography(sizes);
  for (const counter of counters) cryptography.decide(counter, true);
  const bench: Bench = { preparation, gate, pids, cryptography, counters, report };
  await measureStreamed(bench, 'none');
  await measureStreamed(bench, 'pin');
  const echo = await startEcho(world.folder, response, sizes, counters);
  try {
    const client = await echoClient(world, echo);
    const rate = await measureUnary(bench, client, first);
    await measureLatency(bench, client, first, 'none', rate / 2);
    await measureLatency(bench, client, first, 'pin', rate / 2);
    client.close();
  } finally {
    await echo.stop();
  }
}
