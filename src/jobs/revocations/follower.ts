import type { Clock } from '../../ports/clock.ts';
import type { Timer } from '../../ports/timer.ts';
import type { FeedPosition, FollowedFeeds, PublishedRevocation, RevocationFeed } from '../../tokens/revocation.ts';

/** What a follower stands on. */
export interface FollowerPorts {
  readonly feed: Pick<RevocationFeed, 'heads' | 'since'>;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly policy: () => { readonly revocationPollMilliseconds: number };
  /** Told of each revocation as this process learns of it, whichever replica published it. */
  readonly onRevocation?: (acquirer: string, revocation: PublishedRevocation) => void;
  /** Told the end of each reading: null, or why it failed. */
  readonly onRead?: (error: unknown) => void;
}

/** Entries of one acquirer that are kept in memory; a watcher that is further behind reads the store. */
const MAXIMUM_KEPT = 4096;
const BATCH = 1000;

/** The end of one acquirer's feed: without a gap from `floor` (exclusive) to `last`. */
class Tail {
  floor: bigint;
  last: bigint;
  resets = 0;
  entries: PublishedRevocation[] = [];
  readonly listeners = new Set<() => void>();

  constructor(last: bigint) {
    this.floor = last;
    this.last = last;
  }

  append(batch: readonly PublishedRevocation[]): void {
    this.entries.push(...batch);
    this.last = batch.at(-1)?.sequence ?? this.last;
    if (this.entries.length > 2 * MAXIMUM_KEPT) {
      const dropped = this.entries.splice(0, this.entries.length - MAXIMUM_KEPT);
      this.floor = dropped.at(-1)?.sequence ?? this.floor;
    }
  }

  /** Goes on from a number without the entries before it. */
  skipTo(last: bigint): void {
    this.floor = last;
    this.last = last;
    this.entries = [];
  }

  after(sequence: bigint, limit: number): readonly PublishedRevocation[] | null {
    if (sequence < this.floor) return null;
    // Pruning leaves no gaps at this end, but a position in the list need not be a difference of numbers.
    const first = this.entries.findIndex((entry) => entry.sequence > sequence);
    return first < 0 ? [] : this.entries.slice(first, first + limit);
  }

  tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}

/**
 * Follows the feeds of all acquirers for a whole process: one short statement a poll, whoever watches, and one more for
 * each acquirer that has news. Every watcher reads from the same tails.
 */
export class RevocationFollower implements FollowedFeeds {
  readonly #ports: FollowerPorts;
  readonly #tails = new Map<string, Tail>();
  #asOf: Date | null = null;
  #running: Promise<void> | null = null;
  #queued: Promise<void> | null = null;
  #scheduled: (() => void) | null = null;
  #stopped = true;

  constructor(ports: FollowerPorts) {
    this.#ports = ports;
  }

  /** Reads where the feeds stand and begins to poll. What was published before is not told again. */
  async start(): Promise<void> {
    this.#stopped = false;
    await this.refresh();
  }

  /** Ends the polling and waits for a reading that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#scheduled?.();
    this.#scheduled = null;
    await (this.#queued ?? this.#running);
  }

  position(acquirer: string): FeedPosition {
    const tail = this.#tails.get(acquirer);
    return { last: tail?.last ?? 0n, asOf: this.#asOf, resets: tail?.resets ?? 0 };
  }

  after(acquirer: string, sequence: bigint, limit: number): readonly PublishedRevocation[] | null {
    const tail = this.#tails.get(acquirer);
    return tail === undefined ? [] : tail.after(sequence, limit);
  }

  onNews(acquirer: string, tell: () => void): () => void {
    const { listeners } = this.#tailOf(acquirer, 0n);
    listeners.add(tell);
    return () => listeners.delete(tell);
  }

  refresh(): Promise<void> {
    if (this.#running === null) return this.#run();
    // The reading that is under way began before this call; all that ask meanwhile share the next one.
    this.#queued ??= this.#running.then(() => {
      this.#queued = null;
      return this.#run();
    });
    return this.#queued;
  }

  #run(): Promise<void> {
    this.#scheduled?.();
    this.#scheduled = null;
    this.#running = this.#read().finally(() => {
      this.#running = null;
      if (this.#stopped || this.#scheduled !== null) return;
      this.#scheduled = this.#ports.timer.after(this.#ports.policy().revocationPollMilliseconds, () => {
        this.#scheduled = null;
        void this.refresh();
      });
    });
    return this.#running;
  }

  async #read(): Promise<void> {
    const began = this.#ports.clock.now();
    try {
      const heads = await this.#ports.feed.heads();
      // At the first reading everything that is there is old.
      const first = this.#asOf === null;
      for (const [acquirer, last] of heads) {
        const tail = this.#tailOf(acquirer, first ? last : 0n);
        if (first) tail.skipTo(last);
        await this.#follow(acquirer, tail, last);
      }
      for (const [acquirer, tail] of this.#tails) if (!heads.has(acquirer) && tail.last > 0n) this.#reset(tail, 0n);
      this.#asOf = began;
      this.#ports.onRead?.(null);
    } catch (error) {
      this.#ports.onRead?.(error);
    }
  }

  async #follow(acquirer: string, tail: Tail, last: bigint): Promise<void> {
    if (last < tail.last) return this.#reset(tail, last);
    while (tail.last < last) {
      const batch = await this.#ports.feed.since(acquirer, tail.last, BATCH);
      if (batch.length === 0) {
        // All of it is pruned already, so moot.
        tail.skipTo(last);
        return;
      }
      tail.append(batch);
      for (const entry of batch) this.#ports.onRevocation?.(acquirer, entry);
      tail.tell();
    }
  }

  #reset(tail: Tail, last: bigint): void {
    tail.skipTo(last);
    tail.resets += 1;
    tail.tell();
  }

  #tailOf(acquirer: string, last: bigint): Tail {
    const known = this.#tails.get(acquirer);
    if (known !== undefined) return known;
    const tail = new Tail(last);
    this.#tails.set(acquirer, tail);
    return tail;
  }
}
