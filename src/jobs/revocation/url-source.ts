import { readStatusList, STATUS_LIST_LIMITS, type StatusListLimits } from '../../attestation/android/revocation.ts';
import { secondsAfter } from '../../ports/clock.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import { type Answer, exchange } from '../exchange.ts';
import { freshnessOf } from './cache-control.ts';
import type { SourceAnswer, SourceFailure, SourceRequest, StatusListSource } from './source.ts';

/** Bounds of a fetch. */
export interface UrlSourceBounds {
  readonly deadlineMilliseconds: number;
  readonly limits?: StatusListLimits;
}

const JSON_TYPE = /^application\/json[ \t]*(?:;|$)/i;
/** Opaque, and quoted (RFC 9110 8.8.3). */
const ENTITY_TAG = /^(?:W\/)?"[\x21\x23-\x7e]{0,250}"$/;

async function readAnswer(
  answer: Answer,
  { etag, at }: SourceRequest,
  limits: StatusListLimits,
): Promise<Result<SourceAnswer, SourceFailure>> {
  const { ageSeconds, maximumAgeSeconds } = freshnessOf(answer.header);
  const fetchedAt = secondsAfter(at, -ageSeconds);
  if (answer.status === 304 && etag !== null) return ok({ kind: 'unchanged', fetchedAt, maximumAgeSeconds });
  if (answer.status !== 200) return refuse('SOURCE_STATUS', `status ${answer.status}`);
  const type = answer.header('content-type') ?? 'none';
  if (!JSON_TYPE.test(type)) return refuse('SOURCE_CONTENT_TYPE', JSON.stringify(type.slice(0, 64)));
  if (Number(answer.header('content-length') ?? 0) > limits.maximumBytes) return refuse('STATUS_LIST_TOO_LARGE');
  const list = await readStatusList(answer.body, fetchedAt, limits);
  if (!list.ok) return list;
  const stated = answer.header('etag');
  const tag = stated !== null && ENTITY_TAG.test(stated) ? stated : null;
  return ok({ kind: 'list', list: list.value, etag: tag, maximumAgeSeconds });
}

/**
 * A status list that is published at a URL. It counts as fetched when the request began, less the time that a cache on
 * the way had held it.
 */
export function createUrlSource(
  url: URL,
  { deadlineMilliseconds, limits = STATUS_LIST_LIMITS }: UrlSourceBounds,
): StatusListSource {
  return {
    // A query may hold what is not for logs.
    name: `${url.origin}${url.pathname}`,
    read: async (request) => {
      const { etag, signal } = request;
      const headers = { accept: 'application/json', ...(etag === null ? {} : { 'if-none-match': etag }) };
      const exchanged = await exchange(
        { method: 'GET', url: url.href, headers, deadlineMilliseconds, signal },
        (answer) => readAnswer(answer, request, limits),
      );
      return exchanged.ok ? exchanged.value : exchanged;
    },
  };
}
