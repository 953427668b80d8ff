import { mkdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import { createRevocationKeeper, type RevocationKeeper } from '../jobs/revocation/keeper.ts';
import { createStatusListSource } from '../jobs/revocation/location.ts';
import type { RevocationRefresh } from '../jobs/revocation/policy.ts';
import { openFolderSeal } from '../jobs/revocation/seal.ts';
import { createSnapshotStore } from '../jobs/revocation/snapshot.ts';
import { systemTimer } from '../jobs/timer.ts';
import { type Config, ConfigError } from './config.ts';
import { faultText } from './fault-text.ts';
import { systemClock, systemRandom } from './system.ts';

/**
 * Opens the status list that the configuration names, its snapshot in a folder of its own. The list is there, or its
 * absence known, when this resolves. Null where the configuration names none. Throws ConfigError for a bad location.
 * `onChange` notes that enrolled phones are to be appraised again.
 */
export async function openRevocation(
  config: Config['revocation'],
  folder: string,
  policy: () => RevocationRefresh,
  logger: Logger,
  onChange: () => Promise<unknown>,
): Promise<RevocationKeeper | null> {
  if (config === undefined) return null;
  const source = createStatusListSource(config.source, { deadlineMilliseconds: config.deadlineMilliseconds });
  if (!source.ok)
    throw new ConfigError(`revocation.source ${config.source}: ${source.reason}. Name a file, or an https URL.`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const seal = await openFolderSeal(folder, systemRandom);
  if (!seal.ok) throw new ConfigError(`${folder}: ${faultText(seal)}`);
  const keeper = createRevocationKeeper({
    source: source.value,
    snapshots: createSnapshotStore(folder, seal.value),
    policy,
    clock: systemClock,
    random: systemRandom,
    timer: systemTimer,
    onChange: async ({ listed, unlisted }) => {
      logger.warn({ listed: listed.length, unlisted: unlisted.length }, 'list of revoked certificates changed');
      await onChange();
    },
    onRefresh: (outcome) => {
      if (outcome.ok) logger.info({ entries: outcome.value.entries }, 'list of revoked certificates fetched');
      else logger.error({ reason: outcome.reason, detail: outcome.detail }, 'list of revoked certificates not fetched');
    },
  });
  await keeper.start();
  if (keeper.current() === null) await keeper.refresh();
  return keeper;
}
