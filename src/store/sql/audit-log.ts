import type { SignedCheckpoint } from '../../audit/checkpoint.ts';
import { chainAfter, genesis, headOf, type Unchained, type WriterHead } from '../../audit/entry.ts';
import type { AuditedContent } from '../../audit/record.ts';
import type { AuditLog, RowName, UnsignedHead } from '../../audit/store.ts';
import { AUDIT_SOURCES, type AuditSource, OLDEST_UNCHAINED, UNCHAINED } from './audit-sources.ts';
import type { Database } from './database.ts';
import { ConstraintViolated } from './engine/errors.ts';
import { prepared, type SqlSession, type SqlValue, type Statement } from './engine/statement.ts';

/** A writer's row. */
export interface HeadRow {
  readonly id: string;
  readonly sequence: bigint;
  readonly hash: Buffer;
  readonly signed_sequence: bigint;
}

/** A checkpoint's row. */
export interface CheckpointRow {
  readonly payload: Buffer;
  readonly signature: Buffer;
  readonly key_id: string;
}

const ADD_WRITER = prepared(
  'add-audit-writer',
  'INSERT INTO audit_writer (id, began_at, sequence, hash) VALUES ($1, $2, 0, $3) ON CONFLICT (id) DO NOTHING',
);

const WRITER = prepared('audit-writer', 'SELECT id, sequence, hash, signed_sequence FROM audit_writer WHERE id = $1');

/** Moves a head that is where it was left, and adds the entries in between; else adds nothing. */
const ADD_ENTRIES = prepared(
  'move-audit-head-and-add-entries',
  `WITH moved AS (UPDATE audit_writer SET sequence = $3, hash = $4 WHERE id = $1 AND sequence = $2 RETURNING id)
   INSERT INTO audit_entry (writer, sequence, source, subject, chained_at, kept_hash, erasable_hash, hash)
   SELECT m.id, e.sequence, e.source, e.subject, $5, e.kept_hash, e.erasable_hash, e.hash
     FROM moved m CROSS JOIN unnest($6::INT8[], $7::TEXT[], $8::TEXT[], $9::BYTEA[], $10::BYTEA[], $11::BYTEA[])
       AS e (sequence, source, subject, kept_hash, erasable_hash, hash)`,
);

const ENTERED = prepared(
  'audit-entered',
  `SELECT e.source, e.subject FROM unnest($1::TEXT[], $2::TEXT[]) AS k (source, subject)
     JOIN audit_entry e ON e.source = k.source AND e.subject = k.subject`,
);

const UNSIGNED = prepared(
  'unsigned-audit-heads',
  'SELECT id, sequence, hash, signed_sequence FROM audit_writer WHERE sequence > signed_sequence ORDER BY id LIMIT $1',
);

const UNSIGNED_AT = prepared(
  'unsigned-audit-heads-at',
  `SELECT w.id, e.sequence, e.hash, w.signed_sequence
     FROM unnest($1::UUID[], $2::INT8[], $3::BYTEA[]) AS h (id, sequence, hash)
     JOIN audit_writer w ON w.id = h.id AND w.signed_sequence < h.sequence AND w.sequence >= h.sequence
     JOIN audit_entry e ON e.writer = h.id AND e.sequence = h.sequence AND e.hash = h.hash
    ORDER BY w.id`,
);

const LAST_CHECKPOINT = prepared(
  'last-audit-checkpoint',
  'SELECT payload, signature, key_id FROM audit_checkpoint ORDER BY number DESC LIMIT 1',
);

const ADD_CHECKPOINT = prepared(
  'add-audit-checkpoint',
  `INSERT INTO audit_checkpoint (number, signed_at, payload, signature, key_id) VALUES ($1, $2, $3, $4, $5)
   ON CONFLICT (number) DO NOTHING`,
);

const SIGNED = prepared(
  'audit-heads-signed',
  `UPDATE audit_writer AS w SET signed_sequence = h.sequence
     FROM unnest($1::UUID[], $2::INT8[], $3::INT8[]) AS h (id, sequence, signed)
    WHERE w.id = h.id AND w.signed_sequence = h.signed`,
);

