import { canonicalBytes } from '../encoding/canonical.ts';
import { sha256 } from '../encoding/digest.ts';
import { canonicalJson } from '../policy/version.ts';

/** A value of a record: text, a truth value, or nothing. Numbers are decimal text, bytes lower-case hexadecimal. */
export type RecordValue = string | boolean | null;

/** Columns of an audited row by name. */
export type AuditRecord = Readonly<Record<string, RecordValue>>;

/** What an entry stands for: what stays for ever, and what may be erased when a device is forgotten. */
export interface AuditedContent {
  readonly kept: AuditRecord;
  /** Null where the source has nothing that may be erased; `erased` where it has been. */
  readonly erasable: AuditRecord | 'erased' | null;
}

/** Why a value has no form in a record: a bug of the source. */
export class NotRecordable extends TypeError {}

/** A column's value in its one form: instants as ISO 8601 to the millisecond, structures as canonical JSON. */
export function recordValue(value: unknown): RecordValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'bigint':
      return value.toString();
    case 'number':
      if (!Number.isSafeInteger(value)) throw new NotRecordable('a number that is no safe integer');
      return value.toString();
    case 'object':
      if (value === null) return null;
      if (value instanceof Date) return value.toISOString();
      if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
      return canonicalJson(value);
    default:
      throw new NotRecordable(`a ${typeof value}`);
  }
}

const TAGS = { string: 't', boolean: 'b', object: 'n' } as const;

/**
 * SHA-256 of a record, 32 bytes, over source, part and every column in the order of their names. Nothing and empty text
 * are told apart.
 */
export function recordHash(source: string, part: 'kept' | 'erasable', record: AuditRecord): Buffer {
  const columns: string[] = [];
  for (const name of Object.keys(record).sort()) {
    const value = record[name] ?? null;
    columns.push(name, `${TAGS[typeof value as keyof typeof TAGS]}${value ?? ''}`);
  }
  return sha256(canonicalBytes('tapgate/v1/audit-record', source, part, ...columns));
}
