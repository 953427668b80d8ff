import { generateKeyPairSync, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import { cpuMicroseconds } from '../cpu.ts';

/** Keys in turn, as reports come from many phones. */
const KEYS = 512;

/** What one piece of work cannot do without: signatures verified under as many keys, and signatures made. */
export interface BareSignatures {
  readonly verified: number;
  readonly made: number;
}

interface Signed {
  readonly bytes: Buffer;
  /** DER. */
  readonly signature: Buffer;
  readonly key: KeyObject;
}

/** Signature checks and signatures without anything around them: ECDSA P-256, ready keys, DER signatures. */
export class BareChecks {
  readonly #signed: readonly Signed[];
  readonly #key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  #next = 0;

  /** Over messages of so many bytes. */
  constructor(bytes: number) {
    this.#signed = Array.from({ length: KEYS }, () => {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const message = randomBytes(bytes);
      return { bytes: message, signature: sign('sha256', message, privateKey), key: publicKey };
    });
  }

  /** CPU time of one such piece of work, in microseconds. */
  microseconds(pieces: number, { verified, made }: BareSignatures): number {
    return cpuMicroseconds(pieces, () => {
      for (let piece = 0; piece < pieces; piece += 1) {
        for (let count = 0; count < verified; count += 1) this.#verifyNext();
        for (let count = 0; count < made; count += 1) sign('sha256', this.#signed[0]!.bytes, this.#key);
      }
    });
  }

  #verifyNext(): void {
    const { bytes, signature, key } = this.#signed[this.#next % KEYS]!;
    this.#next += 1;
    if (!verify('sha256', bytes, key, signature)) throw new Error('a signature of the bench does not verify');
  }
}
