import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/app/system.ts';
import { tellsProcessTimes } from '../cpu.ts';
import type { BenchGroup, BenchReport } from '../group.ts';
import { anchorOf, BareExchanges } from './cryptography.ts';
import { measureExchanges } from './exchanges.ts';
import { BenchInstallation } from './installation.ts';
import { PhonePreparation } from './phones.ts';
import { measureReappraisals } from './reappraisals.ts';
import { measureRevocations } from './revocations.ts';
import { measureSearches } from './searches.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Does the work in a new folder, which is removed whatever happens; rejects at a signal, once the work was told. */
async function inFolder(work: (folder: string, interrupted: Promise<never>) => Promise<void>): Promise<void> {
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  // It may come while nothing waits for it.
  interrupted.catch(() => {});
  const interrupt = (signal: NodeJS.Signals): void => reject(new Error(`ended by ${signal}`));
  for (const signal of SIGNALS) process.once(signal, interrupt);
  const root = await mkdtemp(join(tmpdir(), 'tapgate-bench-'));
  try {
    await work(root, interrupted);
  } finally {
    await rm(root, { recursive: true, force: true });
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

async function measureService(installation: BenchInstallation, folder: string, report: BenchReport): Promise<void> {
  const factory = await installation.factory(systemClock);
  const preparation = new PhonePreparation(factory, systemClock);
  const anchors = anchorOf(factory);
  const bare = new BareExchanges(anchors);
  const enrolled = await measureExchanges({ installation, preparation, bare, report });
  await measureReappraisals(installation, enrolled, anchors, report);
  await measureRevocations(installation, enrolled, folder, report);
}

/** The life of devices, in service processes of its own. */
export const DEVICES: BenchGroup = {
  summary: 'attestation exchanges, re-appraisals, revocations to 1000 watchers, search over 1 000 000 devices',
  run: async (report) => {
    if (!tellsProcessTimes()) throw new Error('the CPU time of other processes is read from /proc: this needs Linux');
    await inFolder(async (root, interrupted) => {
      const starting = BenchInstallation.start(root);
      try {
        const installation = await Promise.race([starting, interrupted]);
        report.tell('service started');
        await Promise.race([measureService(installation, root, report), interrupted]);
      } finally {
        await starting.then(
          (installation) => installation.stop(),
          () => undefined,
        );
      }
    });
    await inFolder((root, interrupted) => measureSearches(root, interrupted, report));
  },
};
