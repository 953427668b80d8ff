/** Splits bytes into nibbles, the high one first. The caller wipes both. */
export function nibblesOf(bytes: Uint8Array): Uint8Array {
  const nibbles = new Uint8Array(new ArrayBuffer(bytes.length * 2));
  for (let at = 0; at < bytes.length; at++) {
    nibbles[2 * at] = (bytes[at] ?? 0) >>> 4;
    nibbles[2 * at + 1] = (bytes[at] ?? 0) & 0x0f;
  }
  return nibbles;
}

/** A nibble of bytes, counted from the high one of the first byte; 0 beyond their end. */
export function nibbleAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at >> 1] ?? 0;
  return (at & 1) === 0 ? byte >>> 4 : byte & 0x0f;
}

/** Writes a nibble (0 to 15) into bytes in which its place is still 0. */
export function setNibble(bytes: Uint8Array, at: number, nibble: number): void {
  bytes[at >> 1] = (bytes[at >> 1] ?? 0) | ((at & 1) === 0 ? nibble << 4 : nibble);
}

/** XORs `mask` into `target`, which is as long. */
export function xorInto(target: Uint8Array, mask: Uint8Array): void {
  for (let at = 0; at < target.length; at++) target[at] = (target[at] ?? 0) ^ (mask[at] ?? 0);
}
