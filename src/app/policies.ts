import type { Logger } from 'pino';
import { PolicyFollower } from '../jobs/policy/follower.ts';
import { systemTimer } from '../jobs/timer.ts';
import type { PolicySource } from '../policy/source.ts';
import type { PolicyStore } from '../policy/store.ts';
import { canonicalJson, type PolicyVersion } from '../policy/version.ts';
import { ConfigError } from './config.ts';
import { type Policy, policyFromJson, readPolicy } from './policy.ts';
import { systemClock, systemRandom } from './system.ts';

/** Who activates the version that nobody activates by hand: the first one. */
const SEEDED_BY = 'tapgate';
const SEED_BYTES = 16;

/** What the policy of this replica is made of. */
export interface PolicyParts {
  readonly store: PolicyStore;
  /** The file that a new installation takes its first version from. */
  readonly file: string;
  readonly logger: Logger;
  readonly tell: (step: string) => void;
}

/** The policy in force on this replica. */
export interface OpenPolicies extends PolicySource<Policy> {
  /** Looks for changes now. */
  refresh(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Opens the policy: the database says what is in force. The file counts once, where nothing was ever activated; from then
 * on it is only compared, and a file that says something else is told of loudly.
 *
 * Throws ConfigError where the first version cannot be taken from the file, and StoreError without a database.
 */
export async function openPolicies({ store, file, logger, tell }: PolicyParts): Promise<OpenPolicies> {
  const written = await readPolicy(file).catch((error: unknown) => {
    if (error instanceof ConfigError) return error;
    throw error;
  });
  if ((await store.generation()) === 0n) {
    if (written instanceof ConfigError) throw written;
    if (await seedFrom(file, written, store)) {
      tell(`policy ${written.version} taken from ${file}, once: from now on it is changed by tapgate policy activate`);
    }
  }
  let failing = false;
  const follower = new PolicyFollower<Policy>({
    store,
    parse: policyFromJson,
    distribution: ({ distribution }) => distribution,
    monotonic: () => performance.now(),
    timer: systemTimer,
    onRead: (error) => {
      if (error !== null && !failing)
        logger.error({ err: error }, 'policy cannot be read: the last one stays in force');
      if (error === null && failing) logger.info('policy is read again');
      failing = error !== null;
    },
  });
  await follower.start();
  const inForce = follower.default();
  tell(`policy ${inForce.version} is the default in force`);
  warnOfOtherFile(written, inForce, file, logger);
  follower.onChange(({ before, after }) => {
    const versions = { from: before.default().version, to: after.default().version };
    logger.warn({ generation: after.generation.toString(), default: versions }, 'policy changed');
  });
  return follower;
}

function seedFrom(file: string, { version, document }: PolicyVersion<Policy>, store: PolicyStore): Promise<boolean> {
  const stored = {
    version,
    json: canonicalJson(document),
    createdBy: SEEDED_BY,
    createdAt: systemClock.now(),
    note: `the first version, from ${file}`.slice(0, 500),
  };
  return store.seed(stored, systemRandom.bytes(SEED_BYTES));
}

/** The file looks like what decides, and does not: whoever edits it has to be told. */
function warnOfOtherFile(
  written: PolicyVersion<Policy> | ConfigError,
  inForce: PolicyVersion<Policy>,
  file: string,
  logger: Logger,
): void {
  if (written instanceof ConfigError) {
    logger.warn({ file, problem: written.message }, 'the policy file cannot be used; it is not what is in force');
    return;
  }
  // As documents, not by version: defaults that a newer program adds make no other policy of the same file.
  if (canonicalJson(written.document) === canonicalJson(inForce.document)) return;
  const versions = { file, written: written.version, inForce: inForce.version };
  logger.warn(
    versions,
    'THE POLICY FILE IS NOT WHAT IS IN FORCE: activate it with tapgate policy activate, or mend it',
  );
}
