import type { z } from 'zod';

/** How a value is written outside this process, and read back. */
export interface Codec<V> {
  /** The value's bytes. Throws for a value that the codec does not describe or that is over its size: a bug. */
  encode(value: V): Buffer;
  /** The value; null for bytes that are none or over the codec's size. */
  decode(bytes: Uint8Array): V | null;
}

/** Longest encoding: an attestation's hello of 4 KiB in base64, and room for the rest. */
export const MAXIMUM_ENCODED_BYTES = 16_384;

/** JSON by a schema that works in both directions: what it does not describe is neither written nor read. */
export function jsonCodec<V>(schema: z.ZodType<V, unknown>): Codec<V> {
  return {
    encode(value) {
      const bytes = Buffer.from(JSON.stringify(schema.encode(value)));
      if (bytes.length > MAXIMUM_ENCODED_BYTES) throw new RangeError('a volatile value is at most 16 384 bytes');
      return bytes;
    },
    decode(bytes) {
      if (bytes.length > MAXIMUM_ENCODED_BYTES) return null;
      const decoded = schema.safeDecode(jsonValue(bytes));
      return decoded.success ? decoded.data : null;
    },
  };
}

/** The value of a JSON text in UTF-8; undefined where it is none. */
function jsonValue(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    // Not JSON, or not UTF-8: no schema takes undefined.
    return undefined;
  }
}
