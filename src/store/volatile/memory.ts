import type { Clock } from '../../ports/clock.ts';
import type { VolatileStore } from '../../ports/volatile.ts';

interface Entry<V> {
  readonly value: V;
  readonly expiresAt: number;
}

/** Thrown where a bounded store is full: the caller answers that nothing was decided. */
export class VolatileStoreFull extends Error {
  constructor() {
    super('the volatile store is full');
    this.name = 'VolatileStoreFull';
  }
}

/**
 * Values in this process's memory, bounded in number; expired ones are dropped as others come: a PIN block does not stay
 * long after its grant.
 */
export class MemoryVolatileStore<V> implements VolatileStore<V> {
  readonly #entries = new Map<string, Entry<V>>();
  readonly #clock: Clock;
  readonly #maximum: number;

  constructor(clock: Clock, maximum: number) {
    this.#clock = clock;
    this.#maximum = maximum;
  }

  /** How many values are in memory, expired ones included. */
  get size(): number {
    return this.#entries.size;
  }

  async putIfAbsent(key: string, value: V, expiresAt: Date): Promise<V> {
    const standing = this.#live(key);
    if (standing !== null) return standing;
    this.#dropOldest();
    if (this.#entries.size >= this.#maximum) this.#dropExpired();
    if (this.#entries.size >= this.#maximum) throw new VolatileStoreFull();
    this.#entries.set(key, { value, expiresAt: expiresAt.getTime() });
    return value;
  }

  async get(key: string): Promise<V | null> {
    return this.#live(key);
  }

  async take(key: string): Promise<V | null> {
    const value = this.#live(key);
    this.#entries.delete(key);
    return value;
  }

  #live(key: string): V | null {
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    if (entry.expiresAt > this.#clock.now().getTime()) return entry.value;
    this.#entries.delete(key);
    return null;
  }

  /** Values of one store live about equally long, so that the first ones put are the first ones to expire. */
  #dropOldest(): void {
    const now = this.#clock.now().getTime();
    for (const [key, entry] of this.#entries) {
      if (entry.expiresAt > now) return;
      this.#entries.delete(key);
    }
  }

  #dropExpired(): void {
    const now = this.#clock.now().getTime();
    for (const [key, entry] of this.#entries) if (entry.expiresAt <= now) this.#entries.delete(key);
  }
}
