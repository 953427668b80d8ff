/** Ends an open session from the outside; the reason goes to the phone. */
export type EndSession = (reason: 'SESSION_UNKNOWN' | 'DEVICE_REVOKED' | 'DEVICE_SUSPENDED') => void;

/** The sessions that are open on this replica: one a phone, the newest wins. */
export class Presence {
  readonly #open = new Map<string, EndSession>();

  /** Enters a device's session and ends the one before; answers how to leave again. */
  enter(deviceId: string, end: EndSession): () => void {
    const before = this.#open.get(deviceId);
    this.#open.set(deviceId, end);
    before?.('SESSION_UNKNOWN');
    return () => {
      if (this.#open.get(deviceId) === end) this.#open.delete(deviceId);
    };
  }

  /** Ends a device's session, if one is open here. */
  end(deviceId: string, reason: 'DEVICE_REVOKED' | 'DEVICE_SUSPENDED'): void {
    this.#open.get(deviceId)?.(reason);
  }

  /** How many sessions are open. */
  get size(): number {
    return this.#open.size;
  }
}
