/** The keys of one injection on one device: two initial keys, one a domain. */
export interface KeySet {
  readonly id: string;
  readonly deviceId: string;
  /** `offered` until the phone has proven the keys; `retired` once a newer set is active. */
  readonly status: 'offered' | 'active' | 'retired';
  /** 8 bytes each. */
  readonly pinInitialKeyId: Buffer;
  readonly accountDataInitialKeyId: Buffer;
  readonly expiresAt: Date;
}

/** A set that is offered. */
export interface OfferedKeySet extends Omit<KeySet, 'status'> {
  /** What the vault bound the keys by when it offered them: 16 bytes. */
  readonly binding: Buffer;
}

/** The initial key identifiers of one key set, 8 bytes each: BDK id (4) || derivation id (4). */
export interface InitialKeyIds {
  readonly pin: Buffer;
  readonly accountData: Buffer;
}

/** Durable key sets. */
export interface KeySetStore {
  /**
   * Leases `count` derivation ids of a BDK id (4 bytes), answers the first. What was leased is never leased again, even
   * after a crash. Null where the BDK's derivation ids are used up.
   */
  leaseDerivationIds(bdkId: Buffer, count: number): Promise<number | null>;
  /** Keeps a set as offered. */
  addOffered(set: OfferedKeySet, now: Date): Promise<void>;
  /** The identifiers of a set that is offered to this device; null where there is none. */
  offered(setId: string, deviceId: string): Promise<InitialKeyIds | null>;
  /** A set that is active on this device; null where there is none. */
  active(setId: string, deviceId: string): Promise<KeySet | null>;
  /**
   * Forgets at most `count` sets that were offered before a time and never became active; answers how many. Their
   * identifiers stay used up: they come from leases.
   */
  pruneUnproven(offeredBefore: Date, count: number): Promise<number>;
  /**
   * Makes an offered set active and retires the device's other sets, all or nothing; where it is no longer offered
   * or the device is not active: then null. The proof has used counter 1 of both domains.
   */
  activate(setId: string, deviceId: string, now: Date): Promise<KeySet | null>;
}
