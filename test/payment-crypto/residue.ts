import type { Cipheriv, Decipheriv } from 'node:crypto';
import { SecretBytes } from '../../src/payment-crypto/secret.ts';
import { SecretKey } from '../../src/payment-crypto/secret-key.ts';

/** Bytes that may be there when an operation has ended: what it was given, and what it answers. */
export type Kept = SecretBytes | Uint8Array;

function replace<T extends object, K extends keyof T>(holder: T, name: K, make: (original: T[K]) => T[K]): () => void {
  const original = holder[name];
  holder[name] = make(original);
  return () => {
    holder[name] = original;
  };
}

/**
 * What an operation is watched for: keys are what secrets lend and what single blocks are enciphered to; everything is
 * what goes into a cipher and what deciphering gives, too. What a chain of blocks is enciphered to may be seen by anybody.
 */
export type Watched = 'keys' | 'everything';

function watch(seen: Set<Uint8Array>, watched: Watched): () => void {
  const clear = (bytes: Uint8Array): void => {
    if (watched === 'everything') seen.add(bytes);
  };
  const chained = <C extends Cipheriv | Decipheriv>(
    cipher: C,
    note: (input: Uint8Array, output: Buffer) => void,
  ): C => {
    const update = cipher.update.bind(cipher) as (input: Uint8Array) => Buffer;
    const noting = (input: Uint8Array): Buffer => {
      const output = update(input);
      note(input, output);
      return output;
    };
    return Object.assign(cipher, { update: noting });
  };
  const restore = [
    replace(
      SecretBytes.prototype,
      'use',
      (use) =>
        function <T>(this: SecretBytes, borrow: (bytes: Uint8Array) => T): T {
          return use.call(this, (bytes) => {
            seen.add(bytes);
            return borrow(bytes);
          }) as T;
        },
    ),
    replace(
      SecretKey.prototype,
      'encipher',
      (encipher) =>
        function (this: SecretKey, input) {
          const output = encipher.call(this, input);
          clear(input);
          seen.add(output);
          return output;
        },
    ),
    replace(
      SecretKey.prototype,
      'decipher',
      (decipher) =>
        function (this: SecretKey, input) {
          const output = decipher.call(this, input);
          clear(output);
          return output;
        },
    ),
    replace(
      SecretKey.prototype,
      'cipherIn',
      (cipherIn) =>
        function (this: SecretKey, mode, iv) {
          return chained(cipherIn.call(this, mode, iv), clear);
        },
    ),
    replace(
      SecretKey.prototype,
      'decipherIn',
      (decipherIn) =>
        function (this: SecretKey, mode, iv) {
          return chained(decipherIn.call(this, mode, iv), (_, output) => clear(output));
        },
    ),
  ];
  return () => {
    for (const step of restore) step();
  };
}

const view = (kept: Kept): Uint8Array => (kept instanceof SecretBytes ? kept.use((bytes) => bytes) : kept);

/** True where a byte that is not zero lies outside of everything that may be kept. */
function isLeft(bytes: Uint8Array, kept: readonly Uint8Array[]): boolean {
  const within = kept.filter(({ buffer }) => buffer === bytes.buffer);
  return bytes.some((byte, index) => {
    const at = bytes.byteOffset + index;
    return byte !== 0 && !within.some(({ byteOffset, length }) => at >= byteOffset && at < byteOffset + length);
  });
}

/**
 * Runs an operation and gives, as hexadecimal text, the secrets and blocks that it has used and not overwritten. What it
 * was given may stay, and what `run` says is its answer.
 */
export function residue(
  given: readonly Kept[],
  run: () => readonly Kept[],
  watched: Watched = 'everything',
): readonly string[] {
  const seen = new Set<Uint8Array>();
  const restore = watch(seen, watched);
  let answer: readonly Kept[];
  try {
    answer = run();
  } finally {
    restore();
  }
  const kept = [...given, ...answer].map(view);
  return [...seen].filter((bytes) => isLeft(bytes, kept)).map((bytes) => Buffer.from(bytes).toString('hex'));
}
