import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { SlotKind } from '../../keys/kind.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { type Clock, secondsAfter } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { formatRecord, RECORD_FILE } from '../derivation-ids/record.ts';
import { TokenError } from '../pkcs11/token-error.ts';
import * as signedCheckpoints from '../signed-checkpoints/record.ts';
import { formatSlots, SLOTS_FILE } from './document.ts';
import { errorCode, type KeystoreFault } from './fault.ts';
import { FOLDER_MODE, faultOf, syncFolder, writeNewFile } from './folder.ts';
import type { KeyToken } from './key-token.ts';
import { asSigningKey, makeDerivationSlot, makeSigningSlot, openKey, wipeKey } from './opened-key.ts';
import { type Keystore, type KeystorePlace, keystoreAt } from './place.ts';
import { endorse, endorsePublished } from './service-key.ts';
import { type Slot, withChange, wrapSlot } from './slot.ts';
import { BDK_BITS } from './token-slot.ts';

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
 * key, and the records of what was done with them: no derivation id offered, no checkpoint signed. It is made beside its place and moved there in one step, so that there is a whole keystore or none.
 *
 * Refuses with KEYSTORE_EXISTS where the folder is there and is not empty; nothing is ever overwritten.
 */
export function initialise(place: KeystorePlace, options: InitialiseOptions): Result<null, KeystoreFault> {
  const keystore = keystoreAt(place);
  const target = resolve(keystore.directory);
  const parent = dirname(target);
  let made: string;
  try {
    mkdirSync(parent, { recursive: true, mode: FOLDER_MODE });
    made = mkdtempSync(join(parent, `${basename(target)}.new-`));
  } catch (error) {
    return faultOf(error, 'folder');
  }
  try {
    fill({ ...keystore, directory: made }, options);
    syncFolder(made);
    // Replaces an empty folder and nothing else (POSIX rename).
    renameSync(made, target);
    syncFolder(parent);
    return ok(null);
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    if (error instanceof TokenError) return refuse('TOKEN_UNAVAILABLE', error.detail);
    const occupied = ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errorCode(error));
    return occupied ? refuse('KEYSTORE_EXISTS') : faultOf(error, 'folder');
  }
}

function fill(keystore: Keystore, options: InitialiseOptions): void {
  const { directory, master: masterKey } = keystore;
  const made: string[] = [];
  const newId = (kind: SlotKind): string => {
    const id = newSlotId(kind, options.random);
    made.push(id);
    return id;
  };
  const ledgerKey = SecretKey.generate('AES', 256, options.random);
  let master: SecretKey | undefined;
  try {
    master = masterKey.make(directory, options.random);
    const slots = makeSlots(keystore.token, master, ledgerKey, newId, options);
    const nothingOffered = { writes: 1, generation: 1, opened: new Map() };
    writeNewFile(join(directory, RECORD_FILE), formatRecord(nothingOffered, ledgerKey));
    const nothingSigned = signedCheckpoints.formatRecord({ writes: 1, last: null, takingUp: null }, ledgerKey);
    writeNewFile(join(directory, signedCheckpoints.RECORD_FILE), nothingSigned);
    writeNewFile(join(directory, SLOTS_FILE), slots);
  } catch (error) {
    forget(made, keystore);
    throw error;
  } finally {
    master?.wipe();
    ledgerKey.wipe();
  }
}

/** Takes keys of a keystore that did not come about off the token, as far as it lets them go. */
function forget(ids: readonly string[], { directory, master, token }: Keystore): void {
  try {
    for (const id of ids) token?.destroy(id);
    master.forget(directory, 'current');
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
  }
}

/** The file of the slots of a new keystore. */
function makeSlots(
  token: KeyToken | null,
  master: SecretKey,
  ledgerKey: SecretKey,
  newId: (kind: SlotKind) => string,
  { random, clock, serviceKeyDays = SERVICE_KEY_DAYS }: InitialiseOptions,
): Buffer {
  const history = withChange(undefined, { state: 'active', at: clock.now(), by: 'initialisation' });
  const active = { state: 'active', history } as const;
  const kek = SecretKey.generate('AES', 256, random);
  const cardReference = SecretKey.generate('HMAC', 256, random);
  try {
    const room = { kek, token };
    const bdkSlot = (kind: 'bdk-pin' | 'bdk-account-data', bdkId: string): Slot =>
      // AES-128 is as strong as P-256, over which initial keys travel: a stronger BDK would promise what it cannot keep.
      makeDerivationSlot({ id: newId(kind), kind, ...active, bdkId }, BDK_BITS, room, random);
    const [pinBdkId, accountDataBdkId] = twoBdkIds(random);
    const anchor = sure(makeSigningSlot({ id: newId('anchor'), kind: 'anchor', ...active }, room, random));
    const notAfter = Math.floor(secondsAfter(clock.now(), serviceKeyDays * SECONDS_A_DAY).getTime() / 1000);
    const endorsing = openKey(anchor, room);
    if (!endorsing.ok) throw new Error(endorsing.reason);
    const by = asSigningKey(endorsing.value);
    const signingSlot = (kind: 'device-token' | 'receipt' | 'audit' | 'grant'): Slot =>
      sure(
        makeSigningSlot({ id: newId(kind), kind, ...active }, room, random, (key) => {
          const published = endorsePublished(by, kind, key);
          return ok(kind === 'grant' ? { published, endorsement: endorse(by, key, notAfter) } : { published });
        }),
      );
    const signing = (['device-token', 'receipt', 'audit', 'grant'] as const).map(signingSlot);
    wipeKey(endorsing.value);
    const slots = [
      wrapSlot({ id: newId('kek'), kind: 'kek', ...active }, kek, master, random),
      bdkSlot('bdk-pin', pinBdkId),
      bdkSlot('bdk-account-data', accountDataBdkId),
      anchor,
      ...signing,
      wrapSlot({ id: newId('card-reference'), kind: 'card-reference', ...active }, cardReference, kek, random),
      wrapSlot({ id: newId('derivation-ledger'), kind: 'derivation-ledger', ...active }, ledgerKey, kek, random),
    ];
    const file = formatSlots({ slots, generation: 1 }, kek);
    if (!file.ok) throw new TypeError(`a new keystore: ${file.detail}`);
    return file.value;
  } finally {
    kek.wipe();
    cardReference.wipe();
  }
}

/** The value of a result that cannot be a refusal. */
function sure<T>(result: Result<T, never>): T {
  if (result.ok) return result.value;
  throw new TypeError('a refusal without a reason');
}

/** Two different BDK ids, upper-case hexadecimal. */
function twoBdkIds(random: Random): [string, string] {
  const drawn = random.bytes(2 * BDK_ID_BYTES);
  const [first, second] = [drawn.subarray(0, BDK_ID_BYTES), drawn.subarray(BDK_ID_BYTES)];
  if (first.equals(second)) second.writeUInt8(second.readUInt8() ^ 1);
  return [first.toString('hex').toUpperCase(), second.toString('hex').toUpperCase()];
}
