/** Departures from X9.143 with which a key block may still be taken, where its importer names them. */
export const KEY_BLOCK_TOLERANCES = [
  'VERSION_B',
  'VERSION_C',
  'VERSION_E',
  'MODE_OF_USE_N',
  'NO_LENGTH_OBFUSCATION',
  'HEADER_NOT_ALIGNED',
  'RESERVED_FIELD_SET',
  'UNKNOWN_OPTIONAL_BLOCK',
  'UNREADABLE_OPTIONAL_BLOCK',
  'KBPK_WEAKER_THAN_KEY',
] as const;

/** Departures from TR-34 with which a key token may still be taken or made, where its importer or exporter names them. */
export const TR34_TOLERANCES = [
  'MODE_OF_USE_N',
  'TDES_CONTENT_ENCRYPTION',
  'CONTENT_KEY_WEAKER_THAN_KEY',
  'TRANSPORT_KEY_WEAKER_THAN_KEY',
  'ATTRIBUTES_NOT_SORTED',
  'ENVELOPE_WITHOUT_SEQUENCE',
] as const;

/** A departure that may be tolerated. A missing MAC, revocation list or signature is none. */
export type Tolerance = (typeof KEY_BLOCK_TOLERANCES)[number] | (typeof TR34_TOLERANCES)[number];

const ALL: ReadonlySet<string> = new Set([...KEY_BLOCK_TOLERANCES, ...TR34_TOLERANCES]);

/** True where the text names a departure that may be tolerated. */
export function isTolerance(text: string): text is Tolerance {
  return ALL.has(text);
}
