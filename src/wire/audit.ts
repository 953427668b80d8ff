import { contentFrom } from '../audit/lines.ts';
import type { LogPart } from '../audit/reading.ts';
import type { LoggedEntry, UnsignedHead } from '../audit/store.ts';
import type {
  AuditEntries,
  AuditHead,
  ExportLogResponse,
  AuditEntry as WireEntry,
  PublishedKey as WireKey,
} from '../gen/tapgate/v1/audit_admin_service.ts';
import { ok, type Result } from '../reasons/result.ts';
import { malformed } from './decode.ts';

/** Content of one message, in characters: what a listener sends at most is four times as much. */
const MESSAGE_CONTENT = 65_536;

/** A head as a message. */
export function headToWire({ writer, sequence, hash, signed }: UnsignedHead): AuditHead {
  return { writer, sequence, hash, signedSequence: signed };
}

/** A published key as a message. */
export function keyToWire(key: Extract<LogPart, { kind: 'beginning' }>['keys'][number]): WireKey {
  return { ...key, state: key.state ?? '', endorsements: [...(key.endorsements ?? [])] };
}

/** A part of the log as messages, none of them too large. */
export function partToWire(part: LogPart): readonly ExportLogResponse[] {
  switch (part.kind) {
    case 'beginning': {
      const { keys, entries, checkpoints } = part;
      return [{ part: { $case: 'beginning', value: { keys: keys.map(keyToWire), entries, checkpoints } } }];
    }
    case 'entries':
      return grouped(part.entries.map(entryToWire)).map((value) => ({ part: { $case: 'entries', value } }));
    case 'checkpoint': {
      const { payload, signature, keyId } = part.signed;
      const value = { payload: Buffer.from(payload), signature: Buffer.from(signature), keyId };
      return [{ part: { $case: 'checkpoint', value } }];
    }
    case 'rows-without-entry':
      return [{ part: { $case: 'rowsWithoutEntry', value: { rows: [...part.rows] } } }];
    case 'end': {
      const { heads, entries, checkpoints } = part;
      return [{ part: { $case: 'end', value: { heads: heads.map(headToWire), entries, checkpoints } } }];
    }
  }
}

function grouped(entries: readonly WireEntry[]): readonly AuditEntries[] {
  const groups: WireEntry[][] = [];
  let room = 0;
  for (const entry of entries) {
    if (groups.length === 0 || entry.content.length > room) {
      groups.push([]);
      room = MESSAGE_CONTENT;
    }
    groups.at(-1)?.push(entry);
    // The entry itself, beside its content.
    room -= entry.content.length + 400;
  }
  return groups.map((group) => ({ entries: group }));
}

function entryToWire({ entry, content }: LoggedEntry): WireEntry {
  return {
    ...entry,
    erasableHash: entry.erasableHash ?? Buffer.alloc(0),
    content: content === null ? '' : JSON.stringify(content),
  };
}

/** A part of the log out of a message. */
export function partFromWire({ part }: ExportLogResponse): Result<LogPart, 'MALFORMED_MESSAGE'> {
  switch (part?.$case) {
    case 'beginning': {
      const { keys, entries, checkpoints } = part.value;
      const told = keys.map(({ firstSeen, state, ...key }) => ({
        ...key,
        firstSeen: firstSeen ?? new Date(0),
        state: state === '' ? null : state,
      }));
      return ok({ kind: 'beginning', keys: told, entries, checkpoints });
    }
    case 'entries': {
      const entries: LoggedEntry[] = [];
      for (const wire of part.value.entries) {
        const entry = entryFromWire(wire);
        if (entry === null) return malformed('entry');
        entries.push(entry);
      }
      return ok({ kind: 'entries', entries });
    }
    case 'checkpoint':
      return ok({ kind: 'checkpoint', signed: part.value });
    case 'rowsWithoutEntry':
      return ok({ kind: 'rows-without-entry', rows: part.value.rows });
    case 'end': {
      const { heads, entries, checkpoints } = part.value;
      const told = heads.map(({ writer, sequence, hash, signedSequence }) => ({
        writer,
        sequence,
        hash,
        signed: signedSequence,
      }));
      return ok({ kind: 'end', heads: told, entries, checkpoints });
    }
    default:
      return malformed('part');
  }
}

function entryFromWire({ content, chainedAt, erasableHash, ...wire }: WireEntry): LoggedEntry | null {
  if (chainedAt === undefined) return null;
  const entry = { ...wire, chainedAt, erasableHash: erasableHash.length === 0 ? null : erasableHash };
  if (content === '') return { entry, content: null };
  const read = contentFrom(content);
  return read === undefined ? null : { entry, content: read };
}
