/**
 * Runs work one after the other, in the order in which it came.
 *
 * Transactions that read what the others write (how many devices a merchant has, who showed an attestation key) lose to
 * each other at SERIALIZABLE. Within one process, waiting costs less than trying again; between replicas the database
 * decides.
 */
export class Lane {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const ended = this.#last.then(work);
    // What goes wrong is its caller's; the next one begins all the same.
    this.#last = ended.catch(() => {});
    return ended;
  }
}
