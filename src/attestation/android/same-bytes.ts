/**
 * Whether two byte strings are the same. For what anybody may see, such as names and public keys: how long it takes tells
 * where they differ.
 */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && Buffer.compare(a, b) === 0);
}
