import { z } from 'zod';
import { canonicalBytes } from '../../encoding/canonical.ts';
import { equalBytes } from '../../encoding/digest.ts';
import { cmac } from '../../payment-crypto/cmac.ts';
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

const VERSION = 3;
const MAC_LENGTH = 22;

const documentSchema = z
  .strictObject({
    version: z.literal(VERSION),
    generation: z.int().min(1),
    slots: slotsSchema,
    /** Of the whole document, base64url. */
    mac: z.base64url().length(MAC_LENGTH),
  })
  .refine(({ slots }) => new Set(slots.map(({ id }) => id)).size === slots.length, { error: 'a slot twice' });

/** Versions whose slots were not bound to one another: whoever has the file could put earlier slots back, or take some out. */
const earlierSchema = z.object({ version: z.int().min(1).max(2) });

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

interface ReadDocument extends SlotsDocument {
  readonly mac: Buffer;
  /** What the MAC covers. */
  readonly covered: Buffer;
}

/**
 * What binds slots to one another and to their generation. The KEK's other uses of CMAC are over 8 bytes, to derive the
 * keys of key blocks (X9.143), and over canonical messages of another context.
 */
function coveredBy(generation: number, slots: unknown): Buffer {
  return canonicalBytes('tapgate/v1/key-slots', JSON.stringify([generation, slots]));
}

/**
 * Bytes of the slots' file, bound by a CMAC under the KEK. What could not be read again is never written: it is
 * KEYSTORE_FORM, with the place of what has no such form.
 */
export function formatSlots({ slots, generation }: SlotsDocument, kek: SecretKey): Result<Buffer, KeystoreFault> {
  // As it will be read: members that are undefined are not there.
  const stored: unknown = JSON.parse(JSON.stringify(slots));
  const mac = cmac(kek, coveredBy(generation, stored)).toString('base64url');
  const document = { version: VERSION, generation, slots: stored, mac };
  const readable = documentSchema.safeParse(document);
  if (!readable.success) return refuse('KEYSTORE_FORM', placeOf(readable.error, slots));
  const bytes = Buffer.from(`${JSON.stringify(document, null, 2)}\n`);
  return bytes.length <= MAX_SLOTS_BYTES ? ok(bytes) : refuse('KEYSTORE_FORM', `over ${MAX_SLOTS_BYTES} bytes`);
}

/** Where a document is not of its form: the slot and its member, never what stands there. */
function placeOf({ issues: [issue] }: z.ZodError, slots: readonly Slot[]): string {
  const [, index, ...member] = issue?.path ?? [];
  const slot = typeof index === 'number' ? slots[index] : undefined;
  if (slot === undefined) return `${SLOTS_FILE}: ${slots.length} slots`;
  return member.length === 0 ? slot.id : `${slot.id}: ${member.join('.')}`;
}

function readSlots(directory: string): Result<ReadDocument, KeystoreFault> {
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
  if (!document.success) {
    const earlier = earlierSchema.safeParse(json);
    const what = earlier.success ? `of version ${earlier.data.version}, which binds too little` : 'not of its form';
    return refuse('KEYSTORE_CORRUPT', `${SLOTS_FILE}: ${what}`);
  }
  const { slots, generation, mac } = document.data;
  const covered = coveredBy(generation, (json as { slots: unknown }).slots);
  return ok({ slots, generation, mac: Buffer.from(mac, 'base64url'), covered });
}

/**
 * Opens a keystore as far as its KEK: rights of folder and files, master key, form of the slots' file and its MAC. The caller
 * wipes the KEK. Refuses with a {@link KeystoreFault}; a missing or damaged file is never replaced.
 */
export function openKeystore(place: KeystorePlace): Result<OpenedKeystore, KeystoreFault> {
  const { directory, master: masterKey, token } = keystoreAt(place);
  const folder = checkFolder(directory);
  if (!folder.ok) return folder;
  const document = readSlots(directory);
  if (!document.ok) return document;
  const kekSlot = onlyActive(document.value.slots, 'kek');
  if (!kekSlot.ok) return kekSlot;
  const opened = (kek: SecretKey, masterKeyPlace: MasterKeyPlace): Result<OpenedKeystore, KeystoreFault> => {
    const { slots, generation, mac, covered } = document.value;
    if (equalBytes(cmac(kek, covered), mac)) return ok({ slots, generation, kek, token, masterKeyPlace });
    kek.wipe();
    return refuse('KEYSTORE_CORRUPT', `${SLOTS_FILE}: MAC`);
  };
  const current = openKek(kekSlot.value, masterKey, directory, 'current');
  if (current.ok) return opened(current.value, 'current');
  // A change of the master key that was cut off after it counted, and before its file was in its place.
  const next = openKek(kekSlot.value, masterKey, directory, 'next');
  if (next.ok) return opened(next.value, 'next');
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
