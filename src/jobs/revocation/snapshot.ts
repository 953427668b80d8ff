import { join } from 'node:path';
import { z } from 'zod';
import {
  parseStatusList,
  STATUS_LIST_LIMITS,
  type StatusList,
  type StatusListFailure,
  type StatusListLimits,
} from '../../attestation/android/revocation.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { type FileFailure, readPrivateFile, replaceFile } from './file.ts';
import type { SealFailure, SnapshotSeal } from './seal.ts';

/** A list as it was last read, with what is needed to go on from there. */
export interface Snapshot {
  /** Name of the source. */
  readonly source: string;
  readonly list: StatusList;
  readonly etag: string | null;
  readonly maximumAgeSeconds: number | null;
}

/** Why a snapshot is not loaded or saved. A missing one is no failure. */
export type SnapshotFailure = FileFailure | SealFailure | StatusListFailure | 'SNAPSHOT_MALFORMED';

/** Keeps one snapshot over a restart. */
export interface SnapshotStore {
  /** Null where there is none. Never rejects. */
  load(): Promise<Result<Snapshot | null, SnapshotFailure>>;
  /** Replaces the snapshot as a whole. Never rejects. */
  save(snapshot: Snapshot): Promise<Result<null, SnapshotFailure>>;
}

const FILE = 'status-list.snapshot';
/** What a snapshot holds besides the entries, and its seal. */
const MAXIMUM_HEADER = 16_384;

const headerSchema = z.object({
  version: z.literal(1),
  source: z.string().max(4096),
  fetchedAt: z.iso.datetime(),
  etag: z.string().max(256).nullable(),
  maximumAgeSeconds: z.int().min(0).nullable(),
});

function encode({ source, list, etag, maximumAgeSeconds }: Snapshot): Buffer {
  const entries = Object.fromEntries(
    [...list.entries].map(([serial, { status, reason }]) => [
      serial,
      reason === null ? { status } : { status, reason },
    ]),
  );
  const fetchedAt = list.fetchedAt.toISOString();
  return Buffer.from(JSON.stringify({ version: 1, source, fetchedAt, etag, maximumAgeSeconds, entries }));
}

function decode(bytes: Buffer, limits: StatusListLimits): Result<Snapshot, SnapshotFailure> {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch {
    return refuse('SNAPSHOT_MALFORMED', 'not JSON');
  }
  const header = headerSchema.safeParse(document);
  if (!header.success) return refuse('SNAPSHOT_MALFORMED', header.error.issues[0]?.path.join('.'));
  const { source, fetchedAt, etag, maximumAgeSeconds } = header.data;
  const bounds = { ...limits, maximumBytes: limits.maximumBytes + MAXIMUM_HEADER };
  const list = parseStatusList(bytes, new Date(fetchedAt), bounds);
  return list.ok ? ok({ source, list: list.value, etag, maximumAgeSeconds }) : list;
}

/** Keeps the snapshot in the file `status-list.snapshot` of a folder, sealed, and replaced in one durable step. */
export function createSnapshotStore(
  folder: string,
  seal: SnapshotSeal,
  limits: StatusListLimits = STATUS_LIST_LIMITS,
): SnapshotStore {
  return {
    load: async () => {
      const sealed = await readPrivateFile(join(folder, FILE), limits.maximumBytes + MAXIMUM_HEADER);
      if (!sealed.ok) return sealed.reason === 'FILE_MISSING' ? ok(null) : sealed;
      const bytes = await seal.open(sealed.value);
      return bytes.ok ? decode(bytes.value, limits) : bytes;
    },
    save: async (snapshot) => {
      const sealed = await seal.seal(encode(snapshot));
      return sealed.ok ? replaceFile(folder, FILE, sealed.value) : sealed;
    },
  };
}
