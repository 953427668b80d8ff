import type { StatusList, StatusListFailure } from '../../attestation/android/revocation.ts';
import type { Result } from '../../reasons/result.ts';
import type { ExchangeFailure } from '../exchange.ts';

/** Why a source gives no list. The list in force stays in force until it is too old. */
export type SourceFailure =
  | StatusListFailure
  | ExchangeFailure
  /** Neither 200 nor an expected 304; redirections are not followed. */
  | 'SOURCE_STATUS'
  /** Not JSON by its own account. */
  | 'SOURCE_CONTENT_TYPE'
  | 'SOURCE_FILE_MISSING'
  /** A folder, a pipe, or what the file system does not give. */
  | 'SOURCE_FILE_UNREADABLE';

/** What is asked of a source. */
export interface SourceRequest {
  /** The entity tag of the list in force; null for none. */
  readonly etag: string | null;
  readonly at: Date;
  /** Gives the reading up. */
  readonly signal: AbortSignal;
}

/** What a source answers. */
export type SourceAnswer =
  | {
      readonly kind: 'list';
      readonly list: StatusList;
      readonly etag: string | null;
      /** How long the publisher says that it may be kept; null where he says nothing. */
      readonly maximumAgeSeconds: number | null;
    }
  | {
      /** The list with the given entity tag is still the published one. */
      readonly kind: 'unchanged';
      readonly fetchedAt: Date;
      readonly maximumAgeSeconds: number | null;
    };

/** Where Google's status list comes from. */
export interface StatusListSource {
  /** For people, and to tell whose snapshot it is. */
  readonly name: string;
  /** Reads the list in bounded time and memory. Never rejects. */
  read(request: SourceRequest): Promise<Result<SourceAnswer, SourceFailure>>;
}
