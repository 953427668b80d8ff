import { createHmac } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { NAME_FORM } from '../../certs/uri-name.ts';
import { equalBytes, sha256 } from '../../encoding/digest.ts';
import { KEY_ENTRIES } from '../../keys/custody.ts';
import { isOfAcquirer, SLOT_KINDS, type SlotKind } from '../../keys/kind.ts';
import type { KeySlot } from '../../keys/slots.ts';
import { SLOT_STATES, type SlotState, useOf } from '../../keys/state.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import { exportKeyBlock } from '../../payment-crypto/key-block/export.ts';
import { importKeyBlock } from '../../payment-crypto/key-block/import.ts';
import type { OptionalContent } from '../../payment-crypto/key-block/optional-content.ts';
import type { SecretBytes } from '../../payment-crypto/secret.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { KeystoreFault } from './fault.ts';
import { publicKeyOfPkcs8 } from './signing-key.ts';

/** Usage, algorithm and mode of use (X9.143:2021 6.3) of the key blocks of each kind of slot. */
const BLOCK_KINDS: Readonly<
  Record<SlotKind, { readonly usage: string; readonly algorithm: string; readonly modeOfUse: string }>
> = {
  kek: { usage: 'K1', algorithm: 'A', modeOfUse: 'B' },
  'bdk-pin': { usage: 'B0', algorithm: 'A', modeOfUse: 'X' },
  'bdk-account-data': { usage: 'B0', algorithm: 'A', modeOfUse: 'X' },
  'zone-kek': { usage: 'K1', algorithm: 'A', modeOfUse: 'B' },
  // Takes blocks of version B and C in, and wraps nothing.
  'zone-kek-tdea': { usage: 'K1', algorithm: 'T', modeOfUse: 'D' },
  'zone-pin': { usage: 'P0', algorithm: 'A', modeOfUse: 'E' },
  'zone-data': { usage: 'D0', algorithm: 'A', modeOfUse: 'E' },
  anchor: { usage: 'S0', algorithm: 'E', modeOfUse: 'S' },
  'device-token': { usage: 'S0', algorithm: 'E', modeOfUse: 'S' },
  receipt: { usage: 'S0', algorithm: 'E', modeOfUse: 'S' },
  grant: { usage: 'S0', algorithm: 'E', modeOfUse: 'S' },
  'card-reference': { usage: 'M7', algorithm: 'H', modeOfUse: 'G' },
  'derivation-ledger': { usage: 'M6', algorithm: 'A', modeOfUse: 'C' },
  audit: { usage: 'S0', algorithm: 'E', modeOfUse: 'S' },
  'tr34-device': { usage: 'K2', algorithm: 'R', modeOfUse: 'D' },
  'tr34-host': { usage: 'S0', algorithm: 'R', modeOfUse: 'S' },
};

/** Zone KEKs that only wrapped were made before keys came in under them; such a slot takes the new mode with its next change. */
const EARLIER_MODE: Partial<Readonly<Record<SlotKind, string>>> = { 'zone-kek': 'E' };

const CHECK_VALUE_BYTES = 5;

/** The next second after the year 9999: a later time is none that a timestamp can state. */
const MAX_SECONDS = 253_402_300_800;
/** More than a slot's states: none is entered twice. */
const MAX_HISTORY = 8;
/** Characters of the digest that binds the history: 132 bits. */
const HISTORY_DIGEST_LENGTH = 22;

const changeSchema = z.strictObject({
  state: z.enum(SLOT_STATES),
  /** Unix time in seconds. */
  at: z.int().min(0).max(MAX_SECONDS),
  by: z.string().min(1).max(128),
});

const certificateSchema = z.base64url().min(1).max(8192);

/** True for kinds whose public keys are told, and endorsed by the anchor. */
export function isPublished(kind: SlotKind): boolean {
  return kind === 'device-token' || kind === 'receipt' || kind === 'grant' || kind === 'audit';
}

/** True for kinds whose keys a token keeps, where the keystore has one; the others are key blocks in any keystore. */
export function isKeptByToken(kind: SlotKind): boolean {
  const { usage, algorithm } = BLOCK_KINDS[kind];
  return usage === 'B0' || (usage === 'S0' && algorithm === 'E');
}

