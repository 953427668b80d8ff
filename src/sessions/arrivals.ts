import type { Announcements } from '../ports/announcements.ts';
import type { OpenCallHandle, Presence } from './presence.ts';
import type { PresenceSubject } from './subject.ts';

/** A phone has opened a session at a replica; of several arrivals of one phone, the highest number is the newest. */
export interface Arrival {
  readonly deviceId: string;
  readonly number: number;
}

/**
 * One session a phone over all replicas: a newer session elsewhere ends the one here, and an older one that comes late
 * is told of the newer. Replicas that were out of touch tell each other again what they have.
 */
export class Arrivals {
  readonly #presence: Presence;
  readonly #announcements: Announcements<Arrival>;
  readonly #here = new Map<string, { readonly number: number; readonly handle: OpenCallHandle }>();

  constructor(presence: Presence, announcements: Announcements<Arrival>) {
    this.#presence = presence;
    this.#announcements = announcements;
    announcements.subscribe({
      heard: (arrival) => this.#hear(arrival),
      resumed: () => void this.#announceAll(),
    });
  }

  /**
   * Enters a phone's session and ends the ones before, here at once and elsewhere soon; answers how to leave again.
   * `issuedAt` is when the token that opened it was issued. Rejects where the other replicas cannot be told.
   */
  async enter(subject: PresenceSubject, handle: OpenCallHandle, issuedAt: Date | null = null): Promise<() => void> {
    const { deviceId } = subject;
    const number = await this.#announcements.next(deviceId);
    const standing = this.#here.get(deviceId);
    if (standing !== undefined && standing.number > number) {
      handle.end('SESSION_UNKNOWN');
      return () => {};
    }
    const entered = { number, handle };
    this.#here.set(deviceId, entered);
    const leavePresence = this.#presence.enter(subject, handle, issuedAt);
    const leave = (): void => {
      if (this.#here.get(deviceId) === entered) this.#here.delete(deviceId);
      leavePresence();
    };
    try {
      await this.#announcements.publish({ deviceId, number });
    } catch (error) {
      leave();
      throw error;
    }
    return leave;
  }

  #hear({ deviceId, number }: Arrival): void {
    const here = this.#here.get(deviceId);
    if (here === undefined || here.number === number) return;
    if (here.number < number) here.handle.end('SESSION_UNKNOWN');
    else void this.#announce({ deviceId, number: here.number });
  }

  async #announceAll(): Promise<void> {
    // One after the other: as many sessions as a replica has must not crowd out what phones wait for.
    for (const [deviceId, { number }] of [...this.#here]) {
      if (this.#here.get(deviceId)?.number === number) await this.#announce({ deviceId, number });
    }
  }

  async #announce(arrival: Arrival): Promise<void> {
    try {
      await this.#announcements.publish(arrival);
    } catch {
      // Lost with the connection: when that is back, all are announced again.
    }
  }
}
