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
  let size = LENGTH_BYTES + byteLength(context);
  for (const field of fields) size += LENGTH_BYTES + byteLength(field);
  // Every byte of it is written below.
  const message = Buffer.allocUnsafe(size);
  let at = writeField(message, context, 0);
  for (const field of fields) at = writeField(message, field, at);
  return message;
}

/** Writes length and field; answers the place after them. */
function writeField(message: Buffer, field: CanonicalField, at: number): number {
  const start = at + LENGTH_BYTES;
  const length =
    typeof field === 'string'
      ? message.write(field, start, 'utf8')
      : typeof field === 'bigint'
        ? message.writeBigUInt64BE(field, start) - start
        : writeBytes(message, field, start);
  message.writeUInt32BE(length, at);
  return start + length;
}

function writeBytes(message: Buffer, bytes: Uint8Array, start: number): number {
  message.set(bytes, start);
  return bytes.length;
}
