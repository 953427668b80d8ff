import type { PaymentGateServiceClient } from '../../src/gen/tapgate/v1/payment_gate_service.ts';
import { type Goal, lineOf } from '../lines.ts';
import { compare, interleave, quantile } from '../measure.ts';
import { callRate, pacedLatencies } from './load.ts';
import type { Verification } from './payments.ts';
import { freshPayments, type GateSetting } from './setting.ts';

const RATE = { rounds: 5, warmUp: 1, calls: 250, echoCalls: 1000 };
const PACED = { rounds: 3, warmUp: 0, calls: 120 };
const QUANTILES = { p50: 0.5, p99: 0.99 } as const;

const GOAL: Goal = { relation: '>=', ratio: 0.7 };

/** Unary decisions a second, against the echo's calls; answers the median of the decisions. */
export async function measureRate(setting: GateSetting, echo: PaymentGateServiceClient): Promise<number> {
  const { gate, sample, report } = setting;
  const echoed = Array.from({ length: RATE.echoCalls }, () => sample);
  const rounds = await interleave({
    ...RATE,
    ours: async () => {
      const prepared = await freshPayments(setting, RATE.calls, 'none');
      const payments = prepared.map(({ payment }) => payment);
      return callRate(gate, payments);
    },
    yardstick: () => callRate(echo, echoed),
  });
  const comparison = compare(rounds);
  report.line(lineOf('gate/unary-rate', 'calls/s', comparison, GOAL));
  return comparison.ours;
}

/** Latency of unary decisions at a rate, against the echo's at the same. */
export async function measureLatency(
  setting: GateSetting,
  echo: PaymentGateServiceClient,
  verification: Verification,
  perSecond: number,
): Promise<void> {
  const { gate, sample, report } = setting;
  const echoed = Array.from({ length: PACED.calls }, () => sample);
  const rounds = await interleave({
    ...PACED,
    ours: async () => {
      const prepared = await freshPayments(setting, PACED.calls, verification);
      const payments = prepared.map(({ payment }) => payment);
      return pacedLatencies(gate, payments, perSecond);
    },
    yardstick: () => pacedLatencies(echo, echoed, perSecond),
  });
  const pin = verification === 'pin' ? '-pin' : '';
  for (const [name, part] of Object.entries(QUANTILES)) {
    const latencies = rounds.map(({ ours, yardstick }) => ({
      ours: quantile(ours, part),
      yardstick: quantile(yardstick, part),
    }));
    report.line(lineOf(`gate/unary-half-rate-${name}${pin}`, 'ms', compare(latencies), null));
  }
}
