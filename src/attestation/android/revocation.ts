import { ok, type Result, refuse } from '../../reasons/result.ts';

/** What the status list says of one certificate. Every status refuses; the word is kept for the report. */
export interface CertificateStatus {
  /** `REVOKED`, `SUSPENDED`, or a word that is not known yet. */
  readonly status: string;
  /** `KEY_COMPROMISE`, `CA_COMPROMISE`, `SUPERSEDED`, `SOFTWARE_FLAW` or null. */
  readonly reason: string | null;
}

/** Google's attestation status list, as fetched at one time. */
export interface StatusList {
  readonly fetchedAt: Date;
  /** By serial number: lowercase hex without leading zeros. */
  readonly entries: ReadonlyMap<string, CertificateStatus>;
}

/** Bounds of a status list. */
export interface StatusListLimits {
  readonly maximumBytes: number;
  readonly maximumEntries: number;
}

/** Why bytes are not a status list. The list in force stays in force until it is too old. */
export type StatusListFailure =
  | 'STATUS_LIST_TOO_LARGE'
  | 'STATUS_LIST_NOT_JSON'
  | 'STATUS_LIST_NO_ENTRIES'
  | 'STATUS_LIST_SERIAL_INVALID'
  | 'STATUS_LIST_STATUS_INVALID';

/** Bounds with room to grow: the list of 2025 has about 470 entries in 49 kB. */
export const STATUS_LIST_LIMITS: StatusListLimits = { maximumBytes: 8 * 1024 * 1024, maximumEntries: 100_000 };

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
}

/** Serial number as certificates are looked up; null where the key is not hex. Digits alone are hex, too. */
function serialOf(key: string): string | null {
  if (!/^[0-9a-f]{1,128}$/i.test(key)) return null;
  return key.toLowerCase().replace(/^0+(?=.)/, '');
}

/**
 * Parses a status list: `{ "entries": { "<serial in hex>": { "status", "reason"? } } }`.
 *
 * One entry that cannot be read refuses the list: to pass over it could be to pass over a revocation.
 */
export function parseStatusList(
  bytes: Uint8Array,
  fetchedAt: Date,
  limits: StatusListLimits = STATUS_LIST_LIMITS,
): Result<StatusList, StatusListFailure> {
  if (bytes.length > limits.maximumBytes) return refuse('STATUS_LIST_TOO_LARGE');
  const document = parseJson(bytes);
  if (!isObject(document)) return refuse('STATUS_LIST_NOT_JSON');
  if (!isObject(document.entries)) return refuse('STATUS_LIST_NO_ENTRIES');
  const listed = Object.entries(document.entries);
  if (listed.length > limits.maximumEntries) return refuse('STATUS_LIST_TOO_LARGE');
  const entries = new Map<string, CertificateStatus>();
  for (const [key, entry] of listed) {
    const serial = serialOf(key);
    if (serial === null) return refuse('STATUS_LIST_SERIAL_INVALID', key.slice(0, 64));
    if (!isObject(entry) || typeof entry.status !== 'string') return refuse('STATUS_LIST_STATUS_INVALID', serial);
    entries.set(serial, { status: entry.status, reason: typeof entry.reason === 'string' ? entry.reason : null });
  }
  return ok({ fetchedAt, entries });
}

/** Reads and parses a status list from a stream; stops reading at the limit, so a list without an end costs no more. */
export async function readStatusList(
  stream: AsyncIterable<Uint8Array>,
  fetchedAt: Date,
  limits: StatusListLimits = STATUS_LIST_LIMITS,
): Promise<Result<StatusList, StatusListFailure>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > limits.maximumBytes) return refuse('STATUS_LIST_TOO_LARGE');
    chunks.push(chunk);
  }
  return parseStatusList(Buffer.concat(chunks), fetchedAt, limits);
}
