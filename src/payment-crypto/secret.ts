import { timingSafeEqual } from 'node:crypto';

/** Thrown when a secret is used after it was wiped: a bug of the caller, never a state of the outside world. */
export class SecretWiped extends Error {
  override readonly name = 'SecretWiped';
  constructor() {
    super('a wiped secret was used');
  }
}

const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/**
 * Secret bytes that cannot be printed, serialised or cloned by accident.
 *
 * String conversion, JSON and inspection give a placeholder; the bytes sit in a private field that neither
 * enumeration nor structured cloning reaches. `wipe` overwrites them; any use afterwards throws {@link SecretWiped}.
 * Copied bytes get an array buffer of their own: neither in Node's shared pool, where another Buffer's `buffer` would
 * show them, nor in the garbage-collected heap, where small arrays are moved and leave copies behind.
 */
export class SecretBytes {
  #bytes: Uint8Array | undefined;

  /** Copies the bytes; the caller wipes its own copy. */
  constructor(bytes: Uint8Array, ownership: 'copy' | 'own' = 'copy') {
    if (ownership === 'own') {
      this.#bytes = bytes;
    } else {
      this.#bytes = new Uint8Array(new ArrayBuffer(bytes.length));
      this.#bytes.set(bytes);
    }
  }

  /** Takes the buffer over without a copy: the caller forgets it, and `wipe` overwrites it. */
  static owning(bytes: Uint8Array): SecretBytes {
    return new SecretBytes(bytes, 'own');
  }

  /** Number of bytes. */
  get length(): number {
    return this.#open().length;
  }

  /**
   * Lends the bytes to `borrow` and returns its result. The bytes are the secret itself, not a copy: they must not be
   * kept, changed or put in anything that outlives the call.
   */
  use<T>(borrow: (bytes: Uint8Array) => T): T {
    return borrow(this.#open());
  }

  /** True where both hold the same bytes; the time does not tell where they differ. */
  equals(other: SecretBytes): boolean {
    const mine = this.#open();
    const theirs = other.#open();
    return mine.length === theirs.length && timingSafeEqual(mine, theirs);
  }

  /** Overwrites the bytes with zeros; calling it again does nothing. */
  wipe(): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  [Symbol.dispose](): void {
    this.wipe();
  }

  /** What is shown in the place of the secret. */
  protected get placeholder(): string {
    return '[secret]';
  }

  toString(): string {
    return this.placeholder;
  }

  toJSON(): string {
    return this.placeholder;
  }

  [Symbol.toPrimitive](): string {
    return this.placeholder;
  }

  [INSPECT](): string {
    return this.placeholder;
  }

  #open(): Uint8Array {
    if (this.#bytes === undefined) throw new SecretWiped();
    return this.#bytes;
  }
}
