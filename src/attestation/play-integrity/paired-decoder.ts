import type { IntegrityDecoder, IntegrityFailure } from './decoder.ts';

/** What the local decoder says of a token that was not made for its keys. */
const NOT_FOR_THESE_KEYS: ReadonlySet<IntegrityFailure> = new Set<IntegrityFailure>([
  'TOKEN_MALFORMED',
  'TOKEN_ALGORITHM',
  'TOKEN_NOT_DECRYPTED',
]);

/**
 * A decoder for an application that sends both kinds of tokens, which cannot be told apart by their looks: what is not
 * encrypted for the local keys is the server's to decode. A token that is, and is not as Google signs them, is refused.
 */
export function createPairedDecoder(classic: IntegrityDecoder, standard: IntegrityDecoder): IntegrityDecoder {
  return {
    decode: async (token) => {
      const decoded = await classic.decode(token);
      return !decoded.ok && NOT_FOR_THESE_KEYS.has(decoded.reason) ? standard.decode(token) : decoded;
    },
  };
}