const TAKE_DUTY = prepared(
  'take-audit-duty',
  `INSERT INTO audit_duty (id, holder, until) VALUES (1, $1, $3)
   ON CONFLICT (id) DO UPDATE SET holder = $1, until = $3
     WHERE audit_duty.holder = $1 OR audit_duty.until <= $2`,
);

const LEAVE_DUTY = prepared('leave-audit-duty', 'DELETE FROM audit_duty WHERE id = 1 AND holder = $1');

interface ContentRow {
  readonly subject: string;
}

interface ClaimedRow extends ContentRow {
  readonly kept_hash: Buffer | null;
}

/** Rows of one statement at most: a transaction that is too long meets others. */
const MOST_ROWS = 256;

/** Another replica was first: the transaction is undone. */
class Overtaken extends Error {}

/** A row as a head. */
export function headFromRow({ id, sequence, hash, signed_sequence }: HeadRow): UnsignedHead {
  return { writer: id, sequence, hash, signed: signed_sequence };
}

/** A row as a checkpoint. */
export function checkpointFromRow({ payload, signature, key_id }: CheckpointRow): SignedCheckpoint {
  return { payload, signature, keyId: key_id };
}

/** The rows of a source by their subjects. */
export async function contentsOf(
  read: (statement: Statement, values: readonly SqlValue[]) => Promise<readonly ContentRow[]>,
  source: AuditSource,
  subjects: readonly string[],
): Promise<ReadonlyMap<string, AuditedContent>> {
  const rows = await read(source.content, source.keysOf(subjects));
  return new Map(rows.map((row) => [row.subject, source.contentOf({ ...row })]));
}

/** The chains and checkpoints in SQL. */
export class SqlAuditLog implements AuditLog {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async open(writer: string, at: Date): Promise<WriterHead> {
    await this.#database.change(ADD_WRITER, [writer, at, genesis(writer).hash]);
    const [row] = await this.#database.read<HeadRow>(WRITER, [writer]);
    if (row === undefined) throw new Error('a writer that was added is not there');
    const { sequence, hash } = row;
    return { writer, sequence, hash };
  }

  unchained(limit: number): Promise<readonly RowName[]> {
    return this.#database.read<RowName>(UNCHAINED, [Math.min(limit, MOST_ROWS)]);
  }

  async chain(head: WriterHead, rows: readonly RowName[], at: Date): Promise<WriterHead | null> {
    try {
      return await this.#chain(head, rows, at);
    } catch (error) {
      if (error instanceof Overtaken) return null;
      throw error;
    }
  }

  async #chain(head: WriterHead, rows: readonly RowName[], at: Date): Promise<WriterHead> {
    try {
      return await this.#database.transaction((sql) => chain(sql, head, rows, at, false));
    } catch (error) {
      // A row whose marker was taken away has its entry still: it stays what it was chained as.
      if (!(error instanceof ConstraintViolated && error.kind === 'unique')) throw error;
      return this.#database.transaction((sql) => chain(sql, head, rows, at, true));
    }
  }

  async unsigned(limit: number): Promise<readonly UnsignedHead[]> {
    return (await this.#database.read<HeadRow>(UNSIGNED, [limit])).map(headFromRow);
  }

  async unsignedAt(heads: readonly WriterHead[]): Promise<readonly UnsignedHead[]> {
    const rows = await this.#database.read<HeadRow>(UNSIGNED_AT, [
      heads.map(({ writer }) => writer),
      heads.map(({ sequence }) => sequence),
      heads.map(({ hash }) => hash),
    ]);
    return rows.map(headFromRow);
  }

  async lastCheckpoint(): Promise<SignedCheckpoint | null> {
    const [row] = await this.#database.read<CheckpointRow>(LAST_CHECKPOINT, []);
    return row === undefined ? null : checkpointFromRow(row);
  }

  async addCheckpoint(
    number: bigint,
    { payload, signature, keyId }: SignedCheckpoint,
    heads: readonly UnsignedHead[],
    at: Date,
  ): Promise<boolean> {
    try {
      await this.#database.transaction(async (sql) => {
        const kept = await sql.query(ADD_CHECKPOINT, [number, at, payload, signature, keyId]);
        const signed = await sql.query(SIGNED, [
          heads.map(({ writer }) => writer),
          heads.map(({ sequence }) => sequence),
          heads.map((head) => head.signed),
        ]);
        if (kept.rowCount !== 1 || signed.rowCount !== heads.length) throw new Overtaken();
      });
      return true;
    } catch (error) {
      if (error instanceof Overtaken) return false;
      throw error;
    }
  }

  async takeDuty(holder: string, now: Date, until: Date): Promise<boolean> {
    return (await this.#database.change(TAKE_DUTY, [holder, now, until])).rowCount === 1;
  }

  async leaveDuty(holder: string): Promise<void> {
    await this.#database.change(LEAVE_DUTY, [holder]);
  }

  async oldestUnchained(): Promise<Date | null> {
    const [row] = await this.#database.read<{ readonly at: Date | null }>(OLDEST_UNCHAINED, []);
    return row?.at ?? null;
  }
}

