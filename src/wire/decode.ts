import { ok, type Result, refuse } from '../reasons/result.ts';

/** Longest serialised message that is decoded from signed bytes: 64 KiB. */
const MAX_PAYLOAD = 65_536;

/** Decodes a protobuf message; a malformed one is a refusal, never an exception. */
export function decodeMessage<T>(
  codec: { decode(bytes: Uint8Array): T },
  bytes: Uint8Array,
): Result<T, 'MALFORMED_MESSAGE'> {
  if (bytes.length > MAX_PAYLOAD) return refuse('MALFORMED_MESSAGE', 'over 64 KiB');
  try {
    return ok(codec.decode(bytes));
  } catch {
    // The decoder throws on any malformed input; what it says of hostile bytes is of no use.
    return refuse('MALFORMED_MESSAGE', 'not a message of the expected type');
  }
}

/** The value of a length-checked field, or a refusal that names it. */
export function exactBytes(value: Uint8Array, length: number, field: string): Result<Buffer, 'MALFORMED_MESSAGE'> {
  return value.length === length
    ? ok(Buffer.from(value.buffer, value.byteOffset, value.length))
    : refuse('MALFORMED_MESSAGE', `${field}: not ${length} bytes`);
}

/** Refuses with the field's name. */
export function malformed(field: string): { ok: false; reason: 'MALFORMED_MESSAGE'; detail: string } {
  return { ok: false, reason: 'MALFORMED_MESSAGE', detail: field };
}

/**
 * A point in time, or null where the message has none or one beyond what a Date holds: comparisons with that are false both
 * ways, so that it would neither have come nor have passed.
 */
export function instantOf(date: Date | undefined): Date | null {
  return date === undefined || Number.isNaN(date.getTime()) ? null : date;
}
