import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SecretBytes } from '../../payment-crypto/secret.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { errorCode } from '../keystore/fault.ts';
import { FILE_MODE, readPrivateFile } from '../keystore/folder.ts';

/** Why there is no PIN to log in with. */
export type PinFault =
  /** The file is not there, is open to others, or holds no PIN. */
  | 'TOKEN_PIN_FILE'
  /** The token has refused the PIN of this file, and the file has not changed since. */
  | 'TOKEN_PIN_REFUSED';

const MAX_PIN_BYTES = 256;
/** Remembers the file whose PIN the token has refused; it holds nothing of the PIN. */
const REFUSED_FILE = 'token-pin.refused';
const NEW_LINE = 0x0a;

/**
 * The token user's PIN in a file (0600). A token counts wrong PINs and locks itself: one that it has refused is not tried
 * again, neither by this process nor by one that is started after it, until the file has changed.
 */
export class PinFile {
  readonly #path: string;
  readonly #memory: string | null;
  #refused: string | null = null;

  /** `memory` is the folder where a refusal is remembered; null remembers it for this process only. */
  constructor(path: string, memory: string | null) {
    this.#path = path;
    this.#memory = memory === null ? null : join(memory, REFUSED_FILE);
  }

  /** The PIN, without the new line behind it. The caller wipes it. */
  read(): Result<SecretBytes, PinFault> {
    const identity = this.#identity();
    if (identity === null) return refuse('TOKEN_PIN_FILE', 'not there');
    if (identity === (this.#refused ?? this.#remembered())) return refuse('TOKEN_PIN_REFUSED');
    const bytes = readPrivateFile(dirname(this.#path), basename(this.#path), MAX_PIN_BYTES);
    if (!bytes.ok) return refuse('TOKEN_PIN_FILE', bytes.reason);
    const end = bytes.value.at(-1) === NEW_LINE ? bytes.value.length - 1 : bytes.value.length;
    const pin = new SecretBytes(bytes.value.subarray(0, end));
    bytes.value.fill(0);
    return end > 0 ? ok(pin) : refuse('TOKEN_PIN_FILE', 'empty');
  }

  /** The token has refused the PIN. */
  refused(): void {
    this.#refused = this.#identity();
    if (this.#memory === null || this.#refused === null) return;
    try {
      writeFileSync(this.#memory, this.#refused, { mode: FILE_MODE });
    } catch {
      // This process remembers it all the same.
    }
  }

  /** The token has taken the PIN. */
  accepted(): void {
    if (this.#refused === null && this.#remembered() === null) return;
    this.#refused = null;
    if (this.#memory !== null) rmSync(this.#memory, { force: true });
  }

  #remembered(): string | null {
    if (this.#memory === null) return null;
    try {
      return readFileSync(this.#memory, 'latin1');
    } catch (error) {
      // What is there and cannot be read may name any file: no login then.
      return errorCode(error) === 'ENOENT' ? null : this.#identity();
    }
  }

  #identity(): string | null {
    try {
      const { ino, mtimeNs, size } = statSync(this.#path, { bigint: true });
      return `${ino} ${mtimeNs} ${size}`;
    } catch {
      return null;
    }
  }
}
