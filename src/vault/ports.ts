import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';

/** What operations take from the world beside keys: the vault's own randomness and time. */
export interface VaultPorts {
  readonly random: Random;
  readonly clock: Clock;
}
