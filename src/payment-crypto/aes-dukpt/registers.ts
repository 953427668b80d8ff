import { ok, refuse } from '../../reasons/result.ts';
import { AES_COUNTER, isTransactionCounter, lowestOneBit, nextCounter, oneBits } from '../dukpt-counter.ts';
import { AesKsn, InitialKeyId } from '../ksn.ts';
import type { PaymentResult } from '../reason.ts';
import { SecretBytes } from '../secret.ts';
import { SecretKey } from '../secret-key.ts';
import { type DerivationKey, deriveDerivationKey, deriveKey, UPDATE_COUNTER, walkTo } from './derivation.ts';
import { type DerivedKeyType, notStrongerThan } from './key-type.ts';
import { DukptTransaction } from './transaction.ts';

const REGISTERS = 32;
const STATE_VERSION = 1;
const HEADER_BYTES = 14;

function positionOf(bit: number): number {
  return 31 - Math.clz32(bit);
}

/**
 * Which registers hold a key while `counter` is the next to be used: the one of the counter's lowest one-bit, and every
 * one above it whose bit is zero. All others were used and wiped, or are not filled yet.
 */
function registersInUse(counter: number): number[] {
  if (counter === 0) return [];
  const current = positionOf(lowestOneBit(counter));
  const positions = [current];
  for (let position = current + 1; position < REGISTERS; position++) {
    if (((counter >>> position) & 1) === 0) positions.push(position);
  }
  return positions;
}

/**
 * The device's side of AES DUKPT: 32 registers of derivation keys (X9.24-3:2017).
 *
 * Forward secrecy: loading wipes the initial key; `advance` takes a register's key out, fills the registers below it
 * and leaves nothing from which a used key could be derived again. The order of use is: `advance`, keep `serialize()`
 * durably and encrypted, only then use the transaction. A device that dies in between has skipped a counter, never
 * used one twice.
 */
export class DukptRegisters {
  readonly #initialKeyId: InitialKeyId;
  readonly #registers: (SecretKey | undefined)[];
  #counter: number;

  private constructor(initialKeyId: InitialKeyId, registers: (SecretKey | undefined)[], counter: number) {
    this.#initialKeyId = initialKeyId;
    this.#registers = registers;
    this.#counter = counter;
  }

  /**
   * Fills the registers from an initial key (AES of 128, 192 or 256 bits) and wipes it. A key of a key store serves too,
   * where it may encipher in ECB.
   */
  static load(initialKey: DerivationKey & { wipe(): void }, initialKeyId: InitialKeyId): DukptRegisters {
    const registers = Array.from({ length: REGISTERS }, (_, position) =>
      deriveDerivationKey(initialKey, initialKeyId.derivationId, 2 ** position),
    );
    initialKey.wipe();
    return new DukptRegisters(initialKeyId, registers, 1);
  }

  /**
   * Reads a serialised state. Refuses with REGISTERS_MALFORMED anything but exactly the registers that its counter
   * calls for. The state carries no check of its own: what keeps it encrypted also authenticates it.
   */
  static parse(state: Uint8Array): PaymentResult<DukptRegisters, 'REGISTERS_MALFORMED'> {
    if (state.length < HEADER_BYTES || state.length > HEADER_BYTES + REGISTERS * 32)
      return refuse('REGISTERS_MALFORMED');
    const view = Buffer.from(state.buffer, state.byteOffset, state.length);
    const keyBytes = view.readUInt8(1);
    const initialKeyId = InitialKeyId.parse(view.subarray(2, 10));
    const counter = view.readUInt32BE(10);
    if (view.readUInt8(0) !== STATE_VERSION || !initialKeyId.ok) return refuse('REGISTERS_MALFORMED');
    if (keyBytes !== 16 && keyBytes !== 24 && keyBytes !== 32) return refuse('REGISTERS_MALFORMED');
    if (counter !== 0 && !isTransactionCounter(AES_COUNTER, counter)) return refuse('REGISTERS_MALFORMED');
    const positions = registersInUse(counter);
    if (state.length !== HEADER_BYTES + positions.length * keyBytes) return refuse('REGISTERS_MALFORMED');
    const registers = Array.from<SecretKey | undefined>({ length: REGISTERS });
    for (const [index, position] of positions.entries()) {
      const at = HEADER_BYTES + index * keyBytes;
      const key = SecretKey.parse('AES', view.subarray(at, at + keyBytes));
      if (!key.ok) return refuse('REGISTERS_MALFORMED');
      registers[position] = key.value;
    }
    return ok(new DukptRegisters(initialKeyId.value, registers, counter));
  }

