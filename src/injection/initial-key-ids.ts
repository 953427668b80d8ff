import type { InitialKeyIds, KeySetStore } from './key-set.ts';

/** How many derivation ids one lease takes: a crash wastes at most this many of 2^32. */
const LEASE = 64;

/** Ids of the base derivation keys of both domains, 4 bytes each. */
export interface BdkIds {
  readonly pin: Buffer;
  readonly accountData: Buffer;
}

interface Range {
  next: number;
  end: number;
}

/** Hands out initial key identifiers from leased ranges; none is ever given twice. */
export class InitialKeyIdSource {
  readonly #store: KeySetStore;
  readonly #bdkIds: () => BdkIds;
  readonly #ranges = new Map<string, Promise<Range | null>>();

  /** `bdkIds` answers the ids of the base derivation keys that are active now. */
  constructor(store: KeySetStore, bdkIds: () => BdkIds) {
    this.#store = store;
    this.#bdkIds = bdkIds;
  }

  /** Fresh identifiers for both domains, or null where a BDK has none left: it must be rotated. */
  async next(): Promise<InitialKeyIds | null> {
    const bdkIds = this.#bdkIds();
    const pin = await this.#take(bdkIds.pin);
    const accountData = await this.#take(bdkIds.accountData);
    return pin === null || accountData === null ? null : { pin, accountData };
  }

  async #take(bdkId: Buffer): Promise<Buffer | null> {
    const key = bdkId.toString('hex');
    for (;;) {
      const pending = this.#ranges.get(key) ?? this.#lease(bdkId);
      this.#ranges.set(key, pending);
      const range = await pending;
      if (range === null) return null;
      if (range.next < range.end) {
        const id = Buffer.alloc(8);
        bdkId.copy(id);
        id.writeUInt32BE(range.next, 4);
        range.next += 1;
        return id;
      }
      if (this.#ranges.get(key) === pending) this.#ranges.delete(key);
    }
  }

  async #lease(bdkId: Buffer): Promise<Range | null> {
    try {
      const first = await this.#store.leaseDerivationIds(bdkId, LEASE);
      return first === null ? null : { next: first, end: first + LEASE };
    } catch (error) {
      // A failed lease must not be remembered, or one outage would last until a restart.
      this.#ranges.delete(bdkId.toString('hex'));
      throw error;
    }
  }
}
