import type { InitialKeyIds, KeySetStore } from './key-set.ts';

/** How many derivation ids one lease takes: a crash wastes at most this many of 2^32. */
const LEASE = 64;
/** Leases that are passed over at once, at the most: 2^18 ids, so that the longest gap takes few refusals to cross. */
const MOST_PASSED_OVER = 4096;

/** Ids of the base derivation keys of both domains, 4 bytes each. */
export interface BdkIds {
  readonly pin: Buffer;
  readonly accountData: Buffer;
}

interface Range {
  readonly first: number;
  next: number;
  readonly end: number;
}

/**
 * Hands out initial key identifiers from leased ranges; none is ever given twice.
 *
 * The vault keeps its own record of what it has offered. Where that refuses an identifier, the rest of its range is given
 * up; where range after range is refused, the database is behind the vault (it was restored from a backup), and ever more
 * leases are passed over.
 */
export class InitialKeyIdSource {
  readonly #store: KeySetStore;
  readonly #bdkIds: () => BdkIds;
  readonly #ranges = new Map<string, Promise<Range | null>>();
  readonly #current = new Map<string, Range>();
  /** Ranges of a base derivation key that were refused, one after the other. */
  readonly #refusals = new Map<string, number>();

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

  /** The vault has offered these. */
  accepted({ pin, accountData }: InitialKeyIds): void {
    for (const id of [pin, accountData]) this.#refusals.delete(keyOf(id));
  }

  /** The vault takes one of these for used: what is left of both ranges is given up. */
  refused({ pin, accountData }: InitialKeyIds): void {
    for (const id of [pin, accountData]) {
      const key = keyOf(id);
      const range = this.#current.get(key);
      const derivationId = id.readUInt32BE(4);
      // Several callers are refused identifiers of one range: the first of them has given it up.
      if (range === undefined || derivationId < range.first || derivationId >= range.end) continue;
      this.#current.delete(key);
      range.next = range.end;
      this.#refusals.set(key, (this.#refusals.get(key) ?? 0) + 1);
    }
  }

  async #take(bdkId: Buffer): Promise<Buffer | null> {
    const key = keyOf(bdkId);
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
    const key = keyOf(bdkId);
    try {
      const passedOver = leasesPassedOver(this.#refusals.get(key) ?? 0) * LEASE;
      const leased = await this.#store.leaseDerivationIds(bdkId, passedOver + LEASE);
      // Too few are left to pass any over: the next one may do.
      const first = leased ?? (passedOver > 0 ? await this.#store.leaseDerivationIds(bdkId, LEASE) : null);
      if (first === null) return null;
      const begin = leased === null ? first : first + passedOver;
      const range = { first: begin, next: begin, end: begin + LEASE };
      this.#current.set(key, range);
      return range;
    } catch (error) {
      // A failed lease must not be remembered, or one outage would last until a restart.
      this.#ranges.delete(key);
      throw error;
    }
  }
}

/** Name of a base derivation key: the first four bytes of each of its identifiers. */
function keyOf(id: Buffer): string {
  return id.toString('hex', 0, 4);
}

/** None after one refusal, as after a restart of the vault; then 1, 2, 4, ... */
function leasesPassedOver(refusals: number): number {
  return refusals < 2 ? 0 : Math.min(MOST_PASSED_OVER, 2 ** (refusals - 2));
}
