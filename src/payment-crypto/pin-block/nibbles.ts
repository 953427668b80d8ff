/** Splits bytes into nibbles, the high one first. The caller wipes both. */
export function nibblesOf(bytes: Uint8Array): Uint8Array {
  const nibbles = new Uint8Array(new ArrayBuffer(bytes.length * 2));
  for (let at = 0; at < bytes.length; at++) {
    nibbles[2 * at] = (bytes[at] ?? 0) >>> 4;
    nibbles[2 * at + 1] = (bytes[at] ?? 0) & 0x0f;
  }
  return nibbles;
}

/** Joins an even number of nibbles to bytes in a buffer of their own. */
export function bytesOfNibbles(nibbles: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(nibbles.length / 2));
  for (let at = 0; at < bytes.length; at++) bytes[at] = ((nibbles[2 * at] ?? 0) << 4) | (nibbles[2 * at + 1] ?? 0);
  return bytes;
}

/** XORs `mask` into `target`, which is as long. */
export function xorInto(target: Uint8Array, mask: Uint8Array): void {
  for (let at = 0; at < target.length; at++) target[at] = (target[at] ?? 0) ^ (mask[at] ?? 0);
}
