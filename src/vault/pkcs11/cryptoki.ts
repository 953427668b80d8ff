import { once } from 'node:events';
import { endianness } from 'node:os';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { CKF, CKR } from './constants.ts';
import { CALL_STATE, FUNCTION_NAMES, type FunctionName, SHARED, WORD } from './functions.ts';
import { TokenError } from './token-error.ts';

/** What a function of Cryptoki takes: numbers and handles, memory, or a null pointer. */
type Argument = number | bigint | Uint8Array | null;

/** CK_C_INITIALIZE_ARGS: four callbacks, flags, a reserved pointer. */
const INITIALIZE_ARGS_BYTES = 6 * WORD;
const FLAGS_AT = 4 * WORD;
/** A call that takes longer is given up: the vault says that it is unavailable, and goes on. */
const CALL_MILLISECONDS = 5_000;

/** Why a module cannot be used. */
export type ModuleFault =
  /** This machine is none that modules are called on: 64-bit Linux or macOS, with the binding's package. */
  | 'TOKEN_PLATFORM'
  /** The file is no PKCS #11 module that can be loaded. */
  | 'TOKEN_MODULE';

/** Modules by their path, for good: a module keeps its state in the process, and one thread calls it. */
const LOADED = new Map<string, Cryptoki>();

/**
 * A loaded PKCS #11 module. Calls wait for its thread, for so long as a call may take. Memory that is passed is a Buffer,
 * whose address does not change once it is taken.
 */
export class Cryptoki {
  readonly #addressOf: (memory: Uint8Array) => bigint;
  readonly #states: Int32Array;
  readonly #words: BigUint64Array;
  readonly #milliseconds: number;
  /** What a call that was given up may still write to. */
  #givenUp: readonly Argument[] | null = null;

  private constructor(shared: SharedArrayBuffer, addressOf: (memory: Uint8Array) => bigint, milliseconds: number) {
    this.#states = new Int32Array(shared, 0, 2);
    this.#words = new BigUint64Array(shared);
    this.#addressOf = addressOf;
    this.#milliseconds = milliseconds;
  }

  /** Loads a module by its absolute path; runs its code. Refuses with a {@link ModuleFault}. */
  static async load(path: string, milliseconds: number = CALL_MILLISECONDS): Promise<Result<Cryptoki, ModuleFault>> {
    const known = LOADED.get(path);
    if (known !== undefined) return ok(known);
    const binding = await import('koffi').catch(() => null);
    if (binding === null) return refuse('TOKEN_PLATFORM', 'the package koffi is not there');
    const { default: koffi } = binding;
    if (endianness() !== 'LE' || koffi.sizeof('unsigned long') !== WORD || koffi.sizeof('void *') !== WORD)
      return refuse('TOKEN_PLATFORM');
    const shared = new SharedArrayBuffer(SHARED.bytes);
    const program = join(import.meta.dirname, `call-thread${extname(import.meta.filename)}`);
    const thread = new Worker(program, { workerData: { path, shared } });
    const [fault]: unknown[] = await once(thread, 'message');
    // The thread lives for as long as the process, and keeps it from nothing.
    thread.unref();
    if (typeof fault === 'string') return refuse('TOKEN_MODULE', fault);
    const cryptoki = new Cryptoki(shared, (memory) => koffi.address(memory), milliseconds);
    LOADED.set(path, cryptoki);
    return ok(cryptoki);
  }

  /** True while a call that was given up has not returned: its thread cannot be ended, nor the process by ordinary means. */
  get isStuck(): boolean {
    return this.#givenUp !== null && Atomics.load(this.#states, 0) === CALL_STATE.called;
  }

  /** Address of memory, for structures that point to it. Whoever uses it keeps the memory until the call has returned. */
  addressOf(memory: Uint8Array): bigint {
    return this.#addressOf(memory);
  }

  /** Calls a function and answers its return value (CKR). Throws TokenError where it does not return in time. */
  attempt(name: FunctionName, ...parameters: Argument[]): number {
    if (this.isStuck) throw new TokenError(`${name}: an earlier call has not returned`, CKR.DEVICE_ERROR);
    this.#givenUp = null;
    this.#states[1] = FUNCTION_NAMES.indexOf(name);
    for (const [at, parameter] of parameters.entries()) {
      this.#words[SHARED.parametersAt + at] =
        parameter instanceof Uint8Array ? this.#addressOf(parameter) : BigInt(parameter ?? 0);
    }
    Atomics.store(this.#states, 0, CALL_STATE.called);
    Atomics.notify(this.#states, 0);
    const waited = Atomics.wait(this.#states, 0, CALL_STATE.called, this.#milliseconds);
    if (waited !== 'timed-out') return Number(this.#words[SHARED.returnedAt]);
    this.#givenUp = parameters;
    throw new TokenError(`${name}: no answer in time`, CKR.DEVICE_ERROR);
  }

  /** Calls a function; throws TokenError where it returns anything but CKR_OK. */
  call(name: FunctionName, ...parameters: Argument[]): void {
    const returned = this.attempt(name, ...parameters);
    if (returned !== CKR.OK) throw TokenError.of(name, returned);
  }

  /** Starts the module for this process; one that is started already stays as it is. Throws TokenError. */
  start(): void {
    const given = Buffer.alloc(INITIALIZE_ARGS_BYTES);
    given.writeBigUInt64LE(BigInt(CKF.OS_LOCKING_OK), FLAGS_AT);
    const returned = this.attempt('C_Initialize', given);
    if (returned !== CKR.OK && returned !== CKR.CRYPTOKI_ALREADY_INITIALIZED)
      throw TokenError.of('C_Initialize', returned);
  }

  /** Stops the module: sessions end, and the next start reads its tokens anew. One that is stuck is left as it is. */
  stop(): void {
    if (!this.isStuck) this.attempt('C_Finalize', null);
  }
}
