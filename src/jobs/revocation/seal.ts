import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { link, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalBytes } from '../../encoding/canonical.ts';
import { equalBytes } from '../../encoding/digest.ts';
import { type Random, randomUuid } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { errorCode, type FileFailure, readPrivateFile, syncFolder, writeDurably } from './file.ts';

/** Why sealed bytes are not opened, or bytes not sealed. */
export type SealFailure =
  /** They were changed, or sealed with another key. */
  | 'SEAL_BROKEN'
  /** Whoever keeps the key does not answer. */
  | 'SEAL_UNAVAILABLE';

/** Makes a change of stored bytes noticed. It hides nothing. */
export interface SnapshotSeal {
  /** The bytes with the proof that they are whole. */
  seal(bytes: Uint8Array): Promise<Result<Buffer, SealFailure>>;
  /** The bytes that were sealed. */
  open(sealed: Uint8Array): Promise<Result<Buffer, SealFailure>>;
}

const CONTEXT = 'tapgate/v1/status-list-snapshot';
const KEY_BYTES = 32;
const TAG_BYTES = 32;
const KEY_FILE = 'snapshot.key';

/** Seals with HMAC-SHA-256 under a key of 32 bytes: the tag, then the bytes. */
export function createHmacSeal(key: KeyObject): SnapshotSeal {
  const tagOf = (bytes: Uint8Array): Buffer =>
    createHmac('sha256', key).update(canonicalBytes(CONTEXT, bytes)).digest();
  return {
    seal: async (bytes) => ok(Buffer.concat([tagOf(bytes), bytes])),
    open: async (sealed) => {
      const bytes = Buffer.from(sealed.subarray(TAG_BYTES));
      return equalBytes(sealed.subarray(0, TAG_BYTES), tagOf(bytes)) ? ok(bytes) : refuse('SEAL_BROKEN');
    },
  };
}

/** Makes the key unless another process was faster: it appears under its name whole, or not at all. */
async function makeKey(folder: string, random: Random): Promise<Result<null, FileFailure>> {
  const draft = join(folder, `${KEY_FILE}.${randomUuid(random)}.new`);
  const bytes = random.bytes(KEY_BYTES);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeDurably(draft, bytes);
    await link(draft, join(folder, KEY_FILE));
    await syncFolder(folder);
    return ok(null);
  } catch (error) {
    const code = errorCode(error);
    return code === 'EEXIST' ? ok(null) : refuse('FILE_IO', code);
  } finally {
    bytes.fill(0);
    await rm(draft, { force: true });
  }
}

/**
 * The seal whose key is the file `snapshot.key` of a folder: 32 bytes, the owner's alone; folder and key are made where
 * they are missing. Refuses a key that others may read, and one that is cut short.
 */
export async function openFolderSeal(folder: string, random: Random): Promise<Result<SnapshotSeal, FileFailure>> {
  const path = join(folder, KEY_FILE);
  let bytes = await readPrivateFile(path, KEY_BYTES);
  if (!bytes.ok && bytes.reason === 'FILE_MISSING') {
    const made = await makeKey(folder, random);
    if (!made.ok) return made;
    bytes = await readPrivateFile(path, KEY_BYTES);
  }
  if (!bytes.ok) return bytes;
  if (bytes.value.length !== KEY_BYTES) return refuse('FILE_IO', 'a key of another length');
  const key = createSecretKey(bytes.value);
  bytes.value.fill(0);
  return ok(createHmacSeal(key));
}
