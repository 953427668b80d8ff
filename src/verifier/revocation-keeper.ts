import { randomFraction } from '../ports/random.ts';
import type { DeviceTokenClaims } from '../tokens/claims.ts';
import type { Revocation } from '../tokens/revocation.ts';
import { Freshness } from './freshness.ts';
import type { VerifierPorts } from './ports.ts';
import { RevokedDevices } from './revoked.ts';

/** One message of the feed. */
export interface RevocationUpdate {
  readonly entries: readonly Revocation[];
  /** Where to go on once the entries are taken in. */
  readonly cursor: string;
  /** By the service's clock; null while more is to come. */
  readonly asOf: Date | null;
  readonly heartbeatSeconds: number;
  readonly maximumStalenessSeconds: number;
}

/** How a stream ended. `reset`: the cursor means nothing any more. */
export type WatchEnd = { readonly kind: 'ended' | 'reset' } | { readonly kind: 'cut'; readonly error: unknown };

/** Where revocations come from. */
export interface RevocationSource {
  /** Opens the feed after a cursor, empty for everything that is kept. The answer leaves it, and nothing is told then. */
  watch(
    cursor: string,
    tell: { readonly update: (update: RevocationUpdate) => void; readonly end: (end: WatchEnd) => void },
  ): () => void;
}

/** Bounds of the feed's keeping. */
export interface RevocationLimits {
  /** Beside what the service states; the smaller one counts. */
  readonly maximumStalenessSeconds: number;
  /** Devices with a revocation that still matters. */
  readonly maximumEntries: number;
}

const LEAST_WAIT = 250;
const MOST_WAIT = 10_000;

/** Keeps revocations current: watches, again after every cut, with the cursor of the last message. */
export class RevocationKeeper {
  readonly #source: RevocationSource;
  readonly #limits: RevocationLimits;
  readonly #ports: VerifierPorts;
  readonly #onEnd: (end: WatchEnd | { readonly kind: 'silent' | 'overfull' }) => void;
  readonly #revoked: RevokedDevices;
  readonly #freshness = new Freshness();
  readonly #waiting = new Set<() => void>();
  #cursor = '';
  #asOf: Date | null = null;
  #stalenessSeconds: number;
  #failures = 0;
  #overfull = false;
  #leave: (() => void) | null = null;
  #silence: (() => void) | null = null;
  #again: (() => void) | null = null;
  #closed = false;

  constructor(
    source: RevocationSource,
    limits: RevocationLimits,
    ports: VerifierPorts,
    onEnd: (end: WatchEnd | { readonly kind: 'silent' | 'overfull' }) => void,
  ) {
    this.#source = source;
    this.#limits = limits;
    this.#ports = ports;
    this.#onEnd = onEnd;
    this.#revoked = new RevokedDevices(limits.maximumEntries);
    this.#stalenessSeconds = limits.maximumStalenessSeconds;
  }

  /** Begins to watch. */
  start(): void {
    this.#open();
  }

  /** Whether what is known is complete and not older than allowed. */
  isFresh(): boolean {
    const age = this.#freshness.age(this.#ports.monotonic());
    return !this.#overfull && age <= this.#stalenessSeconds * 1000;
  }

  /** Milliseconds; Infinity before the first message. */
  age(): number {
    return this.#freshness.age(this.#ports.monotonic());
  }

  /** The revocation that voids the token; null where none is known to. */
  voiding(claims: Pick<DeviceTokenClaims, 'sub' | 'iat'>): Revocation | null {
    return this.#revoked.voiding(claims);
  }

  /** The latest instant that the service's clock is known to have passed; null before the first. */
  get serviceTime(): Date | null {
    return this.#asOf;
  }

  get entries(): number {
    return this.#revoked.size;
  }

  /** Calls once fresh, at once where it is; the answer cancels. */
  whenFresh(call: () => void): () => void {
    if (this.isFresh()) call();
    else this.#waiting.add(call);
    return () => this.#waiting.delete(call);
  }

  close(): void {
    this.#closed = true;
    this.#stop();
    this.#again?.();
  }

  #open(): void {
    if (this.#closed) return;
    this.#freshness.opened(this.#ports.monotonic());
    this.#listenFor(this.#limits.maximumStalenessSeconds);
    try {
      this.#leave = this.#source.watch(this.#cursor, {
        update: (update) => this.#take(update),
        end: (end) => this.#ended(end),
      });
    } catch (error) {
      // As a connection does that somebody has closed: tried again, and stale meanwhile.
      this.#ended({ kind: 'cut', error });
    }
  }

  #take(update: RevocationUpdate): void {
    const { entries, cursor, asOf, heartbeatSeconds, maximumStalenessSeconds } = update;
    if (asOf !== null && (this.#asOf === null || asOf > this.#asOf)) this.#asOf = asOf;
    this.#overfull = !this.#revoked.add(entries, this.#asOf);
    if (this.#overfull) {
      this.#drop({ kind: 'overfull' });
      return;
    }
    this.#cursor = cursor;
    this.#failures = 0;
    this.#stalenessSeconds = Math.min(this.#limits.maximumStalenessSeconds, maximumStalenessSeconds);
    this.#listenFor(Math.min(this.#stalenessSeconds, heartbeatSeconds * 3));
    if (asOf === null) return;
    this.#freshness.told(asOf, this.#ports.monotonic());
    if (!this.isFresh()) return;
    for (const call of [...this.#waiting]) call();
    this.#waiting.clear();
  }

  /** A connection that is dead says nothing: silence ends it. */
  #listenFor(seconds: number): void {
    this.#silence?.();
    this.#silence = this.#ports.timer.after(seconds * 1000, () => this.#drop({ kind: 'silent' }));
  }

  #drop(end: { readonly kind: 'silent' | 'overfull' }): void {
    // What is too much now may be moot later: it is watched anew from the beginning, and everything refused until then.
    if (end.kind === 'overfull') this.#cursor = '';
    this.#restart(end);
  }

  #ended(end: WatchEnd): void {
    // What is known stays: it is moot soon, and until then it is right.
    if (end.kind === 'reset') this.#cursor = '';
    this.#restart(end);
  }

  #restart(end: WatchEnd | { readonly kind: 'silent' | 'overfull' }): void {
    this.#stop();
    if (this.#closed) return;
    this.#onEnd(end);
    const most = Math.min(MOST_WAIT, LEAST_WAIT * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    const wait = most * (1 - randomFraction(this.#ports.random) / 2);
    this.#again = this.#ports.timer.after(wait, () => this.#open());
  }

  #stop(): void {
    this.#silence?.();
    this.#silence = null;
    const leave = this.#leave;
    this.#leave = null;
    leave?.();
  }
}
