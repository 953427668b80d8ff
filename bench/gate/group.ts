import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom } from '../../src/app/system.ts';
import { World } from '../../src/virtual/world/world.ts';
import { tellsProcessTimes } from '../cpu.ts';
import type { BenchGroup, BenchReport } from '../group.ts';
import { measureGate } from './measurements.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));

async function inWorld(report: BenchReport): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'tapgate-bench-'));
  let world: World | null = null;
  try {
    world = await World.start({ root, tapgate: TAPGATE, clock: systemClock, random: systemRandom }, report.tell);
    await measureGate(world, report);
  } finally {
    await world?.stop();
    await rm(root, { recursive: true, force: true });
  }
}

/** The payment gate, in service processes of its own. */
export const GATE: BenchGroup = {
  summary: 'gate decisions, streamed and unary, against their bare cryptography',
  run: async (report) => {
    if (!tellsProcessTimes()) throw new Error('the CPU time of other processes is read from /proc: this needs Linux');
    await inWorld(report);
  },
};
