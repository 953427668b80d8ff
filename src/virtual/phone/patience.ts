import { setTimeout as sleep } from 'node:timers/promises';
import { PhoneRefused } from './refused.ts';

/** How a phone waits when it is told to come back later. */
export interface Patience {
  readonly attempts: number;
  /** A longer wait is not worth it: the refusal stands. */
  readonly longestMilliseconds: number;
  sleep(milliseconds: number): Promise<void>;
}

export const DEFAULT_PATIENCE: Patience = {
  attempts: 20,
  longestMilliseconds: 120_000,
  sleep: async (milliseconds) => sleep(milliseconds),
};

/** Refusals that say nothing of the phone: it is one of too many. */
const CROWDED = new Set(['TOO_MANY_REQUESTS', 'ATTESTATION_BUSY']);

/** Runs the work again after the delay of RetryInfo, each time that it is refused for the crowd; as an app has to. */
export async function patiently<T>(work: () => Promise<T>, patience: Patience): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const delay = error instanceof PhoneRefused ? delayOf(error) : null;
      if (delay === null || delay > patience.longestMilliseconds || attempt >= patience.attempts) throw error;
      await patience.sleep(delay);
    }
  }
}

function delayOf({ reasons, retryAfterMilliseconds }: PhoneRefused): number | null {
  return CROWDED.has(reasons[0] ?? '') ? retryAfterMilliseconds : null;
}
