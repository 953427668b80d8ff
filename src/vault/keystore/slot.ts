import { createHmac } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { NAME_FORM } from '../../certs/uri-name.ts';
import { equalBytes, sha256 } from '../../encoding/digest.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import { exportKeyBlock } from '../../payment-crypto/key-block/export.ts';
import { importKeyBlock } from '../../payment-crypto/key-block/import.ts';
import type { OptionalContent } from '../../payment-crypto/key-block/optional-content.ts';
import type { SecretBytes } from '../../payment-crypto/secret.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { KeystoreFault } from './fault.ts';
import { signingKeyOf } from './signing-key.ts';

/** Usage, algorithm and mode of use (X9.143:2021 6.3) of the key blocks of each kind of slot. */
export const SLOT_KINDS = {
  kek: { usage: 'K1', algorithm: 'A', modeOfUse: 'B' },
  'bdk-pin': { usage: 'B0', algorithm: 'A', modeOfUse: 'X' },
  'bdk-account-data': { usage: 'B0', algorithm: 'A', modeOfUse: 'X' },
  'zone-kek': { usage: 'K1', algorithm: 'A', modeOfUse: 'E' },
  'zone-pin': { usage: 'P0', algorithm: 'A', modeOfUse: 'E' },
  'zone-data': { usage: 'D0', algorithm: 'A', modeOfUse: 'E' },
  anchor: { usage: 'S0', algorithm: 'E', modeOfUse: 'S' },
  'device-token': { usage: 'S0', algorithm: 'E', modeOfUse: 'S' },
  receipt: { usage: 'S0', algorithm: 'E', modeOfUse: 'S' },
  grant: { usage: 'S0', algorithm: 'E', modeOfUse: 'S' },
  'card-reference': { usage: 'M7', algorithm: 'H', modeOfUse: 'G' },
} as const;

/** What a slot's key is for. */
export type SlotKind = keyof typeof SLOT_KINDS;

/** Kinds that belong to one acquirer. */
export const ZONE_KINDS = ['zone-kek', 'zone-pin', 'zone-data'] as const satisfies readonly SlotKind[];

const KINDS = Object.keys(SLOT_KINDS) as [SlotKind, ...SlotKind[]];
const CHECK_VALUE_BYTES = 5;

/** One key slot as it is stored. Everything that it says of its key is bound by the key block's MAC. */
export const slotSchema = z
  .strictObject({
    id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,47}$/),
    kind: z.enum(KINDS),
    state: z.enum(['active', 'retired']),
    acquirer: z.string().regex(NAME_FORM).optional(),
    /** BDK id of AES DUKPT, 4 bytes, upper-case hexadecimal. */
    bdkId: z
      .string()
      .regex(/^[0-9A-F]{8}$/)
      .optional(),
    /** What the anchor signed of a service key, base64url. */
    endorsement: z.strictObject({ payload: z.base64url().max(512), signature: z.base64url().max(128) }).optional(),
    /** Check value, 5 bytes, upper-case hexadecimal; see `checkValueOf`. */
    kcv: z.string().regex(/^[0-9A-F]{10}$/),
    /** X9.143 version D, under the KEK; the KEK's own, under the master key. */
    block: z.string().max(4096),
  })
  .refine((slot) => (slot.acquirer !== undefined) === (ZONE_KINDS as readonly string[]).includes(slot.kind))
  .refine((slot) => (slot.bdkId !== undefined) === slot.kind.startsWith('bdk-'))
  .refine((slot) => (slot.endorsement !== undefined) === (slot.kind === 'grant'));

/** A key slot as it is stored. */
export type Slot = z.infer<typeof slotSchema>;

/** What a slot says beside its key. */
export type SlotDescription = Omit<Slot, 'kcv' | 'block'>;

/**
 * Check value of a key, 5 bytes: of an AES key CMAC over 16 zero bytes, of an HMAC key HMAC-SHA-256 over 16 zero bytes,
 * of a key pair SHA-256 of its SubjectPublicKeyInfo.
 */
export function checkValueOf(key: SecretBytes): Buffer {
  if (!(key instanceof SecretKey)) return sha256(signingKeyOf(key).spki).subarray(0, CHECK_VALUE_BYTES);
  if (key.algorithm !== 'HMAC') return keyCheckValue(key);
  return createHmac('sha256', key.keyObject).update(Buffer.alloc(16)).digest().subarray(0, CHECK_VALUE_BYTES);
}

/** What the label block binds to the key: a block that is moved to another slot no longer opens there. */
function labelOf(slot: SlotDescription): string {
  return [slot.kind, slot.id, slot.state, slot.acquirer ?? ''].join(':');
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
  const attributes = { ...SLOT_KINDS[description.kind], keyVersion: '00', exportability: 'N' };
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
  const opened = importKeyBlock(slot.block, kbpk, { tolerate: new Set() });
  if (!opened.ok) return refuse('KEYSTORE_CORRUPT', `${slot.id}: ${opened.reason}`);
  const { header, optional, key } = opened.value;
  const kind = SLOT_KINDS[slot.kind];
  const said = optional.filter(({ id }) => id !== 'PB');
  const agrees =
    header.version === 'D' &&
    header.usage === kind.usage &&
    header.algorithm === kind.algorithm &&
    header.modeOfUse === kind.modeOfUse &&
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
