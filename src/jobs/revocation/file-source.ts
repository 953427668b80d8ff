import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { readStatusList, STATUS_LIST_LIMITS, type StatusListLimits } from '../../attestation/android/revocation.ts';
import { earlier } from '../../ports/clock.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { errorCode } from './file.ts';
import type { SourceAnswer, SourceFailure, SourceRequest, StatusListSource } from './source.ts';

const PIECE = 65_536;

async function* piecesOf(file: FileHandle, signal: AbortSignal): AsyncIterable<Uint8Array> {
  for (;;) {
    signal.throwIfAborted();
    const piece = Buffer.alloc(PIECE);
    const { bytesRead } = await file.read(piece, 0, PIECE, null);
    if (bytesRead === 0) return;
    yield piece.subarray(0, bytesRead);
  }
}

async function readFile(
  file: FileHandle,
  { at, signal }: SourceRequest,
  limits: StatusListLimits,
): Promise<Result<SourceAnswer, SourceFailure>> {
  const stats = await file.stat();
  if (!stats.isFile()) return refuse('SOURCE_FILE_UNREADABLE', 'not a file');
  if (stats.size > limits.maximumBytes) return refuse('STATUS_LIST_TOO_LARGE');
  const list = await readStatusList(piecesOf(file, signal), earlier(at, stats.mtime), limits);
  return list.ok ? ok({ kind: 'list', list: list.value, etag: null, maximumAgeSeconds: null }) : list;
}

/**
 * A status list in a file that something else keeps up to date. It is as old as the file's last change: a file that
 * nobody renews grows too old, however often it is read.
 */
export function createFileSource(path: string, limits: StatusListLimits = STATUS_LIST_LIMITS): StatusListSource {
  return {
    name: path,
    read: async (request) => {
      let file: FileHandle | null = null;
      try {
        // A pipe without a writer would wait for ever.
        file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
        return await readFile(file, request, limits);
      } catch (error) {
        if (request.signal.aborted) return refuse('STOPPED');
        const code = errorCode(error);
        return code === 'ENOENT' ? refuse('SOURCE_FILE_MISSING') : refuse('SOURCE_FILE_UNREADABLE', code);
      } finally {
        await file?.close();
      }
    },
  };
}
