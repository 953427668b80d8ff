import type { PublishedRevocation, Revocation, RevocationFeed } from '../../src/tokens/revocation.ts';

/** A feed in memory, as atomic as the event loop. It can fail, and be put back to what it was. */
export class MemoryRevocationFeed implements RevocationFeed {
  #entries = new Map<string, PublishedRevocation[]>();
  #heads = new Map<string, bigint>();
  /** Thrown by every reading while it is set. */
  failure: Error | null = null;
  readings = { heads: 0, since: 0 };

  publish(acquirer: string, revocation: Revocation): PublishedRevocation {
    const sequence = (this.#heads.get(acquirer) ?? 0n) + 1n;
    const entry = { ...revocation, sequence };
    this.#heads.set(acquirer, sequence);
    const entries = this.#entries.get(acquirer) ?? [];
    entries.push(entry);
    this.#entries.set(acquirer, entries);
    return entry;
  }

  async since(acquirer: string, sequence: bigint, limit: number): Promise<readonly PublishedRevocation[]> {
    this.readings.since += 1;
    await this.#answer();
    const entries = this.#entries.get(acquirer) ?? [];
    const first = entries.findIndex((entry) => entry.sequence > sequence);
    return first < 0 ? [] : entries.slice(first, first + limit);
  }

  async last(acquirer: string): Promise<bigint> {
    await this.#answer();
    return this.#heads.get(acquirer) ?? 0n;
  }

  async heads(): Promise<ReadonlyMap<string, bigint>> {
    this.readings.heads += 1;
    await this.#answer();
    return new Map(this.#heads);
  }

  async prune(before: Date): Promise<number> {
    await this.#answer();
    let removed = 0;
    for (const [acquirer, entries] of this.#entries) {
      const kept = entries.filter(({ revokedAt }) => revokedAt >= before);
      removed += entries.length - kept.length;
      this.#entries.set(acquirer, kept);
    }
    return removed;
  }

  /** A copy to restore. */
  backup(): () => void {
    const entries = new Map([...this.#entries].map(([acquirer, list]) => [acquirer, [...list]]));
    const heads = new Map(this.#heads);
    return () => {
      this.#entries = new Map(entries);
      this.#heads = new Map(heads);
    };
  }

  async #answer(): Promise<void> {
    await Promise.resolve();
    if (this.failure !== null) throw this.failure;
  }
}
