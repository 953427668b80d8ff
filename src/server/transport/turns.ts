/**
 * Work that is done a little in each turn of the event loop, in order: thousands of pieces at once keep nobody else
 * waiting, and follow what was written before them.
 */
export class Turns {
  readonly #piecesATurn: number;
  #waiting: (() => void)[] = [];
  #scheduled = false;

  constructor(piecesATurn: number) {
    this.#piecesATurn = piecesATurn;
  }

  /** Does it in a later turn. It must not throw. */
  add(piece: () => void): void {
    this.#waiting.push(piece);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#scheduled = false;
    const waiting = this.#waiting;
    this.#waiting = waiting.slice(this.#piecesATurn);
    for (const piece of waiting.slice(0, this.#piecesATurn)) piece();
    if (this.#waiting.length > 0) this.#schedule();
  }
}
