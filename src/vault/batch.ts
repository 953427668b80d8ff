/** Calls in one message, at the most: the first one waits for its answer until the last one is done. */
export const MOST_CALLS = 16;

/** Bytes of serialised messages in one, at the most, where it is more than one: half of the longest message. */
const MOST_BYTES = 128 * 1024;

/** True where another serialised message may go along with those that are in a batch already. */
export function fits(batch: readonly Uint8Array[], another: Uint8Array): boolean {
  if (batch.length === 0) return true;
  const bytes = batch.reduce((sum, { length }) => sum + length, another.length);
  return batch.length < MOST_CALLS && bytes <= MOST_BYTES;
}