/** Throws Overtaken where the head is another one by now. */
async function chain(
  sql: SqlSession,
  head: WriterHead,
  names: readonly RowName[],
  at: Date,
  lookForEntries: boolean,
): Promise<WriterHead> {
  const claimed: Unchained[] = [];
  for (const source of AUDIT_SOURCES.values()) {
    const subjects = names.filter((name) => name.source === source.name).map(({ subject }) => subject);
    if (subjects.length > 0) claimed.push(...(await claim(sql, head.writer, source, subjects)));
  }
  const entered = lookForEntries ? await enteredOf(sql, claimed) : new Set<string>();
  const rows = claimed.filter(({ source, subject }) => !entered.has(`${source} ${subject}`));
  const entries = chainAfter(head, rows, at);
  const last = entries.at(-1);
  if (last === undefined) {
    const [now] = (await sql.query<HeadRow>(WRITER, [head.writer])).rows;
    if (now?.sequence !== head.sequence) throw new Overtaken();
    return head;
  }
  const { rowCount } = await sql.query(ADD_ENTRIES, [
    head.writer,
    head.sequence,
    last.sequence,
    last.hash,
    at,
    entries.map(({ sequence }) => sequence),
    entries.map(({ source }) => source),
    entries.map(({ subject }) => subject),
    entries.map(({ keptHash }) => keptHash),
    entries.map(({ erasableHash }) => erasableHash),
    entries.map(({ hash }) => hash),
  ]);
  if (rowCount !== entries.length) throw new Overtaken();
  return headOf(last);
}

async function claim(
  sql: SqlSession,
  writer: string,
  source: AuditSource,
  subjects: readonly string[],
): Promise<readonly Unchained[]> {
  const { rows } = await sql.query<ClaimedRow>(source.claim, [writer, ...source.keysOf(subjects)]);
  const contents = new Map<string, Unchained['content']>();
  const unread: string[] = [];
  for (const { subject, kept_hash: keptHash } of rows) {
    if (keptHash === null) unread.push(subject);
    else contents.set(subject, { keptHash });
  }
  if (unread.length > 0) {
    const read = async (statement: Statement, values: readonly SqlValue[]) =>
      (await sql.query<ContentRow>(statement, values)).rows;
    for (const [subject, content] of await contentsOf(read, source, unread)) contents.set(subject, content);
  }
  // In the order in which they were found, which is that of their times.
  return subjects.flatMap((subject) => {
    const content = contents.get(subject);
    return content === undefined ? [] : [{ source: source.name, subject, content }];
  });
}

async function enteredOf(sql: SqlSession, rows: readonly Unchained[]): Promise<ReadonlySet<string>> {
  const found = await sql.query<RowName>(ENTERED, [
    rows.map(({ source }) => source),
    rows.map(({ subject }) => subject),
  ]);
  return new Set(found.rows.map(({ source, subject }) => `${source} ${subject}`));
}
