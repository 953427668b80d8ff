/**
 * A certificate chain as it is stored: each certificate, in its order, preceded by its length (4 bytes, big-endian).
 */
export function encodeChain(chain: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const certificate of chain) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(certificate.length);
    parts.push(length, certificate);
  }
  return Buffer.concat(parts);
}

/** The certificates of a stored chain; null for bytes that `encodeChain` did not make. */
export function decodeChain(stored: Uint8Array): readonly Buffer[] | null {
  const bytes = Buffer.from(stored);
  const chain: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < 4) return null;
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) return null;
    chain.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return chain;
}
