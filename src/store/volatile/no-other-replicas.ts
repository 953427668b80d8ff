import type { Announcements } from '../../ports/announcements.ts';

/** Announcements of a replica that is the only one: nobody to tell. */
export class NoOtherReplicas<M> implements Announcements<M> {
  #last = 0;

  async next(): Promise<number> {
    this.#last += 1;
    return this.#last;
  }

  async publish(): Promise<void> {}

  subscribe(): void {}
}
