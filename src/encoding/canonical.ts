/** A field of a canonical message: bytes as they are, text as UTF-8, a bigint as 8 bytes big-endian. */
export type CanonicalField = Uint8Array | string | bigint;

function fieldBytes(field: CanonicalField): Uint8Array {
  if (typeof field === 'string') return Buffer.from(field, 'utf8');
  if (typeof field !== 'bigint') return field;
  if (field < 0n || field > 0xffff_ffff_ffff_ffffn)
    throw new RangeError('a canonical integer is an unsigned 64-bit value');
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(field);
  return bytes;
}

/**
 * Canonical bytes of a message: the context and each field, every one preceded by its length (4 bytes, big-endian).
 *
 * The context (`tapgate/v1/...`) separates domains: what is signed or hashed for one purpose can never be read as
 * another. Length prefixes make the encoding injective, so no two different lists of fields share bytes.
 */
export function canonicalBytes(context: string, ...fields: readonly CanonicalField[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const field of [context, ...fields]) {
    const bytes = fieldBytes(field);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
}
