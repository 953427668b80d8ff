import { z } from 'zod';
import { canonicalBytes } from '../encoding/canonical.ts';
import { equalBytes, sha256 } from '../encoding/digest.ts';
import type { SignedBytes } from '../encoding/signed.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { WriterHead } from './entry.ts';

/** Writers that one checkpoint signs; what is left waits for the next, at once. */
export const MOST_HEADS = 256;

/** What the audit key signs: how far each chain that went on since the last checkpoint has come. */
export interface Checkpoint {
  /** From 1, without a gap. */
  readonly number: bigint;
  /** Hash of the checkpoint before; 32 zero bytes for the first. */
  readonly previous: Buffer;
  readonly at: Date;
  /** Entries of all chains up to here. */
  readonly entries: bigint;
  /** 1 to 256, of different writers, in the order of their ids. */
  readonly heads: readonly WriterHead[];
  /** That people had the log go on from here; null in every other checkpoint. */
  readonly takenUp: LogTakenUp | null;
}

/** A checkpoint as others are told of it. */
export interface CheckpointName {
  readonly number: bigint;
  /** SHA-256 of the signed bytes, 32 bytes. */
  readonly hash: Buffer;
}

/** Said by the vault in a checkpoint that does not follow the last one that it had signed. */
export interface LogTakenUp {
  /** What it had signed last; number 0 where it knew of none. */
  readonly last: CheckpointName;
  /** Who had the log go on, 1 to 128 characters, and when. */
  readonly by: string;
  readonly at: Date;
}

/** What stands before the first checkpoint. */
export const NO_CHECKPOINT: CheckpointName & { readonly entries: bigint } = {
  number: 0n,
  hash: Buffer.alloc(32),
  entries: 0n,
};

const count = z.string().regex(/^[1-9]\d{0,17}$/);
const hash = z.string().regex(/^[0-9a-f]{64}$/);

const payloadSchema = z.strictObject({
  checkpoint: count,
  previous: hash,
  at: z.iso.datetime({ precision: 3 }),
  entries: count,
  heads: z
    .array(
      z.strictObject({
        writer: z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
        sequence: count,
        hash,
      }),
    )
    .min(1)
    .max(MOST_HEADS),
  takenUp: z
    .strictObject({
      checkpoint: z.string().regex(/^(0|[1-9]\d{0,17})$/),
      hash,
      by: z.string().min(1).max(128),
      at: z.iso.datetime({ precision: 3 }),
    })
    .optional(),
});

/** The one serialisation of a checkpoint, JSON: what the audit key signs. */
export function encodeCheckpoint({ number, previous, at, entries, heads, takenUp }: Checkpoint): Buffer {
  return Buffer.from(
    JSON.stringify({
      checkpoint: number.toString(),
      previous: previous.toString('hex'),
      at: at.toISOString(),
      entries: entries.toString(),
      heads: heads.map((head) => ({
        writer: head.writer,
        sequence: head.sequence.toString(),
        hash: head.hash.toString('hex'),
      })),
      ...(takenUp !== null && {
        takenUp: {
          checkpoint: takenUp.last.number.toString(),
          hash: takenUp.last.hash.toString('hex'),
          by: takenUp.by,
          at: takenUp.at.toISOString(),
        },
      }),
    }),
  );
}

/** Longest serialisation that is read: 256 heads. */
const MAX_PAYLOAD = 65_536;

/** Reads a checkpoint. Refuses with MALFORMED_MESSAGE whatever is not its one serialisation. */
export function decodeCheckpoint(payload: Uint8Array): Result<Checkpoint, 'MALFORMED_MESSAGE'> {
  if (payload.length > MAX_PAYLOAD) return refuse('MALFORMED_MESSAGE', 'checkpoint: too long');
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(payload).toString('utf8'));
  } catch {
    return refuse('MALFORMED_MESSAGE', 'checkpoint: not JSON');
  }
  const parsed = payloadSchema.safeParse(json);
  if (!parsed.success) return refuse('MALFORMED_MESSAGE', 'checkpoint: not the expected members');
  const { data } = parsed;
  const heads = data.heads.map((head) => ({
    writer: head.writer,
    sequence: BigInt(head.sequence),
    hash: Buffer.from(head.hash, 'hex'),
  }));
  if (!heads.every(({ writer }, at) => at === 0 || (heads[at - 1]?.writer ?? '') < writer)) {
    return refuse('MALFORMED_MESSAGE', 'checkpoint: heads out of order');
  }
  const checkpoint: Checkpoint = {
    number: BigInt(data.checkpoint),
    previous: Buffer.from(data.previous, 'hex'),
    at: new Date(data.at),
    entries: BigInt(data.entries),
    heads,
    takenUp: data.takenUp === undefined ? null : takenUpOf(data.takenUp),
  };
  return encodeCheckpoint(checkpoint).equals(payload)
    ? ok(checkpoint)
    : refuse('MALFORMED_MESSAGE', 'checkpoint: another serialisation');
}

function takenUpOf({
  checkpoint,
  hash: last,
  by,
  at,
}: NonNullable<z.infer<typeof payloadSchema>['takenUp']>): LogTakenUp {
  return { last: { number: BigInt(checkpoint), hash: Buffer.from(last, 'hex') }, by, at: new Date(at) };
}

/** Whether two names are of one checkpoint. */
export function isNamed(one: CheckpointName, other: CheckpointName): boolean {
  return one.number === other.number && equalBytes(one.hash, other.hash);
}

/** The hash that the next checkpoint, and every receipt until then, names a checkpoint by. */
export function checkpointHash(payload: Uint8Array): Buffer {
  return sha256(canonicalBytes('tapgate/v1/audit-checkpoint-hash', payload));
}

/** The checkpoint that follows another one: over the heads that went on, with how far each was signed before. */
export function nextCheckpoint(
  last: { readonly name: CheckpointName; readonly entries: bigint },
  heads: readonly (WriterHead & { readonly signed: bigint })[],
  at: Date,
): Checkpoint {
  const added = heads.reduce((sum, { sequence, signed }) => sum + sequence - signed, 0n);
  return {
    number: last.name.number + 1n,
    previous: last.name.hash,
    at,
    entries: last.entries + added,
    heads: heads
      .map(({ writer, sequence, hash: head }) => ({ writer, sequence, hash: head }))
      .sort((a, b) => (a.writer < b.writer ? -1 : 1)),
    takenUp: null,
  };
}

/** A checkpoint with its signature under CONTEXT.auditCheckpoint. */
export type SignedCheckpoint = SignedBytes;

/** Signs checkpoints with the vault's audit key. */
export interface CheckpointSigner {
  /**
   * Answers the checkpoint, signed; or another one in its place: the one of this number that was signed already, or this one
   * with what the vault adds to it (`takenUp`). Refuses with AUDIT_KEY_MISSING, AUDIT_LOG_REPLACED where it does not follow
   * the last one that was signed, MALFORMED_MESSAGE, VAULT_UNAVAILABLE.
   */
  signCheckpoint(payload: Buffer): Promise<Result<SignedCheckpoint>>;
}
