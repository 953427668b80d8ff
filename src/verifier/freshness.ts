/**
 * How old the knowledge of revocations is, by the local monotonic clock.
 *
 * The service states `as_of` by a clock of its own. The first one of a stream comes of a reading that began after the
 * stream was opened, so it is counted as of the opening, which errs on the old side; the later ones are counted from it by
 * their distance. A message that was long under way is thereby found old, however late it comes.
 */
export class Freshness {
  #anchor: { readonly openedAt: number; readonly asOf: number } | null = null;
  #openedAt = 0;
  #knownAt: number | null = null;

  /** A stream is opened at a monotonic instant. */
  opened(at: number): void {
    this.#openedAt = at;
    this.#anchor = null;
  }

  /** Takes in an `as_of` that has arrived. */
  told(asOf: Date, now: number): void {
    this.#anchor ??= { openedAt: this.#openedAt, asOf: asOf.getTime() };
    // A service whose clock jumps ahead makes nothing newer than its arrival.
    const at = Math.min(now, this.#anchor.openedAt + asOf.getTime() - this.#anchor.asOf);
    if (this.#knownAt === null || at > this.#knownAt) this.#knownAt = at;
  }

  /** Age of what is known, in milliseconds; Infinity where nothing is. */
  age(now: number): number {
    return this.#knownAt === null ? Number.POSITIVE_INFINITY : now - this.#knownAt;
  }
}
