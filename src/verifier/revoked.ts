import type { DeviceTokenClaims } from '../tokens/claims.ts';
import { isMoot, type Revocation, voids } from '../tokens/revocation.ts';

/**
 * The revocations that still matter, the latest of each device. Bounded: one is dropped once every token that it voids has
 * expired, by the service's own clock.
 */
export class RevokedDevices {
  readonly #latest = new Map<string, Revocation>();
  readonly #maximum: number;
  #pruneAt = 1024;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /** Takes entries in, in any order and any number of times. False where there are more than this verifier holds. */
  add(entries: readonly Revocation[], asOf: Date | null): boolean {
    for (const entry of entries) {
      const known = this.#latest.get(entry.deviceId);
      if (known === undefined || known.revokedAt < entry.revokedAt) this.#latest.set(entry.deviceId, entry);
    }
    if (asOf !== null && this.#latest.size > Math.min(this.#pruneAt, this.#maximum)) this.prune(asOf);
    return this.#latest.size <= this.#maximum;
  }

  /** Drops what is moot at an instant of the service's clock. */
  prune(asOf: Date): void {
    for (const [deviceId, entry] of this.#latest) if (isMoot(entry, asOf)) this.#latest.delete(deviceId);
    // Next when it has doubled: the work stays in proportion to the entries that came.
    this.#pruneAt = Math.max(1024, this.#latest.size * 2);
  }

  /** The revocation that voids the token; null where none does. */
  voiding({ sub, iat }: Pick<DeviceTokenClaims, 'sub' | 'iat'>): Revocation | null {
    const entry = this.#latest.get(sub);
    return entry !== undefined && voids(entry, iat) ? entry : null;
  }

  get size(): number {
    return this.#latest.size;
  }
}
