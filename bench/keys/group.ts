import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '../../src/app/system.ts';
import { makeVirtualToken, softHsmModule } from '../../src/virtual/world/soft-token.ts';
import { tellsProcessTimes } from '../cpu.ts';
import type { BenchGroup, BenchReport } from '../group.ts';
import { BenchVault } from './bench-vault.ts';
import { measureInjections } from './injections.ts';
import { measurePrimitives } from './primitives.ts';
import { measureBatches, measureToken } from './vault-calls.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Does the work in a new folder; what it started is ended and the folder removed whatever happens, a signal included. */
async function inFolder(work: (folder: string, atEnd: (end: () => Promise<void>) => void) => Promise<void>) {
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  // It may come while nothing waits for it.
  interrupted.catch(() => {});
  const interrupt = (signal: NodeJS.Signals): void => reject(new Error(`ended by ${signal}`));
  for (const signal of SIGNALS) process.once(signal, interrupt);
  const root = await mkdtemp(join(tmpdir(), 'tapgate-bench-'));
  const ends: (() => Promise<void>)[] = [];
  try {
    await Promise.race([work(root, (end) => ends.unshift(end)), interrupted]);
  } finally {
    for (const end of ends) await end();
    await rm(root, { recursive: true, force: true });
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

async function measureVaults(report: BenchReport): Promise<void> {
  await inFolder(async (root, atEnd) => {
    const software = await BenchVault.start(join(root, 'software'), systemRandom, null);
    atEnd(() => software.stop());
    await measureBatches(software, systemRandom, report);
    const module = softHsmModule();
    if (module === null) {
      report.tell('SoftHSM 2 is not installed: a vault on a PKCS #11 token is not measured');
      return;
    }
    const configuration = await makeVirtualToken(join(root, 'token'), module);
    const token = await BenchVault.start(join(root, 'pkcs11'), systemRandom, configuration);
    atEnd(() => token.stop());
    await measureToken(software, token, systemRandom, report);
  });
}

/** Key operations, calls of the vault, injections. */
export const KEYS: BenchGroup = {
  summary: 'key operations against their bare AES, calls of the vault one by one and together, injections',
  run: async (report) => {
    await measurePrimitives(systemRandom, report);
    if (!tellsProcessTimes()) throw new Error('the CPU time of other processes is read from /proc: this needs Linux');
    await measureVaults(report);
    await inFolder((root, atEnd) => measureInjections(root, atEnd, report));
  },
};
