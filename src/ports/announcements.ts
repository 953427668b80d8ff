/** What is told to all replicas, this one included. */
export interface Listener<M> {
  /** Told each announcement that arrives; one may be lost, and may come twice. */
  heard(message: M): void;
  /** Told when announcements may have been lost: what still holds is announced anew. */
  resumed(): void;
}

/**
 * Announcements among replicas. They may be lost with Redis, so that nothing is decided by them: they make happen soon
 * what would happen later.
 */
export interface Announcements<M> {
  /** A number higher than every one that any replica took for the key before; it survives the loss of Redis's memory. */
  next(key: string): Promise<number>;
  /** Rejects where the announcement may not have been made. */
  publish(message: M): Promise<void>;
  subscribe(listener: Listener<M>): void;
}
