import type { KeyObject } from 'node:crypto';
import { randomFraction } from '../ports/random.ts';
import { deviceTokenKeysOf, type JwksSource } from './jwks.ts';
import type { VerifierPorts } from './ports.ts';

/** A new key is published minutes before it signs: a keeper that asks this often has it in time. */
const EVERY_MILLISECONDS = 60_000;
/** Keys that could not be fetched anew for so long may have been withdrawn meanwhile. */
const MAXIMUM_AGE_MILLISECONDS = 900_000;
/** Unknown key ids lead to no more than one fetch in this time: anybody can make them up. */
const QUIET_MILLISECONDS = 5_000;

/** Keeps the published keys current. */
export class KeyKeeper {
  readonly #source: JwksSource;
  readonly #ports: VerifierPorts;
  readonly #onFetched: (error: unknown) => void;
  #keys: ReadonlyMap<string, KeyObject> = new Map();
  /** Monotonic; when the fetch began that brought the keys. */
  #fetchedAt: number | null = null;
  #triedAt: number | null = null;
  readonly #waiting = new Set<() => void>();
  #failed = false;
  #running: Promise<void> | null = null;
  #cancel: (() => void) | null = null;
  #closed = false;

  /** `onFetched` is told null or why a fetch failed. */
  constructor(source: JwksSource, ports: VerifierPorts, onFetched: (error: unknown) => void) {
    this.#source = source;
    this.#ports = ports;
    this.#onFetched = onFetched;
  }

  /** The keys by id, or null where there are none that are young enough. */
  current(): ReadonlyMap<string, KeyObject> | null {
    if (this.#fetchedAt === null) return null;
    return this.#ports.monotonic() - this.#fetchedAt <= MAXIMUM_AGE_MILLISECONDS ? this.#keys : null;
  }

  /** Calls once there are current keys, at once where there are; the answer cancels. */
  whenCurrent(call: () => void): () => void {
    if (this.current() !== null) call();
    else this.#waiting.add(call);
    return () => this.#waiting.delete(call);
  }

  /** Fetches now; callers at one time share a fetch. Never rejects. */
  fetch(): Promise<void> {
    this.#running ??= this.#fetch().finally(() => {
      this.#running = null;
      this.#schedule();
    });
    return this.#running;
  }

  /**
   * Fetches for a key id that is not known. A fetch that is under way, or began a moment ago, counts. False where the keys
   * are still not known to be complete: nothing can be said of the key id.
   */
  async fetchForUnknown(): Promise<boolean> {
    const asked = this.#ports.monotonic();
    const quiet = this.#triedAt !== null && asked - this.#triedAt < QUIET_MILLISECONDS;
    if (this.#running !== null || !quiet) await this.fetch();
    return this.#fetchedAt !== null && asked - this.#fetchedAt < QUIET_MILLISECONDS;
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #fetch(): Promise<void> {
    const began = this.#ports.monotonic();
    this.#triedAt = began;
    try {
      this.#keys = deviceTokenKeysOf(await this.#source());
      this.#fetchedAt = began;
      this.#failed = false;
      for (const call of this.#waiting) call();
      this.#waiting.clear();
      this.#onFetched(null);
    } catch (error) {
      this.#failed = true;
      this.#onFetched(error);
    }
  }

  #schedule(): void {
    this.#cancel?.();
    if (this.#closed) return;
    // Sooner after a failure, and never all verifiers at once.
    const every = this.#failed ? QUIET_MILLISECONDS : EVERY_MILLISECONDS;
    const after = every * (0.8 + randomFraction(this.#ports.random) * 0.2);
    this.#cancel = this.#ports.timer.after(after, () => void this.fetch());
  }
}
