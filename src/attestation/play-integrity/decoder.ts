import type { Result } from '../../reasons/result.ts';
import type { IntegrityVerdict, VerdictFailure } from './verdict.ts';

/** Why a token gives no verdict. Only DECODER_UNAVAILABLE says nothing about the token. */
export type IntegrityFailure =
  | 'TOKEN_TOO_LARGE'
  /** Not of the form that such a token has. */
  | 'TOKEN_MALFORMED'
  /** Another algorithm than the one that Google uses, or a compressed token. */
  | 'TOKEN_ALGORITHM'
  /** Not encrypted for the application's key, or changed since. */
  | 'TOKEN_NOT_DECRYPTED'
  /** Not signed by Google for the application. */
  | 'TOKEN_SIGNATURE'
  /** Google's server does not accept the token. */
  | 'TOKEN_REFUSED'
  /** No keys, no credentials, or no usable answer from Google's server: nothing was learnt. */
  | 'DECODER_UNAVAILABLE'
  | VerdictFailure;

/** Decodes integrity tokens of one application. What comes from it was made by Google; it is not judged yet. */
export interface IntegrityDecoder {
  /** Never rejects: what cannot be reached is a DECODER_UNAVAILABLE. */
  decode(token: string): Promise<Result<IntegrityVerdict, IntegrityFailure>>;
}

/** Longest token that is looked at, in characters; real ones have one to three thousand. */
export const MAXIMUM_TOKEN_LENGTH = 16_384;
