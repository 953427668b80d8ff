import { createDecipheriv } from 'node:crypto';
import { z } from 'zod';
import { equalBytes } from '../../encoding/digest.ts';
import { bytesOfHex } from '../../payment-crypto/hex.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import { importKeyBlock } from '../../payment-crypto/key-block/import.ts';
import { SecretBytes } from '../../payment-crypto/secret.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { readPlainFile, readSecretFile, type SecretFileFault } from './secret-file.ts';

/** Why zone keys are not opened. Details name a file, a component's number or a key block's fault, never a key. */
export type ZoneFault =
  | SecretFileFault
  | 'ZONE_FILE_MALFORMED'
  | 'COMPONENTS_COUNT'
  | 'COMPONENT_MALFORMED'
  | 'COMPONENT_KCV'
  | 'COMPONENT_REPEATED'
  | 'ZONE_KEY_BLOCK';

/** A key that the acquirer shares with the service, and the name that both know it by: the label of its key block. */
export interface ZoneKey {
  readonly keyId: string;
  readonly key: SecretKey;
}

/** An acquirer's zone keys. */
export interface ZoneKeys {
  readonly acquirer: string;
  readonly pin: ZoneKey;
  readonly data: ZoneKey;
}

/** `zone.json`: what the service's key ceremony gave the acquirer, key blocks of X9.143 version D. */
const zoneSchema = z.strictObject({
  acquirer: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/),
  pinKeyBlock: z.string().max(9_999),
  dataKeyBlock: z.string().max(9_999),
});

/** Contents of `zone.json`. */
export type ZoneDocument = z.infer<typeof zoneSchema>;

const COMPONENTS = { fewest: 2, most: 9 } as const;
const ZONE_KEY_BITS = 128;
const LEAST_KCV_BYTES = 3;
const GCM = { algorithm: 'aes-128-gcm', ivBytes: 12, tagBytes: 16 } as const;
/** Modes of use of a key that deciphers: D; B and N allow it too (X9.143:2021 table 4). */
const DECIPHERING = new Set(['D', 'B', 'N']);

/** A custodian's component: hexadecimal digits, and its check value behind white space where it was written down. */
function readComponent(text: string, number: string): Result<SecretKey, ZoneFault> {
  const [digits = '', kcv, ...rest] = text.split(/\s+/);
  const bytes = bytesOfHex(digits);
  const key = bytes === undefined || rest.length > 0 ? null : SecretKey.parse('AES', bytes);
  bytes?.fill(0);
  if (key === null || !key.ok) return refuse('COMPONENT_MALFORMED', number);
  const expected = kcv === undefined ? undefined : bytesOfHex(kcv);
  const actual = keyCheckValue(key.value);
  const agrees =
    kcv === undefined ||
    (expected !== undefined &&
      expected.length >= LEAST_KCV_BYTES &&
      equalBytes(actual.subarray(0, expected.length), expected));
  if (agrees) return key;
  key.value.wipe();
  return refuse('COMPONENT_KCV', number);
}

/**
 * Joins 2 to 9 components of an AES key by XOR (X9.24-2, split knowledge). Two equal ones are refused: they cancel out.
 * The caller wipes the key.
 */
export function joinZoneKek(components: readonly string[]): Result<SecretKey, ZoneFault> {
  if (components.length < COMPONENTS.fewest || components.length > COMPONENTS.most) return refuse('COMPONENTS_COUNT');
  const read: SecretKey[] = [];
  try {
    for (const [index, text] of components.entries()) {
      const number = String(index + 1);
      const component = readComponent(text, number);
      if (!component.ok) return component;
      read.push(component.value);
      if (component.value.length !== read[0]?.length) return refuse('COMPONENT_MALFORMED', number);
      if (read.slice(0, -1).some((other) => other.equals(component.value))) return refuse('COMPONENT_REPEATED', number);
    }
    const joined = new Uint8Array(new ArrayBuffer(read[0]?.length ?? 0));
    for (const component of read) {
      component.use((bytes) => {
        for (let at = 0; at < joined.length; at += 1) joined[at] = (joined[at] ?? 0) ^ (bytes[at] ?? 0);
      });
    }
    return ok(SecretKey.ofOwned('AES', joined));
  } finally {
    for (const component of read) component.wipe();
  }
}

