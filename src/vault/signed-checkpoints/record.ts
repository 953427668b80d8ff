import { z } from 'zod';
import { type CheckpointName, checkpointHash, decodeCheckpoint, NO_CHECKPOINT } from '../../audit/checkpoint.ts';
import { canonicalBytes } from '../../encoding/canonical.ts';
import { equalBytes } from '../../encoding/digest.ts';
import { cmac } from '../../payment-crypto/cmac.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { KeystoreFault } from '../keystore/fault.ts';
import { readPrivateFile } from '../keystore/folder.ts';

export const RECORD_FILE = 'audit-checkpoint.json';
const MAX_RECORD_BYTES = 128 * 1024;
/** Base64 of the longest serialisation of a checkpoint. */
const MAX_PAYLOAD_TEXT = 90_000;

/** A ceremony that the next checkpoint will tell of. */
export interface TakingUp {
  /** The checkpoint that the log goes on from; number 0 for an empty log. */
  readonly from: CheckpointName;
  /** Who says so. */
  readonly by: string;
  readonly at: Date;
}

/** What a vault knows durably of the log that it signs. */
export interface CheckpointRecord {
  /** How often it was written. */
  readonly writes: number;
  /** The last checkpoint that was signed, or was about to be; null before the first. */
  readonly last: Buffer | null;
  readonly takingUp: TakingUp | null;
}

const payload = z
  .base64()
  .max(MAX_PAYLOAD_TEXT)
  .transform((text) => Buffer.from(text, 'base64'))
  .refine((bytes) => decodeCheckpoint(bytes).ok);

const contentSchema = z.strictObject({
  version: z.literal(1),
  writes: z.int().min(1),
  last: payload.nullable(),
  takingUp: z
    .strictObject({
      number: z
        .string()
        .regex(/^(0|[1-9]\d{0,17})$/)
        .transform(BigInt),
      hash: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .transform((text) => Buffer.from(text, 'hex')),
      by: z.string().min(1).max(128),
      at: z.iso.datetime({ precision: 3 }).transform((text) => new Date(text)),
    })
    .nullable(),
});

const fileSchema = z.strictObject({ content: z.string(), mac: z.base64url().length(22) });

/** The name of the last checkpoint of a record. */
export function lastName({ last }: Pick<CheckpointRecord, 'last'>): CheckpointName {
  const decoded = last === null ? null : decodeCheckpoint(last);
  return last !== null && decoded?.ok ? { number: decoded.value.number, hash: checkpointHash(last) } : NO_CHECKPOINT;
}

/** The MAC covers the content's exact text. */
function macOf(content: string, key: SecretKey): Buffer {
  return cmac(key, canonicalBytes('tapgate/v1/signed-checkpoint-record', content));
}

/** Bytes of the record's file. */
export function formatRecord({ writes, last, takingUp }: CheckpointRecord, key: SecretKey): Buffer {
  const content = JSON.stringify({
    version: 1,
    writes,
    last: last?.toString('base64') ?? null,
    takingUp:
      takingUp === null
        ? null
        : {
            number: takingUp.from.number.toString(),
            hash: takingUp.from.hash.toString('hex'),
            by: takingUp.by,
            at: takingUp.at.toISOString(),
          },
  });
  return Buffer.from(`${JSON.stringify({ content, mac: macOf(content, key).toString('base64url') })}\n`);
}

/** Reads the record of a keystore. Refuses with a {@link KeystoreFault}; one that is missing is not the empty one. */
export function readRecord(directory: string, key: SecretKey): Result<CheckpointRecord, KeystoreFault> {
  const bytes = readPrivateFile(directory, RECORD_FILE, MAX_RECORD_BYTES);
  if (!bytes.ok) return bytes;
  const corrupt = (what: string): Result<never, KeystoreFault> => refuse('KEYSTORE_CORRUPT', `${RECORD_FILE}: ${what}`);
  const file = fileSchema.safeParse(parsed(bytes.value.toString('utf8')));
  if (!file.success) return corrupt('not of its form');
  const { content, mac } = file.data;
  if (!equalBytes(macOf(content, key), Buffer.from(mac, 'base64url'))) return corrupt('MAC');
  const read = contentSchema.safeParse(parsed(content));
  if (!read.success) return corrupt('not of the form of version 1');
  const { writes, last, takingUp } = read.data;
  if (takingUp === null) return ok({ writes, last, takingUp });
  const { number, hash, by, at } = takingUp;
  return ok({ writes, last, takingUp: { from: { number, hash }, by, at } });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: refused as another form.
    return undefined;
  }
}
