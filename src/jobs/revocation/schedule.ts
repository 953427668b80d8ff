import { type Random, randomFraction } from '../../ports/random.ts';
import type { RevocationRefresh } from './policy.ts';

const shortened = (seconds: number, jitterFraction: number, random: Random): number =>
  seconds * (1 - jitterFraction * randomFraction(random));

/** Seconds from a list's being fetched to the next fetch. */
export function secondsToRefresh(
  maximumAgeSeconds: number | null,
  { minimumSeconds, maximumSeconds, jitterFraction }: RevocationRefresh,
  random: Random,
): number {
  const stated = maximumAgeSeconds ?? minimumSeconds;
  return shortened(Math.min(maximumSeconds, Math.max(minimumSeconds, stated)), jitterFraction, random);
}

/** Seconds from the last of so many failures in a row to the next try. */
export function secondsToRetry(
  failures: number,
  { minimumSeconds, retrySeconds, jitterFraction }: RevocationRefresh,
  random: Random,
): number {
  // Beyond 2¹⁶ the bound is reached whatever the policy.
  const backedOff = retrySeconds * 2 ** Math.min(16, failures - 1);
  return shortened(Math.min(backedOff, Math.max(minimumSeconds, retrySeconds)), jitterFraction, random);
}
