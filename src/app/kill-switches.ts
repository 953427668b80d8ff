import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { type GuardTime, KillGuard } from '../devices/kill-guard.ts';
import type { KillReplicaStore } from '../devices/kill-switch-store.ts';
import { KillSwitchFollower } from '../jobs/kill-switches/follower.ts';
import { systemTimer } from '../jobs/timer.ts';
import { randomUuid } from '../ports/random.ts';
import type { OpenCalls } from '../sessions/presence.ts';
import { systemClock, systemRandom } from './system.ts';

/** The kill switches as this replica enforces them. */
export interface OpenKillSwitches {
  readonly guard: KillGuard;
  /** Looks at once, where a switch was set or lifted here. */
  refresh(): Promise<void>;
  /** Once no call is under way any more. */
  stop(): Promise<void>;
}

const time: GuardTime = { clock: systemClock, timer: systemTimer, monotonic: () => performance.now() };

/** Reads the switches that stand and takes this replica's lease, before any listener starts; rejects where it cannot. */
export async function openKillSwitches(
  store: KillReplicaStore,
  open: { readonly sessions: OpenCalls; readonly pinEntries: OpenCalls },
  logger: Logger,
): Promise<OpenKillSwitches> {
  const guard = new KillGuard(time);
  let failing = false;
  const follower = new KillSwitchFollower({
    store,
    replica: { id: randomUuid(systemRandom), name: `${hostname()}:${process.pid}` },
    guard,
    time,
    ...open,
    onEnforced: ({ id }, { sessions, pinEntries }) =>
      logger.warn({ switch: id, sessions, pinEntries }, 'kill switch enforced'),
    onLook: (error) => {
      if (error !== null && !failing) logger.error({ err: error }, 'kill switches cannot be read: nothing passes soon');
      if (error === null && failing) logger.info('kill switches are read again');
      failing = error !== null;
    },
  });
  await follower.start();
  return { guard, refresh: () => follower.refresh(), stop: () => follower.stop() };
}
