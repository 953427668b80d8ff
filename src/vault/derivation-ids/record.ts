import { z } from 'zod';
import { canonicalBytes } from '../../encoding/canonical.ts';
import { equalBytes } from '../../encoding/digest.ts';
import { cmac } from '../../payment-crypto/cmac.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { KeystoreFault } from '../keystore/fault.ts';
import { readPrivateFile } from '../keystore/folder.ts';
import { isWellFormed, type OpenedBlocks } from './opened-blocks.ts';

export const RECORD_FILE = 'derivation-ids.json';
const MAX_RECORD_BYTES = 64 * 1024;
/** More than the base derivation keys that phones can get keys from: one prepared, active and eight draining a domain. */
const MAX_KEYS = 64;

/** What a vault knows durably of the derivation ids that it has offered. */
export interface DerivationRecord {
  /** How often it was written. */
  readonly writes: number;
  /** Generation of the keystore when it was written. */
  readonly generation: number;
  /** By BDK id, 8 upper-case hexadecimal digits. */
  readonly opened: ReadonlyMap<string, OpenedBlocks>;
}

const openedSchema = z
  .strictObject({ highest: z.int(), window: z.string().regex(/^[0-9a-f]{1,256}$/) })
  .transform(({ highest, window }): OpenedBlocks => ({ highest, window: BigInt(`0x${window}`) }))
  .refine(isWellFormed);

const contentSchema = z.strictObject({
  version: z.literal(1),
  writes: z.int().min(1),
  generation: z.int().min(1),
  opened: z
    .record(z.string().regex(/^[0-9A-F]{8}$/), openedSchema)
    .refine((opened) => Object.keys(opened).length <= MAX_KEYS),
});

const fileSchema = z.strictObject({ content: z.string(), mac: z.base64url().length(22) });

/** The MAC covers the content's exact text. */
function macOf(content: string, key: SecretKey): Buffer {
  return cmac(key, canonicalBytes('tapgate/v1/derivation-ids', content));
}

/** Bytes of the record's file. */
export function formatRecord({ writes, generation, opened }: DerivationRecord, key: SecretKey): Buffer {
  const listed = [...opened].map(([bdkId, { highest, window }]) => [bdkId, { highest, window: window.toString(16) }]);
  const content = JSON.stringify({ version: 1, writes, generation, opened: Object.fromEntries(listed) });
  return Buffer.from(`${JSON.stringify({ content, mac: macOf(content, key).toString('base64url') })}\n`);
}

/** Reads the record of a keystore. Refuses with a {@link KeystoreFault}; one that is missing is not the empty one. */
export function readRecord(directory: string, key: SecretKey): Result<DerivationRecord, KeystoreFault> {
  const bytes = readPrivateFile(directory, RECORD_FILE, MAX_RECORD_BYTES);
  if (!bytes.ok) return bytes;
  const corrupt = (what: string): Result<never, KeystoreFault> => refuse('KEYSTORE_CORRUPT', `${RECORD_FILE}: ${what}`);
  const file = fileSchema.safeParse(parsed(bytes.value.toString('utf8')));
  if (!file.success) return corrupt('not of its form');
  const { content, mac } = file.data;
  if (!equalBytes(macOf(content, key), Buffer.from(mac, 'base64url'))) return corrupt('MAC');
  const read = contentSchema.safeParse(parsed(content));
  if (!read.success) return corrupt('not of the form of version 1');
  const { writes, generation, opened } = read.data;
  return ok({ writes, generation, opened: new Map(Object.entries(opened)) });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: refused as another form.
    return undefined;
  }
}
