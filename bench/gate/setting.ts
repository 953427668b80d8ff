import { setTimeout as sleep } from 'node:timers/promises';
import type { PaymentGateServiceClient } from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import type { SignedPayment } from '../../src/virtual/phone/intent.ts';
import { processMicroseconds } from '../cpu.ts';
import type { BenchReport } from '../group.ts';
import type { DecisionCryptography } from './cryptography.ts';
import type { PaymentPreparation, PreparedPayment, Verification } from './payments.ts';

/** Processes are idle when they take less than this part of a CPU. */
const IDLE_PART = 0.02;
const LOOKS = 50;
const LOOK_MILLISECONDS = 100;

/** What the measurements of the gate stand on. */
export interface GateSetting {
  readonly preparation: PaymentPreparation;
  /** A connection of an acquirer's own. */
  readonly gate: PaymentGateServiceClient;
  /** The service and its vault. */
  readonly pids: readonly number[];
  readonly cryptography: DecisionCryptography;
  /** A payment that was approved. */
  readonly sample: SignedPayment;
  /** Key counters of payments that were prepared. */
  readonly counters: readonly number[];
  readonly report: BenchReport;
}

/** Waits until the processes have done with earlier work; for a few seconds at most. */
export async function untilIdle(pids: readonly number[]): Promise<void> {
  for (let look = 0; look < LOOKS; look += 1) {
    const before = processMicroseconds(pids);
    await sleep(LOOK_MILLISECONDS);
    if (processMicroseconds(pids) - before < LOOK_MILLISECONDS * 1000 * IDLE_PART) return;
  }
}

/** Payments that the gate has not seen, once the service has done with their preparation. */
export async function freshPayments(
  { preparation, pids }: GateSetting,
  count: number,
  verification: Verification,
): Promise<readonly PreparedPayment[]> {
  const prepared = await preparation.prepare(count, verification);
  await untilIdle(pids);
  return prepared;
}
