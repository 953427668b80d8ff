import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { systemClock, systemRandom } from '../../src/app/system.ts';
import { World } from '../../src/virtual/world/world.ts';
import { tellsProcessTimes } from '../cpu.ts';
import type { BenchGroup, BenchReport } from '../group.ts';
import { widenLimits } from '../wide-limits.ts';
import { measureGate } from './measurements.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function withWideLimits(world: World): Promise<string> {
  return world.security(async (team) => {
    const policy = parseDocument((await team.policy()).document);
    widenLimits(policy);
    return team.activatePolicy(policy.toString());
  });
}

/** Starts a world, measures in it, and ends it whatever happens, a signal included. */
async function inWorld(report: BenchReport): Promise<void> {
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const interrupt = (signal: NodeJS.Signals): void => reject(new Error(`ended by ${signal}`));
  for (const signal of SIGNALS) process.once(signal, interrupt);
  const root = await mkdtemp(join(tmpdir(), 'tapgate-bench-'));
  const starting = World.start({ root, tapgate: TAPGATE, clock: systemClock, random: systemRandom }, report.tell);
  try {
    const world = await Promise.race([starting, interrupted]);
    await Promise.race([withWideLimits(world).then(() => measureGate(world, report)), interrupted]);
  } finally {
    await starting.then(
      (world) => world.stop(),
      () => undefined,
    );
    await rm(root, { recursive: true, force: true });
    for (const signal of SIGNALS) process.off(signal, interrupt);
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
