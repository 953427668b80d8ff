import { KillGuard } from '../../src/devices/kill-guard.ts';
import type { StandingKill } from '../../src/devices/kill-switch.ts';
import type { GateKills } from '../../src/gate/kills.ts';
import { systemTimer } from '../../src/jobs/timer.ts';
import { TestClock } from './clock.ts';

/** A guard that is open for as long as a test runs, with these switches. */
export function openGuard(switches: readonly StandingKill[] = []): KillGuard {
  const guard = new KillGuard({ clock: new TestClock(), timer: systemTimer, monotonic: () => 0 });
  guard.enforce(BigInt(switches.length), switches);
  guard.extend({ monotonic: 1, wall: Number.POSITIVE_INFINITY });
  return guard;
}

/** The kill switches as the gate asks them: those of a guard, which nobody moves. */
export function gateKills(guard = openGuard()): GateKills {
  return { guard, subjectOf: async () => null, generation: async () => guard.generation, refresh: async () => {} };
}
