import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { PinLengths } from './pin-lengths.ts';

/** What operations take from the world beside keys: the vault's own randomness and time, and how it is set up. */
export interface VaultPorts {
  readonly random: Random;
  readonly clock: Clock;
  /** Bounds of PIN lengths that PIN grants may state; the default ones where absent. */
  readonly pinLengths?: readonly PinLengths[] | undefined;
}
