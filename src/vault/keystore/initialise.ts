import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { SlotKind } from '../../keys/kind.ts';
import type { SecretBytes } from '../../payment-crypto/secret.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { type Clock, secondsAfter } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { formatSlots, MASTER_KEY_BYTES, MASTER_KEY_FILE, SLOTS_FILE } from './document.ts';
import { errorCode, type KeystoreFault } from './fault.ts';
import { FOLDER_MODE, faultOf, syncFolder, writeNewFile } from './folder.ts';
import { endorse } from './service-key.ts';
import { generateSigningKey, signingKeyOf } from './signing-key.ts';
import { type Slot, type SlotDescription, withChange, wrapSlot } from './slot.ts';

/** What a new keystore is made from. */
export interface InitialiseOptions {
  readonly random: Random;
  readonly clock: Clock;
  /** Life of the service key, in days; 730 where absent. */
  readonly serviceKeyDays?: number;
}

/** Life of a service key, in days. */
export const SERVICE_KEY_DAYS = 730;
const SECONDS_A_DAY = 86_400;
const BDK_ID_BYTES = 4;

/** A name for a slot that no other slot has: its kind and 8 random bytes. */
export function newSlotId(kind: SlotKind, random: Random): string {
  return `${kind}-${random.bytes(8).toString('hex')}`;
}

/**
 * Makes a keystore with every key but the zone keys: master key, KEK, base derivation keys, signing keys, card reference
 * key. It is made beside its place and moved there in one step, so that there is a whole keystore or none.
 *
 * Refuses with KEYSTORE_EXISTS where the folder is there and is not empty; nothing is ever overwritten.
 */
export function initialise(directory: string, options: InitialiseOptions): Result<null, KeystoreFault> {
  const target = resolve(directory);
  const parent = dirname(target);
  let made: string;
  try {
    mkdirSync(parent, { recursive: true, mode: FOLDER_MODE });
    made = mkdtempSync(join(parent, `${basename(target)}.new-`));
  } catch (error) {
    return faultOf(error, 'folder');
  }
  try {
    fill(made, options);
    syncFolder(made);
    // Replaces an empty folder and nothing else (POSIX rename).
    renameSync(made, target);
    syncFolder(parent);
    return ok(null);
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    const occupied = ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errorCode(error));
    return occupied ? refuse('KEYSTORE_EXISTS') : faultOf(error, 'folder');
  }
}

function fill(directory: string, { random, clock, serviceKeyDays = SERVICE_KEY_DAYS }: InitialiseOptions): void {
  const secrets: SecretBytes[] = [];
  const keep = <K extends SecretBytes>(key: K): K => {
    secrets.push(key);
    return key;
  };
  const symmetricKey = (algorithm: 'AES' | 'HMAC', bits: number): SecretKey =>
    keep(SecretKey.generate(algorithm, bits, random));
  const history = withChange(undefined, { state: 'active', at: clock.now(), by: 'initialisation' });
  const active = { state: 'active', history } as const;
  try {
    const master = symmetricKey('AES', MASTER_KEY_BYTES * 8);
    const kek = symmetricKey('AES', 256);
    const anchor = keep(generateSigningKey());
    const grant = keep(generateSigningKey());
    const notAfter = Math.floor(secondsAfter(clock.now(), serviceKeyDays * SECONDS_A_DAY).getTime() / 1000);
    const endorsement = endorse(signingKeyOf(anchor), signingKeyOf(grant), notAfter);
    const [pinBdkId, accountDataBdkId] = twoBdkIds(random);
    const slot = (kind: SlotKind, key: SecretBytes, more: Partial<SlotDescription> = {}): Slot =>
      wrapSlot({ id: newSlotId(kind, random), kind, ...active, ...more }, key, kek, random);
    const slots = [
      wrapSlot({ id: newSlotId('kek', random), kind: 'kek', ...active }, kek, master, random),
      // AES-128 is as strong as P-256, over which initial keys travel: a stronger BDK would promise what it cannot keep.
      slot('bdk-pin', symmetricKey('AES', 128), { bdkId: pinBdkId }),
      slot('bdk-account-data', symmetricKey('AES', 128), { bdkId: accountDataBdkId }),
      slot('anchor', anchor),
      slot('device-token', keep(generateSigningKey())),
      slot('receipt', keep(generateSigningKey())),
      slot('grant', grant, { endorsement }),
      slot('card-reference', symmetricKey('HMAC', 256)),
    ];
    master.use((bytes) => writeNewFile(join(directory, MASTER_KEY_FILE), bytes));
    writeNewFile(join(directory, SLOTS_FILE), formatSlots({ slots, generation: 1 }));
  } finally {
    for (const secret of secrets) secret.wipe();
  }
}

/** Two different BDK ids, upper-case hexadecimal. */
function twoBdkIds(random: Random): [string, string] {
  const drawn = random.bytes(2 * BDK_ID_BYTES);
  const [first, second] = [drawn.subarray(0, BDK_ID_BYTES), drawn.subarray(BDK_ID_BYTES)];
  if (first.equals(second)) second.writeUInt8(second.readUInt8() ^ 1);
  return [first.toString('hex').toUpperCase(), second.toString('hex').toUpperCase()];
}
