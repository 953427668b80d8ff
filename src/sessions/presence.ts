import type { Reason } from '../reasons/catalogue.ts';

/** Ends an open session from the outside; the reason goes to the phone, and what it may know of what caused it. */
export type EndSession = (
  reason: 'SESSION_UNKNOWN' | 'SESSION_ENDED' | 'DEVICE_REVOKED' | 'DEVICE_SUSPENDED',
  because?: readonly Reason[],
) => void;

/** The sessions that are open on this replica: one a phone, the newest wins. */
export class Presence {
  readonly #open = new Map<string, { readonly end: EndSession; readonly issuedAt: Date | null }>();

  /**
   * Enters a device's session and ends the one before; answers how to leave again. `issuedAt` is when the token that
   * opened it was issued.
   */
  enter(deviceId: string, end: EndSession, issuedAt: Date | null = null): () => void {
    const before = this.#open.get(deviceId);
    const entered = { end, issuedAt };
    this.#open.set(deviceId, entered);
    before?.end('SESSION_UNKNOWN');
    return () => {
      if (this.#open.get(deviceId) === entered) this.#open.delete(deviceId);
    };
  }

  /** As `end`, unless the session was opened by a token that was issued after the instant: the phone has attested anew. */
  endIssuedBy(deviceId: string, instant: Date, reason: Parameters<EndSession>[0]): void {
    const open = this.#open.get(deviceId);
    if (open !== undefined && (open.issuedAt === null || open.issuedAt <= instant)) open.end(reason);
  }

  /** Ends a device's session, if one is open here. */
  end(deviceId: string, ...why: Parameters<EndSession>): void {
    this.#open.get(deviceId)?.end(...why);
  }

  /** How many sessions are open. */
  get size(): number {
    return this.#open.size;
  }
}
