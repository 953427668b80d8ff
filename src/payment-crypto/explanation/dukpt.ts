import { deriveDerivationKey } from '../aes-dukpt/derivation.ts';
import { deriveInitialKey, deriveUpdateKey, deriveWorkingKey } from '../aes-dukpt/host.ts';
import { aesTypeOf, type DerivedKeyType, KEY_USAGES, type WorkingKeyUsage } from '../aes-dukpt/key-type.ts';
import type { DukptDerivation } from '../diagnosis/dukpt-derivation.ts';
import { AES_COUNTER, isTransactionCounter, oneBits, TDES_COUNTER } from '../dukpt-counter.ts';
import { hexOf } from '../hex.ts';
import { AesKsn, InitialKeyId, initialSerialNumber, TdesKsn } from '../ksn.ts';
import { SecretKey } from '../secret-key.ts';
import { deriveTdesInitialKey, deriveTdesTransactionKey } from '../tdes-dukpt/derivation.ts';
import { deriveTdesWorkingKey, TDES_WORKING_KEY_USAGES } from '../tdes-dukpt/working-key.ts';
import { type ShownKey, shownKey } from './shown-key.ts';

/** What a KSN says. */
export interface ExplainedKsn {
  readonly scheme: 'AES' | 'TDES';
  /** Initial key ID, or initial serial number of TDEA DUKPT, hexadecimal. */
  readonly initialKeyId: string;
  /** BDK ID and derivation ID of AES DUKPT. */
  readonly bdkId?: string;
  readonly derivationId?: string;
  readonly counter: number;
  /** The counter in binary, all of its bits. */
  readonly counterBits: string;
  readonly oneBits: number;
  readonly mostOneBits: number;
  /** False for a counter that no transaction may use. */
  readonly usable: boolean;
}

const COUNTER_MASK = 0x1f_ffff;

/** Reads a KSN of 12 bytes (AES DUKPT) or 10 (TDEA DUKPT), whatever its counter; undefined for any other length. */
export function explainKsn(ksn: Uint8Array): ExplainedKsn | undefined {
  const bytes = Buffer.from(ksn);
  if (bytes.length !== 12 && bytes.length !== 10) return undefined;
  const aes = bytes.length === 12;
  const rule = aes ? AES_COUNTER : TDES_COUNTER;
  const counter = aes ? bytes.readUInt32BE(8) : bytes.readUInt32BE(6) & COUNTER_MASK;
  const ids = aes ? { bdkId: hexOf(bytes.subarray(0, 4)), derivationId: hexOf(bytes.subarray(4, 8)) } : {};
  return {
    scheme: aes ? 'AES' : 'TDES',
    initialKeyId: hexOf(aes ? bytes.subarray(0, 8) : initialSerialNumber(bytes)),
    ...ids,
    counter,
    counterBits: counter.toString(2).padStart(rule.counterBits, '0'),
    oneBits: oneBits(counter),
    mostOneBits: rule.maxOneBits,
    usable: isTransactionCounter(rule, counter),
  };
}

/** One step of the walk: the counter that its key is derived at, and its key. */
export interface WalkStep {
  /** The running counter, hexadecimal. */
  readonly counter: string;
  readonly key: ShownKey;
}

/** A key of a usage. */
export interface WorkingKey {
  readonly usage: string;
  readonly key: ShownKey;
}

/** Every key between the one given and the working keys of a transaction. */
export interface ExplainedDukpt {
  readonly ksn: ExplainedKsn;
  readonly given: ShownKey;
  readonly initialKey: ShownKey;
  /** Intermediate keys; the last one is the transaction key. */
  readonly walk: readonly WalkStep[];
  readonly workingKeys: readonly WorkingKey[];
}

/** Working keys are wiped as they are shown. */
function shownOnce(key: SecretKey, reveal: boolean): ShownKey {
  const shown = shownKey(key, reveal);
  key.wipe();
  return shown;
}

/** The counters of the walk: each one-bit from the most significant one on joins those before it. */
function walkCounters(counter: number): number[] {
  const counters: number[] = [];
  let running = 0;
  for (let bit = 0x8000_0000; bit !== 0; bit >>>= 1) {
    if ((counter & bit) === 0) continue;
    running = (running | bit) >>> 0;
    counters.push(running);
  }
  return counters;
}

