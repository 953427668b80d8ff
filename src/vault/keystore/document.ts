import { z } from 'zod';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { TokenError } from '../pkcs11/token-error.ts';
import type { KeystoreFault } from './fault.ts';
import { checkFolder, readPrivateFile } from './folder.ts';
import type { MasterKey, MasterKeyPlace } from './master-key.ts';
import type { SlotRoom } from './opened-key.ts';
import { type KeystorePlace, keystoreAt } from './place.ts';
import { openSlot, type Slot, slotSchema } from './slot.ts';

export const SLOTS_FILE = 'keys.json';
/** Thousands of acquirers fit. */
const MAX_SLOTS_BYTES = 16 * 1024 * 1024;

const slotsSchema = z.array(slotSchema).max(16_384);

const documentSchema = z.discriminatedUnion('version', [
  // Written before slots had a history.
  z.strictObject({ version: z.literal(1), slots: slotsSchema }).transform(({ slots }) => ({ slots, generation: 0 })),
  z
    .strictObject({ version: z.literal(2), generation: z.int().min(1), slots: slotsSchema })
    .transform(({ slots, generation }) => ({ slots, generation })),
]);

/** Slots, and how often they have been changed. */
export interface SlotsDocument {
  readonly slots: readonly Slot[];
  /** Rises by one with each change. */
  readonly generation: number;
}

/** A keystore's slots, and what opens all but the KEK's own. */
export interface OpenedKeystore extends SlotsDocument, SlotRoom {
  /** Where the master key is that opened it. */
  readonly masterKeyPlace: MasterKeyPlace;
}

/** Bytes of the slots' file. */
export function formatSlots({ slots, generation }: SlotsDocument): Buffer {
  return Buffer.from(`${JSON.stringify({ version: 2, generation, slots }, null, 2)}\n`);
}

function readSlots(directory: string): Result<SlotsDocument, KeystoreFault> {
  const bytes = readPrivateFile(directory, SLOTS_FILE, MAX_SLOTS_BYTES);
  if (!bytes.ok) return bytes;
  let json: unknown;
  try {
    json = JSON.parse(bytes.value.toString('utf8'));
  } catch {
    // What the parser says would quote the file.
    return refuse('KEYSTORE_CORRUPT', `${SLOTS_FILE}: not JSON`);
  }
  const document = documentSchema.safeParse(json);
  if (!document.success) return refuse('KEYSTORE_CORRUPT', `${SLOTS_FILE}: not of the form of version 1 or 2`);
  const { slots } = document.data;
  const distinct = new Set(slots.map(({ id }) => id)).size === slots.length;
  return distinct ? ok(document.data) : refuse('KEYSTORE_CORRUPT', `${SLOTS_FILE}: a slot twice`);
}

/**
 * Opens a keystore as far as its KEK: rights of folder and files, master key, form of the slots' file. The caller wipes
 * the KEK. Refuses with a {@link KeystoreFault}; a missing or damaged file is never replaced.
 */
export function openKeystore(place: KeystorePlace): Result<OpenedKeystore, KeystoreFault> {
  const { directory, master: masterKey, token } = keystoreAt(place);
  const folder = checkFolder(directory);
  if (!folder.ok) return folder;
  const document = readSlots(directory);
  if (!document.ok) return document;
  const kekSlot = onlyActive(document.value.slots, 'kek');
  if (!kekSlot.ok) return kekSlot;
  const current = openKek(kekSlot.value, masterKey, directory, 'current');
  if (current.ok) return ok({ ...document.value, kek: current.value, token, masterKeyPlace: 'current' });
  // A change of the master key that was cut off after it counted, and before its file was in its place.
  const next = openKek(kekSlot.value, masterKey, directory, 'next');
  if (next.ok) return ok({ ...document.value, kek: next.value, token, masterKeyPlace: 'next' });
  return next.reason === 'KEYSTORE_PASSPHRASE' ? next : current;
}

function openKek(
  slot: Slot,
  masterKey: MasterKey,
  directory: string,
  place: MasterKeyPlace,
): Result<SecretKey, KeystoreFault> {
  const master = openMasterKey(masterKey, directory, place);
  if (!master.ok) return master;
  try {
    const kek = openSlot(slot, master.value);
    return kek.ok ? ok(symmetric(kek.value)) : kek;
  } finally {
    master.value.wipe();
  }
}

/** A keystore's master key in its place. Refuses with a {@link KeystoreFault}. */
export function openMasterKey(
  master: MasterKey,
  directory: string,
  place: MasterKeyPlace,
): Result<SecretKey, KeystoreFault> {
  try {
    return master.open(directory, place);
  } catch (error) {
    if (error instanceof TokenError) return refuse('TOKEN_UNAVAILABLE', error.detail);
    throw error;
  }
}

/** The one active slot of a kind (of an acquirer); none or two of them is KEYSTORE_INCOMPLETE. */
export function onlyActive(slots: readonly Slot[], kind: Slot['kind'], acquirer?: string): Result<Slot, KeystoreFault> {
  const [slot, second] = slots.filter(
    (candidate) => candidate.kind === kind && candidate.state === 'active' && candidate.acquirer === acquirer,
  );
  if (slot === undefined) return refuse('KEYSTORE_INCOMPLETE', `no active ${kind}`);
  return second === undefined ? ok(slot) : refuse('KEYSTORE_INCOMPLETE', `two active ${kind}`);
}

/** A key out of a symmetric slot; `openSlot` has checked that it is one. */
export function symmetric(key: unknown): SecretKey {
  if (key instanceof SecretKey) return key;
  throw new TypeError('not a symmetric key');
}
