import { bytesOfHex, hexOf } from '../../payment-crypto/hex.ts';
import type { SecretBytes } from '../../payment-crypto/secret.ts';
import { type KeyAlgorithm, SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Random } from '../../ports/random.ts';
import type { Result } from '../../reasons/result.ts';
import type { VectorObject } from './json.ts';

/** What one item of a vector file showed. */
export class ItemChecks {
  readonly faults: string[] = [];
  #made = 0;

  /** Number of comparisons made; an item that makes none has tested nothing. */
  get made(): number {
    return this.#made;
  }

  /** Expects a statement about the item to be true. */
  that(statement: string, holds: boolean): void {
    this.#made++;
    if (!holds) this.faults.push(statement);
  }

  /** Expects bytes to be those of hexadecimal text. */
  bytes(statement: string, actual: Uint8Array | SecretBytes, expected: string): void {
    const hex = actual instanceof Uint8Array ? hexOf(actual) : actual.use(hexOf);
    this.that(statement, hex === expected.toUpperCase());
  }

  /** Expects success and gives its value, or notes the reason of the refusal. */
  value<T>(statement: string, result: Result<T, string>): T | undefined {
    this.that(result.ok ? statement : `${statement}: ${result.reason}`, result.ok);
    return result.ok ? result.value : undefined;
  }

  /** Expects a refusal with a reason. */
  refused(statement: string, result: Result<unknown, string>): void {
    this.that(statement, !result.ok && result.reason.length > 0);
  }
}

/** A format of payment vectors: its name, whether an object is of it, and how it is checked. */
export interface VectorFormat {
  readonly name: string;
  matches(object: VectorObject): boolean;
  check(object: VectorObject, checks: ItemChecks): void;
}

/** Bytes of a hexadecimal field; a field that is not hexadecimal is noted and gives none. */
export function hexField(checks: ItemChecks, name: string, value: string): Buffer | undefined {
  const bytes = bytesOfHex(value);
  if (bytes === undefined) checks.that(`${name} is hexadecimal`, false);
  return bytes;
}

/** A key of a hexadecimal field, or undefined with a note. */
export function keyField(
  checks: ItemChecks,
  name: string,
  algorithm: KeyAlgorithm,
  value: string,
): SecretKey | undefined {
  const bytes = hexField(checks, name, value);
  return bytes === undefined ? undefined : checks.value(`${name} is a key`, SecretKey.parse(algorithm, bytes));
}

/** Gives out exactly these bytes, over and over: reproduces a vector whose random part is known. */
export function fixedRandom(bytes: Uint8Array): Random {
  return {
    bytes: (length) => Buffer.from(Array.from({ length }, (_, at) => bytes[at % Math.max(bytes.length, 1)] ?? 0)),
  };
}
