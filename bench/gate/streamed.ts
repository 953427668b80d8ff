import { clearGarbage, cpuMicroseconds, processMicroseconds } from '../cpu.ts';
import { type Goal, lineOf } from '../lines.ts';
import { compare, interleave, median } from '../measure.ts';
import { aesOf } from './cryptography.ts';
import { streamPayments } from './load.ts';
import type { Verification } from './payments.ts';
import { freshPayments, type GateSetting } from './setting.ts';

const ROUNDS: Readonly<Record<Verification, { readonly rounds: number; readonly decisions: number }>> = {
  none: { rounds: 5, decisions: 300 },
  pin: { rounds: 5, decisions: 150 },
};

/** The bare cryptography alone would be over too soon to be measured well. */
const YARDSTICK_REPEATS = 4;

const GOAL: Goal = { relation: '<=', ratio: 2 };

/**
 * CPU time of service and vault for one decision of a stream, every token new and every decision committed, against the
 * bare cryptography of decisions at the same key counters. The database's own time is not counted.
 */
export async function measureStreamed(setting: GateSetting, verification: Verification): Promise<void> {
  const { gate, pids, cryptography, report } = setting;
  const { rounds, decisions } = ROUNDS[verification];
  const pin = verification === 'pin';
  let { counters } = setting;
  const measured = await interleave({
    rounds,
    warmUp: 0,
    ours: async () => {
      const prepared = await freshPayments(setting, decisions, verification);
      const payments = prepared.map(({ payment }) => payment);
      counters = prepared.map(({ counter }) => counter);
      const before = processMicroseconds(pids);
      await streamPayments(gate, payments);
      return (processMicroseconds(pids) - before) / decisions;
    },
    yardstick: () => {
      // What the phones of this process have left is not the yardstick's to pay for.
      clearGarbage();
      return cpuMicroseconds(counters.length * YARDSTICK_REPEATS, () => {
        for (let repeat = 0; repeat < YARDSTICK_REPEATS; repeat += 1) {
          for (const counter of counters) cryptography.decide(counter, pin);
        }
      });
    },
  });
  const aes = counters.map((counter) => aesOf(counter, pin));
  const [blocks, gcm] = [median(aes.map((count) => count.blocks)), median(aes.map((count) => count.gcm))];
  report.tell(`a decision ${pin ? 'with' : 'without'} a PIN: ${blocks} AES blocks (median), ${gcm} GCM operations`);
  report.line(lineOf(`gate/streamed-decision${pin ? '-pin' : ''}`, 'CPU µs/decision', compare(measured), GOAL));
}