/** One key slot as it is stored. Everything that it says of its key is bound by the key block's MAC, or by a seal. */
export const slotSchema = z
  .strictObject({
    id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,47}$/),
    kind: z.enum(SLOT_KINDS),
    state: z.enum(SLOT_STATES),
    /** What happened to the slot, oldest first; absent where it is older than this record. */
    history: z.array(changeSchema).min(1).max(MAX_HISTORY).optional(),
    acquirer: z.string().regex(NAME_FORM).optional(),
    /** BDK id of AES DUKPT, 4 bytes, upper-case hexadecimal. */
    bdkId: z
      .string()
      .regex(/^[0-9A-F]{8}$/)
      .optional(),
    /** What the anchor signed of a service key, base64url. */
    endorsement: z.strictObject({ payload: z.base64url().max(512), signature: z.base64url().max(128) }).optional(),
    /** The anchor's signature that the key is this vault's, for what its kind signs: of signing keys; absent in earlier slots. */
    published: z.base64url().max(128).optional(),
    /** RFC 7638 thumbprint of a signing key that is no longer held. */
    keyId: z
      .string()
      .regex(/^[A-Za-z0-9_-]{43}$/)
      .optional(),
    /** Of a key that came in from outside: how, and whether its sender let it be exported again (X9.143:2021 6.3.5). */
    entered: z.strictObject({ by: z.enum(KEY_ENTRIES), exportability: z.enum(['E', 'N', 'S']) }).optional(),
    /** Of a key of TR-34 that is bound: its own certificate, the other side's and that one's authority, DER, base64url. */
    tr34: z
      .strictObject({ certificate: certificateSchema, bound: certificateSchema, authority: certificateSchema })
      .optional(),
    /** Check value, 5 bytes, upper-case hexadecimal; see `checkValueOf`. */
    kcv: z.string().regex(/^[0-9A-F]{10}$/),
    /** X9.143 version D, under the KEK; the KEK's own, under the master key. Gone where the key is destroyed. */
    block: z.string().max(4096).optional(),
    /** Of a key that a token keeps under the slot's id: the seal of what the slot says, and a signing key's public side. */
    token: z
      .strictObject({ seal: z.base64url().length(22), publicKey: z.base64url().length(122).optional() })
      .optional(),
  })
  .refine((slot) => (slot.acquirer !== undefined) === isOfAcquirer(slot.kind))
  .refine((slot) => (slot.block !== undefined || slot.token !== undefined) === useOf(slot.state).isHeld)
  .refine((slot) => slot.block === undefined || slot.token === undefined)
  .refine((slot) => slot.token === undefined || isKeptByToken(slot.kind))
  .refine((slot) => (slot.bdkId !== undefined) === slot.kind.startsWith('bdk-'))
  .refine((slot) => slot.kind === 'anchor' || (slot.endorsement !== undefined) === (slot.kind === 'grant'))
  .refine((slot) => slot.published === undefined || isPublished(slot.kind))
  .refine((slot) => slot.tr34 === undefined || slot.kind.startsWith('tr34-'))
  .refine((slot) => slot.kind !== 'tr34-device' || slot.state !== 'active' || slot.tr34 !== undefined)
  .refine((slot) => slot.kind !== 'tr34-host' || slot.state !== 'active' || slot.tr34 !== undefined);

/** A key slot as it is stored. */
export type Slot = z.infer<typeof slotSchema>;

/** What a slot says beside its key. */
export type SlotDescription = Omit<Slot, 'kcv' | 'block' | 'token'>;

/**
 * Check value of a key, 5 bytes: of an AES or TDEA key CMAC over 16 zero bytes, of an HMAC key HMAC-SHA-256 over 16 zero bytes,
 * of a key pair SHA-256 of its SubjectPublicKeyInfo.
 */
export function checkValueOf(key: SecretBytes): Buffer {
  if (!(key instanceof SecretKey)) return checkValueOfPublicKey(publicKeyOfPkcs8(key));
  if (key.algorithm !== 'HMAC') return keyCheckValue(key, 'cmac');
  return createHmac('sha256', key.keyObject).update(Buffer.alloc(16)).digest().subarray(0, CHECK_VALUE_BYTES);
}

/** Check value of a key pair, 5 bytes: SHA-256 of its SubjectPublicKeyInfo. */
export function checkValueOfPublicKey(spki: Uint8Array): Buffer {
  return sha256(spki).subarray(0, CHECK_VALUE_BYTES);
}

