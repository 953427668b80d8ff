import { sha256 } from '../../src/encoding/digest.ts';
import type { Random } from '../../src/ports/random.ts';

/** Bytes that look random and are the same in every run: SHA-256 of the seed and a counter. */
export class SeededRandom implements Random {
  readonly #seed: string;
  #count = 0;

  constructor(seed: string) {
    this.#seed = seed;
  }

  bytes(length: number): Buffer {
    const blocks: Buffer[] = [];
    for (let have = 0; have < length; have += 32) {
      this.#count += 1;
      blocks.push(sha256(Buffer.from(`${this.#seed} ${this.#count}`)));
    }
    return Buffer.from(Buffer.concat(blocks).subarray(0, length));
  }
}
