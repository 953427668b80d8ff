import type { Bucket, RateLimit, Taken } from '../../ports/rate-limit.ts';
import { VolatileStoreUnavailable } from './unavailable.ts';

/** What a limit falls back from and to. */
export interface FallbackOptions {
  /** Shared by all replicas; may be away. */
  readonly shared: RateLimit;
  /** This process's own. */
  readonly own: RateLimit;
  /** Told each time that the own one had to serve; `reason` is a code. */
  readonly onFallback: (reason: string) => void;
  /** Told each time that the shared one served. */
  readonly onShared: () => void;
}

/**
 * A shared limit that goes on as this process's own while the shared one does not answer: a limit protects the service,
 * and a lost Redis must neither open it to a flood nor close it to everybody.
 */
export class FallbackRateLimit implements RateLimit {
  readonly #options: FallbackOptions;

  constructor(options: FallbackOptions) {
    this.#options = options;
  }

  take(key: string, cost: number, bucket: Bucket): Promise<Taken> {
    return this.#either((limit) => limit.take(key, cost, bucket));
  }

  charge(key: string, cost: number, bucket: Bucket): Promise<void> {
    return this.#either((limit) => limit.charge(key, cost, bucket));
  }

  async #either<T>(ask: (limit: RateLimit) => Promise<T>): Promise<T> {
    const { shared, own, onFallback, onShared } = this.#options;
    try {
      const answer = await ask(shared);
      onShared();
      return answer;
    } catch (error) {
      if (!(error instanceof VolatileStoreUnavailable)) throw error;
      onFallback(error.reason);
      return ask(own);
    }
  }
}