/** What the label block binds to the key: a block that is moved to another slot no longer opens there. */
function labelOf(slot: SlotDescription): string {
  const label = [slot.kind, slot.id, slot.state, slot.acquirer ?? ''];
  if (slot.history !== undefined) label.push(historyDigest(slot.history));
  if (slot.entered !== undefined) label.push(slot.entered.by, slot.entered.exportability);
  if (slot.tr34 !== undefined) label.push(digestOf([slot.tr34.certificate, slot.tr34.bound, slot.tr34.authority]));
  return label.join(':');
}

function historyDigest(history: NonNullable<Slot['history']>): string {
  return digestOf(history.map(({ state, at, by }) => [state, at, by]));
}

function digestOf(listed: readonly unknown[]): string {
  return sha256(Buffer.from(JSON.stringify(listed)))
    .toString('base64url')
    .slice(0, HISTORY_DIGEST_LENGTH);
}

/** A slot as the rules of slots see it. */
export function keySlotOf({ id, kind, acquirer, state, history = [] }: Slot): KeySlot {
  const changes = history.map((change) => ({ ...change, at: new Date(change.at * 1000) }));
  return { id, kind, acquirer, state, history: changes };
}

/** The history of a slot that enters a state. `at` is cut to the second. */
export function withChange(
  history: Slot['history'],
  change: { readonly state: SlotState; readonly at: Date; readonly by: string },
): NonNullable<Slot['history']> {
  return [...(history ?? []), { ...change, at: Math.floor(change.at.getTime() / 1000) }];
}

function optionalOf(slot: SlotDescription): OptionalContent[] {
  const optional: OptionalContent[] = [{ id: 'LB', text: labelOf(slot) }];
  if (slot.kind === 'card-reference') optional.push({ id: 'HM', hash: 'SHA-256' });
  if (slot.bdkId !== undefined) optional.push({ id: 'BI', dukpt: 'AES', bdkId: slot.bdkId });
  return optional;
}

/** Hexadecimal text of a check value as it is stored and shown. */
export function shown(checkValue: Uint8Array): string {
  return Buffer.from(checkValue).toString('hex').toUpperCase();
}

/** Wraps a key as a slot. The key stays the caller's. What does not fit the kind is a bug and throws. */
export function wrapSlot(description: SlotDescription, key: SecretBytes, kbpk: SecretKey, random: Random): Slot {
  const attributes = { ...BLOCK_KINDS[description.kind], keyVersion: '00', exportability: 'N' };
  const content = { version: 'D', attributes, key, optional: optionalOf(description) } as const;
  const block = exportKeyBlock(content, kbpk, random);
  if (!block.ok) throw new TypeError(`a slot of kind ${description.kind}: ${block.reason}`);
  return { ...description, kcv: shown(checkValueOf(key)), block: block.value };
}

/**
 * Opens a slot: key block without any departure from X9.143, attributes and label of exactly this slot, check value as
 * stored. Anything else is KEYSTORE_CORRUPT, with the slot's id. The caller wipes the key.
 */
export function openSlot(slot: Slot, kbpk: SecretKey): Result<SecretBytes, KeystoreFault> {
  if (slot.block === undefined) return refuse('KEYSTORE_CORRUPT', `${slot.id}: no key`);
  const opened = importKeyBlock(slot.block, kbpk, { tolerate: new Set() });
  if (!opened.ok) return refuse('KEYSTORE_CORRUPT', `${slot.id}: ${opened.reason}`);
  const { header, optional, key } = opened.value;
  const kind = BLOCK_KINDS[slot.kind];
  const said = optional.filter(({ id }) => id !== 'PB');
  const agrees =
    header.version === 'D' &&
    header.usage === kind.usage &&
    header.algorithm === kind.algorithm &&
    (header.modeOfUse === kind.modeOfUse || header.modeOfUse === EARLIER_MODE[slot.kind]) &&
    isDeepStrictEqual(said, optionalOf(slot));
  if (agrees && checkValueAgrees(slot, key)) return ok(key);
  key.wipe();
  return refuse('KEYSTORE_CORRUPT', `${slot.id}: ${agrees ? 'check value' : 'another slot'}`);
}

function checkValueAgrees(slot: Slot, key: SecretBytes): boolean {
  try {
    return equalBytes(checkValueOf(key), Buffer.from(slot.kcv, 'hex'));
  } catch {
    // A genuine block whose content is no key of its algorithm: refused like any other disagreement.
    return false;
  }
}
