/** Longest input of any reader: 256 KiB. */
export const MAXIMUM_INPUT = 262_144;
const HEADER = 3;

/** The input of the current run in memory that two threads share: what a run that never ends was given. */
export class RunRecord {
  readonly #header: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer) {
    this.#header = new Int32Array(memory, 0, HEADER);
    this.#bytes = new Uint8Array(memory, HEADER * Int32Array.BYTES_PER_ELEMENT);
  }

  static memory(): SharedArrayBuffer {
    return new SharedArrayBuffer(HEADER * Int32Array.BYTES_PER_ELEMENT + MAXIMUM_INPUT);
  }

  write(run: number, reader: number, input: Uint8Array): void {
    this.#bytes.set(input);
    this.#header[1] = reader;
    this.#header[2] = input.length;
    Atomics.store(this.#header, 0, run);
  }

  /** Number of the current run, modulo 2³². */
  get run(): number {
    return Atomics.load(this.#header, 0);
  }

  /** Reader and input of the current run: to be asked for only while it stands still. */
  read(): { readonly run: number; readonly reader: number; readonly input: Uint8Array } {
    const run = this.run;
    return { run, reader: this.#header[1] ?? 0, input: this.#bytes.slice(0, this.#header[2]) };
  }
}
