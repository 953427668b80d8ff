import {
  type CheckpointName,
  checkpointHash,
  decodeCheckpoint,
  type SignedCheckpoint,
} from '../../audit/checkpoint.ts';
import type { AuditEntry } from '../../audit/entry.ts';
import type { AuditReader, LoggedEntry, RowName, UnsignedHead } from '../../audit/store.ts';
import { secondsAfter } from '../../ports/clock.ts';
import { type CheckpointRow, checkpointFromRow, contentsOf, type HeadRow, headFromRow } from './audit-log.ts';
import { AUDIT_SOURCES } from './audit-sources.ts';
import type { Database } from './database.ts';
import { prepared } from './engine/statement.ts';

interface EntryRow {
  readonly writer: string;
  readonly sequence: bigint;
  readonly source: string;
  readonly subject: string;
  readonly chained_at: Date;
  readonly kept_hash: Buffer;
  readonly erasable_hash: Buffer | null;
  readonly hash: Buffer;
}

const CHECKPOINTS = prepared(
  'audit-checkpoints',
  'SELECT payload, signature, key_id FROM audit_checkpoint WHERE number > $1 ORDER BY number LIMIT $2',
);

const CHECKPOINTS_SINCE = prepared(
  'audit-checkpoints-since',
  'SELECT payload, signature, key_id FROM audit_checkpoint WHERE number > $2 AND signed_at >= $1 ORDER BY number LIMIT 64',
);

const ENTRY_COLUMNS = 'writer, sequence, source, subject, chained_at, kept_hash, erasable_hash, hash';

const ENTRIES = prepared(
  'audit-entries',
  `SELECT ${ENTRY_COLUMNS} FROM audit_entry
    WHERE writer = $1 AND sequence > $2 AND sequence <= $3 ORDER BY sequence LIMIT $4`,
);

const ENTRY = prepared('audit-entry', `SELECT ${ENTRY_COLUMNS} FROM audit_entry WHERE source = $1 AND subject = $2`);

const HEADS = prepared(
  'audit-heads',
  `SELECT id, sequence, hash, signed_sequence FROM audit_writer
    WHERE $1::UUID IS NULL OR id > $1 ORDER BY id LIMIT $2`,
);

const ENTERED = prepared(
  'audit-entered-of-source',
  'SELECT subject FROM audit_entry WHERE source = $1 AND subject = ANY($2::TEXT[])',
);

// Counted from the heads: counting entries would read them all.
const SIZE = prepared(
  'audit-size',
  `SELECT (SELECT COALESCE(SUM(sequence), 0)::INT8 FROM audit_writer) AS entries,
          (SELECT COALESCE(MAX(number), 0)::INT8 FROM audit_checkpoint) AS checkpoints`,
);

const PAGE = 1000;

/** Seconds by which the clocks of replicas may differ. */
const CLOCKS_APART = 300;

function entryFromRow(row: EntryRow): AuditEntry {
  return {
    writer: row.writer,
    sequence: row.sequence,
    source: row.source,
    subject: row.subject,
    chainedAt: row.chained_at,
    keptHash: row.kept_hash,
    erasableHash: row.erasable_hash,
    hash: row.hash,
  };
}

/** The log in SQL, read out page by page. */
export class SqlAuditReader implements AuditReader {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async checkpoints(after: bigint, limit: number): Promise<readonly SignedCheckpoint[]> {
    const rows = await this.#database.read<CheckpointRow>(CHECKPOINTS, [after, limit]);
    return rows.map(checkpointFromRow);
  }

  async entries(writer: string, after: bigint, upTo: bigint, limit: number): Promise<readonly LoggedEntry[]> {
    return this.#withRows(await this.#database.read<EntryRow>(ENTRIES, [writer, after, upTo, limit]));
  }

  async heads(after: string | null, limit: number): Promise<readonly UnsignedHead[]> {
    const rows = await this.#database.read<HeadRow>(HEADS, [after, limit]);
    return rows.map(headFromRow);
  }

  async *withoutEntry(): AsyncGenerator<readonly RowName[]> {
    for (const source of AUDIT_SOURCES.values()) {
      let after: string | null = null;
      for (;;) {
        const key: readonly (string | null)[] = source.keyOf(after);
        const rows: readonly { readonly subject: string }[] = await this.#database.read(source.chained, [PAGE, ...key]);
        const subjects = rows.map(({ subject }) => subject);
        if (subjects.length === 0) break;
        const entered = await this.#database.read<{ readonly subject: string }>(ENTERED, [source.name, subjects]);
        const known = new Set(entered.map(({ subject }) => subject));
        yield subjects.filter((subject) => !known.has(subject)).map((subject) => ({ source: source.name, subject }));
        after = subjects.at(-1) ?? null;
      }
    }
  }

  async size(): Promise<{ readonly entries: bigint; readonly checkpoints: bigint }> {
    const [row] = await this.#database.read<{ readonly entries: bigint; readonly checkpoints: bigint }>(SIZE, []);
    return row ?? { entries: 0n, checkpoints: 0n };
  }

  async entryOf({ source, subject }: RowName): Promise<LoggedEntry | null> {
    const rows = await this.#database.read<EntryRow>(ENTRY, [source, subject]);
    return (await this.#withRows(rows))[0] ?? null;
  }

  async checkpointOver({ writer, sequence, chainedAt }: AuditEntry): Promise<CheckpointName | null> {
    let after = 0n;
    for (;;) {
      const since = secondsAfter(chainedAt, -CLOCKS_APART);
      const rows = await this.#database.read<CheckpointRow>(CHECKPOINTS_SINCE, [since, after]);
      for (const { payload } of rows) {
        const checkpoint = decodeCheckpoint(payload);
        if (!checkpoint.ok) return null;
        const { heads, number } = checkpoint.value;
        after = number;
        const covers = heads.some((head) => head.writer === writer && head.sequence >= sequence);
        if (covers) return { number, hash: checkpointHash(payload) };
      }
      if (rows.length === 0) return null;
    }
  }

  async #withRows(rows: readonly EntryRow[]): Promise<readonly LoggedEntry[]> {
    const contents = new Map<string, Awaited<ReturnType<typeof contentsOf>>>();
    for (const name of new Set(rows.map(({ source }) => source))) {
      const source = AUDIT_SOURCES.get(name);
      if (source === undefined) throw new Error(`entries of ${name}: written by a newer version`);
      const subjects = rows.filter((row) => row.source === name).map(({ subject }) => subject);
      contents.set(name, await contentsOf((...query) => this.#database.read(...query), source, subjects));
    }
    return rows.map((row) => ({
      entry: entryFromRow(row),
      content: contents.get(row.source)?.get(row.subject) ?? null,
    }));
  }
}
