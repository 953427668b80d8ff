/** A field of a canonical message: bytes as they are, text as UTF-8, a bigint as 8 bytes big-endian. */
export type CanonicalField = Uint8Array | string | bigint;

const LENGTH_BYTES = 4;
const INTEGER_BYTES = 8;

function byteLength(field: CanonicalField): number {
  if (typeof field === 'string') return Buffer.byteLength(field, 'utf8');
  if (typeof field !== 'bigint') return field.length;
  if (field < 0n || field > 0xffff_ffff_ffff_ffffn)
    throw new RangeError('a canonical integer is an unsigned 64-bit value');
  return INTEGER_BYTES;
}

/**
 * Canonical bytes of a message: the context and each field, every one preceded by its length (4 bytes, big-endian).
 *
 * The context (`tapgate/v1/...`) separates domains: what is signed or hashed for one purpose can never be read as
 * another. Length prefixes make the encoding injective, so no two different lists of fields share bytes.
 */
export function canonicalBytes(context: string, ...fields: readonly CanonicalField[]): Buffer {
  const all: readonly CanonicalField[] = [context, ...fields];
  const lengths = all.map(byteLength);
  // Every byte of it is written below.
  const message = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + LENGTH_BYTES + length, 0));
  let at = 0;
  all.forEach((field, index) => {
    const length = lengths[index] ?? 0;
    at = message.writeUInt32BE(length, at);
    if (typeof field === 'string') message.write(field, at, 'utf8');
    else if (typeof field === 'bigint') message.writeBigUInt64BE(field, at);
    else message.set(field, at);
    at += length;
  });
  return message;
}
