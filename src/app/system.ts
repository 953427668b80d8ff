import { randomBytes } from 'node:crypto';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';

/** This machine's clock. */
export const systemClock: Clock = { now: () => new Date() };

/** The operating system's random generator. */
export const systemRandom: Random = { bytes: (length) => randomBytes(length) };