function openZoneKey(block: string, usage: 'P0' | 'D0', kek: SecretKey): Result<ZoneKey, ZoneFault> {
  const imported = importKeyBlock(block, kek, { tolerate: new Set() });
  if (!imported.ok) return refuse('ZONE_KEY_BLOCK', `${usage}: ${imported.reason}`);
  const { header, key, optional } = imported.value;
  const label = optional.find((content) => content.id === 'LB');
  const right = header.version === 'D' && header.usage === usage && DECIPHERING.has(header.modeOfUse);
  if (
    key instanceof SecretKey &&
    key.algorithm === 'AES' &&
    key.bits === ZONE_KEY_BITS &&
    right &&
    label?.id === 'LB'
  ) {
    return ok({ keyId: label.text, key });
  }
  key.wipe();
  return refuse('ZONE_KEY_BLOCK', `${usage}: not a labelled AES-128 key of version D that deciphers`);
}

/** Opens the acquirer's zone keys with the components of its zone KEK. Refuses with a {@link ZoneFault}. */
export function openZoneKeys(document: ZoneDocument, components: readonly string[]): Result<ZoneKeys, ZoneFault> {
  const kek = joinZoneKek(components);
  if (!kek.ok) return kek;
  try {
    const pin = openZoneKey(document.pinKeyBlock, 'P0', kek.value);
    if (!pin.ok) return pin;
    const data = openZoneKey(document.dataKeyBlock, 'D0', kek.value);
    if (data.ok) return ok({ acquirer: document.acquirer, pin: pin.value, data: data.value });
    pin.value.key.wipe();
    return data;
  } finally {
    kek.value.wipe();
  }
}

/** Reads `zone.json` and the component files, one a custodian, and opens the zone keys. */
export function loadZoneKeys(files: {
  readonly zone: string;
  readonly components: readonly string[];
}): Result<ZoneKeys, ZoneFault> {
  const text = readPlainFile(files.zone);
  if (!text.ok) return text;
  const document = zoneSchema.safeParse(jsonOf(text.value));
  if (!document.success) return refuse('ZONE_FILE_MALFORMED', files.zone);
  const components: string[] = [];
  for (const path of files.components) {
    const component = readSecretFile(path);
    if (!component.ok) return component;
    components.push(component.value);
  }
  return openZoneKeys(document.data, components);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Refused by the schema; what the parser says would quote the file.
    return null;
  }
}

/**
 * Opens account data that the gate sent: AES-128-GCM under the zone data key, additional data SHA-256 of the intent's
 * bytes. Null where it does not open. The caller wipes it.
 */
export function openZoneData(
  { key }: ZoneKey,
  sealed: { readonly initializationVector: Uint8Array; readonly ciphertext: Uint8Array },
  intentHash: Uint8Array,
): SecretBytes | null {
  const { initializationVector: iv, ciphertext } = sealed;
  const tagAt = ciphertext.length - GCM.tagBytes;
  if (iv.length !== GCM.ivBytes || tagAt <= 0) return null;
  const decipher = createDecipheriv(GCM.algorithm, key.keyObject, iv, { authTagLength: GCM.tagBytes });
  decipher.setAAD(intentHash).setAuthTag(ciphertext.subarray(tagAt));
  const clear = decipher.update(ciphertext.subarray(0, tagAt));
  try {
    decipher.final();
    return SecretBytes.owning(clear);
  } catch {
    // The tag does not hold, and the cipher says no more than that.
    clear.fill(0);
    return null;
  }
}