  get initialKeyId(): InitialKeyId {
    return this.#initialKeyId;
  }

  /** KSN of the next transaction, or undefined where the initial key is used up. */
  get nextKsn(): AesKsn | undefined {
    const ksn = AesKsn.of(this.#initialKeyId, this.#counter);
    return ksn.ok ? ksn.value : undefined;
  }

  /**
   * Takes the next transaction's key out and moves on. Refuses with DUKPT_EXHAUSTED at the end of the counter. The
   * caller keeps the new state before it uses the transaction, and wipes the transaction after.
   */
  advance(): PaymentResult<DukptTransaction, 'DUKPT_EXHAUSTED'> {
    const ksn = this.nextKsn;
    if (ksn === undefined) return refuse('DUKPT_EXHAUSTED');
    const position = positionOf(lowestOneBit(ksn.counter));
    const key = this.#registers[position];
    if (key === undefined) throw new Error('a register that the counter calls for is empty');
    if (oneBits(ksn.counter) < AES_COUNTER.maxOneBits) this.#fillBelow(position, key, ksn);
    this.#registers[position] = undefined;
    this.#counter = nextCounter(AES_COUNTER, ksn.counter) ?? 0;
    return ok(new DukptTransaction(ksn, key));
  }

  /**
   * The update key, under which the next initial key arrives; the registers stay as they are. Refuses with
   * DUKPT_EXHAUSTED where no register is left, and with KEY_STRONGER_THAN_PARENT. The caller wipes it.
   */
  updateKey(type: DerivedKeyType): PaymentResult<SecretKey, 'DUKPT_EXHAUSTED' | 'KEY_STRONGER_THAN_PARENT'> {
    const position = registersInUse(this.#counter).at(-1) ?? 0;
    const key = this.#registers[position];
    if (key === undefined) return refuse('DUKPT_EXHAUSTED');
    if (!notStrongerThan(key, type)) return refuse('KEY_STRONGER_THAN_PARENT');
    const { derivationId } = this.#initialKeyId;
    // All bits above the highest register in use are one, so that register's counter is ones down to its position. The
    // position is 16 or higher, since a counter has at most 16 one-bits: there is always a key further down to walk to.
    const last = walkTo(key, derivationId, (-1 << position) >>> 0, UPDATE_COUNTER);
    const updateKey = deriveKey(last, 'keyEncryption', type, { high: derivationId, low: UPDATE_COUNTER });
    last.wipe();
    return ok(updateKey);
  }

  /**
   * The state as bytes, to be kept encrypted: version `01` | key bytes (1) | initial key ID (8) | next counter (4) | the
   * keys of the registers in use, lowest position first. The caller wipes it.
   */
  serialize(): SecretBytes {
    const keys = registersInUse(this.#counter).map((position) => this.#registers[position]);
    const keyBytes = keys[0]?.length ?? 16;
    const state = Buffer.from(new ArrayBuffer(HEADER_BYTES + keys.length * keyBytes));
    state.writeUInt8(STATE_VERSION, 0);
    state.writeUInt8(keyBytes, 1);
    this.#initialKeyId.toBytes().copy(state, 2);
    state.writeUInt32BE(this.#counter, 10);
    for (const [index, key] of keys.entries()) {
      key?.use((bytes) => state.set(bytes, HEADER_BYTES + index * keyBytes));
    }
    return SecretBytes.owning(state);
  }

  /** Wipes every register: the device holds no key afterwards. */
  wipe(): void {
    for (const key of this.#registers) key?.wipe();
    this.#registers.fill(undefined);
    this.#counter = 0;
  }

  [Symbol.dispose](): void {
    this.wipe();
  }

  #fillBelow(position: number, key: SecretKey, ksn: AesKsn): void {
    for (let below = position - 1; below >= 0; below--) {
      const counter = (ksn.counter | (1 << below)) >>> 0;
      this.#registers[below] = deriveDerivationKey(key, this.#initialKeyId.derivationId, counter);
    }
  }
}