const counterText = (counter: number): string => counter.toString(16).toUpperCase().padStart(8, '0');

function copyOf(key: SecretKey): SecretKey {
  return key.use((bytes) => SecretKey.ofOwned(key.algorithm, Uint8Array.from(bytes)));
}

const AES_USAGES = (Object.keys(KEY_USAGES) as (keyof typeof KEY_USAGES)[]).filter(
  (usage): usage is WorkingKeyUsage => usage !== 'keyDerivation' && usage !== 'initialKey',
);

function aesKeys(derivation: DukptDerivation, ksn: ExplainedKsn, type: DerivedKeyType, reveal: boolean) {
  const initialKeyId = InitialKeyId.parse(ksn.initialKeyId);
  if (!initialKeyId.ok) throw new TypeError('not an initial key ID');
  const { derivationId } = initialKeyId.value;
  const initial =
    derivation.given === 'bdk' ? deriveInitialKey(derivation.key, initialKeyId.value) : copyOf(derivation.key);
  const walk: WalkStep[] = [];
  const workingKeys: WorkingKey[] = [];
  let key = initial;
  for (const counter of ksn.usable ? walkCounters(ksn.counter) : []) {
    const next = deriveDerivationKey(key, derivationId, counter);
    if (key !== initial) key.wipe();
    key = next;
    walk.push({ counter: counterText(counter), key: shownKey(key, reveal) });
  }
  const transaction = AesKsn.parse(derivation.ksn);
  for (const usage of transaction.ok ? AES_USAGES : []) {
    const working = transaction.ok ? deriveWorkingKey(key, transaction.value, usage, type) : undefined;
    if (working?.ok) workingKeys.push({ usage, key: shownOnce(working.value, reveal) });
  }
  const update = deriveUpdateKey(initial, initialKeyId.value, aesTypeOf(initial));
  if (update.ok) workingKeys.push({ usage: 'update key (counter FFFFFFFF)', key: shownOnce(update.value, reveal) });
  if (key !== initial) key.wipe();
  return { initialKey: shownOnce(initial, reveal), walk, workingKeys };
}

function tdesKeys(derivation: DukptDerivation, ksn: ExplainedKsn, reveal: boolean) {
  const serial = Buffer.from(ksn.initialKeyId, 'hex');
  const initial = derivation.given === 'bdk' ? deriveTdesInitialKey(derivation.key, serial) : copyOf(derivation.key);
  const walk: WalkStep[] = [];
  const workingKeys: WorkingKey[] = [];
  for (const counter of ksn.usable ? walkCounters(ksn.counter) : []) {
    const bytes = Buffer.from(serial);
    bytes.writeUInt32BE((bytes.readUInt32BE(6) | counter) >>> 0, 6);
    const step = TdesKsn.parse(bytes);
    if (!step.ok) continue;
    const key = deriveTdesTransactionKey(initial, step.value);
    walk.push({ counter: counterText(counter), key: shownKey(key, reveal) });
    if (counter === ksn.counter) {
      for (const usage of TDES_WORKING_KEY_USAGES)
        workingKeys.push({ usage, key: shownOnce(deriveTdesWorkingKey(key, usage), reveal) });
    }
    key.wipe();
  }
  return { initialKey: shownOnce(initial, reveal), walk, workingKeys };
}

/**
 * Every key on the way from a BDK or an initial key to the working keys at a KSN, with check values by both methods, and
 * themselves only where `reveal` says so. `type` is that of AES DUKPT's working keys. A KSN whose counter no transaction
 * may use has an initial key and nothing below it. Undefined for a KSN of another length, or a key of another algorithm.
 */
export function explainDukpt(
  derivation: DukptDerivation,
  type: DerivedKeyType,
  reveal: boolean,
): ExplainedDukpt | undefined {
  const ksn = explainKsn(derivation.ksn);
  const { key } = derivation;
  if (ksn === undefined || ksn.scheme !== derivation.scheme || key.algorithm !== ksn.scheme) return undefined;
  if (ksn.scheme === 'TDES' && key.bits !== 128) return undefined;
  const keys = ksn.scheme === 'AES' ? aesKeys(derivation, ksn, type, reveal) : tdesKeys(derivation, ksn, reveal);
  return { ksn, given: shownKey(key, reveal), ...keys };
}
