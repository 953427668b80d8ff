import { type AuditedContent, type AuditRecord, type RecordValue, recordValue } from '../../audit/record.ts';
import { sha256 } from '../../encoding/digest.ts';
import { prepared, type Statement } from './engine/statement.ts';

/** A column of a record: an expression over the row `t`. */
interface Column {
  readonly name: string;
  /** The column `name` where absent. */
  readonly expression?: string;
  /** The record holds SHA-256 of the bytes or text: too long, or of no use in a log. */
  readonly digest?: true;
}

/** A table whose rows are chained, or one side of the life of its rows. */
interface SourceDefinition {
  /** With the form of its columns: columns never change under one name. */
  readonly name: string;
  readonly table: string;
  readonly key: readonly { readonly column: string; readonly type: 'UUID' | 'INT8' | 'INT4' | 'TEXT' }[];
  /** Who has chained the row. */
  readonly marker: string;
  /** Which rows, where not all. */
  readonly condition?: string;
  /** Column of the hash of what is kept, where it is written with the row; null in rows of before it was. */
  readonly keptHash?: string;
  /** When the row was written, by which what is unchained is ordered; and whether that tells how late it is. */
  readonly written: { readonly column: string; readonly tellsAge: boolean };
  /** Never changed once it is written. */
  readonly kept: readonly Column[];
  /** Goes when a device is forgotten. */
  readonly erasable?: { readonly columns: readonly Column[]; readonly erased: string };
  /** Joined to the row. */
  readonly join?: string;
}

const columns = (...names: readonly string[]): Column[] => names.map((name) => ({ name }));

/** The source of gate decisions. */
export const DECISION_SOURCE = 'decision/1';

/** Somebody had the row's device forgotten, and the log has it: what else says so may have been written by anybody. */
const FORGOTTEN = `EXISTS (SELECT 1 FROM device_change f
  WHERE f.device_id = t.device_id AND f.standing_after = 'forgotten' AND f.chained_by IS NOT NULL)`;

/** Everything that is chained. A table of its own row here, and a migration with its marker, is all that a new one needs. */
const DEFINITIONS: readonly SourceDefinition[] = [
  {
    name: DECISION_SOURCE,
    table: 'decision',
    key: [{ column: 'grant_id', type: 'UUID' }],
    marker: 'chained_by',
    keptHash: 'kept_hash',
    written: { column: 'decided_at', tellsAge: true },
    join: 'LEFT JOIN transaction_grant g ON g.id = t.grant_id',
    kept: [
      ...columns('intent_hash', 'thumbprint', 'device_id', 'acquirer', 'merchant', 'order_number', 'amount_minor'),
      ...columns('currency', 'sequence', 'outcome', 'reasons', 'pin_entered', 'card_reference', 'policy_version'),
      ...columns('decided_at', 'transaction_type', 'root_grant_id', 'gate_policy_version', 'evidence_hash', 'facts'),
      { name: 'receipt_hash', expression: 't.receipt', digest: true },
      { name: 'grant_hash', expression: 'g.payload', digest: true },
    ],
  },
  {
    name: 'payment-outcome/1',
    table: 'payment_outcome',
    key: [{ column: 'grant_id', type: 'UUID' }],
    marker: 'chained_by',
    written: { column: 'reported_at', tellsAge: true },
    kept: columns('outcome', 'reported_by', 'reported_at'),
  },
  {
    name: 'device-change/1',
    table: 'device_change',
    key: [
      { column: 'device_id', type: 'UUID' },
      { column: 'number', type: 'INT8' },
    ],
    marker: 'chained_by',
    written: { column: 'changed_at', tellsAge: true },
    kept: columns('standing_before', 'standing_after', 'changed_by', 'changed_at'),
    erasable: { columns: columns('cause'), erased: `t.cause = '' AND ${FORGOTTEN}` },
  },
  {
    name: 'appraisal/1',
    table: 'appraisal',
    key: [{ column: 'id', type: 'UUID' }],
    marker: 'chained_by',
    written: { column: 'appraised_at', tellsAge: true },
    kept: columns('device_id', 'appraised_at', 'policy_version', 'verdict', 'reasons', 'reappraisal_id'),
    erasable: {
      columns: columns('checks', 'facts'),
      erased: `t.facts = '{}'::JSONB AND ${FORGOTTEN}`,
    },
  },
  {
    name: 'invite/1',
    table: 'invite',
    key: [{ column: 'id', type: 'UUID' }],
    marker: 'chained_by',
    written: { column: 'created_at', tellsAge: true },
    kept: columns('acquirer', 'merchant', 'replaces_device_id', 'created_by', 'created_at', 'expires_at'),
  },
  {
    name: 'invite-closing/1',
    table: 'invite',
    key: [{ column: 'id', type: 'UUID' }],
    marker: 'closing_chained_by',
    condition: "t.state <> 'open'",
    // The invite's age, not its closing's.
    written: { column: 'created_at', tellsAge: false },
    kept: columns('state', 'device_id', 'withdrawn_by', 'withdrawn_at'),
  },
  {
    name: 'key-slot-change/1',
    table: 'key_slot_change',
    key: [
      { column: 'slot_id', type: 'TEXT' },
      { column: 'number', type: 'INT4' },
    ],
    marker: 'chained_by',
    // The vault wrote it long before where this is the first look at it.
    written: { column: 'changed_at', tellsAge: false },
    kept: columns('kind', 'acquirer', 'key_id', 'state', 'changed_by', 'changed_at'),
  },
  {
    name: 'published-key/1',
    table: 'published_key',
    key: [{ column: 'key_id', type: 'TEXT' }],
    marker: 'chained_by',
    written: { column: 'first_seen', tellsAge: true },
    kept: columns('purpose', 'public_key', 'first_seen'),
  },
  {
    name: 'policy-document/1',
    table: 'policy_document',
    key: [{ column: 'version', type: 'TEXT' }],
    marker: 'chained_by',
    written: { column: 'created_at', tellsAge: true },
    kept: [
      ...columns('created_by', 'created_at', 'note'),
      { name: 'document_hash', expression: 't.document', digest: true },
    ],
  },
  {
    name: 'policy-activation/1',
    table: 'policy_activation',
    key: [{ column: 'number', type: 'INT8' }],
    marker: 'chained_by',
    written: { column: 'activated_at', tellsAge: true },
    kept: columns('scope', 'basis_points', 'mode', 'version', 'seed', 'activated_by', 'activated_at', 'note'),
  },
  {
    name: 'device-group-change/1',
    table: 'device_group_change',
    key: [{ column: 'number', type: 'INT8' }],
    marker: 'chained_by',
    written: { column: 'changed_at', tellsAge: true },
    kept: columns('group_name', 'change', 'device_ids', 'changed_by', 'changed_at'),
  },
  {
    name: 'kill-switch/1',
    table: 'kill_switch',
    key: [{ column: 'id', type: 'UUID' }],
    marker: 'chained_by',
    written: { column: 'set_at', tellsAge: true },
    kept: columns('generation', 'scope', 'selector', 'cause', 'set_by', 'set_at'),
  },
  {
    name: 'kill-switch-lifting/1',
    table: 'kill_switch',
    key: [{ column: 'id', type: 'UUID' }],
    marker: 'lifting_chained_by',
    condition: 't.lifted_at IS NOT NULL',
    written: { column: 'lifted_at', tellsAge: true },
    kept: columns('lifted_by', 'lift_cause', 'lifted_at'),
  },
];

/** A source with its statements. */
export interface AuditSource {
  readonly name: string;
  /**
   * $1: the writer; then an array a key column. Answers `subject` of each row that was not chained before, and
   * `kept_hash`: null where the row has to be read.
   */
  readonly claim: Statement;
  /** An array a key column. Answers `subject` and the columns of each row. */
  readonly content: Statement;
  /** $1: how many; then the key that the page comes after, each column null for the first. Answers `subject`. */
  readonly chained: Statement;
  /** The arrays of key columns that name these rows. */
  readonly keysOf: (subjects: readonly string[]) => readonly (readonly string[])[];
  /** The key that a page comes after. */
  readonly keyOf: (subject: string | null) => readonly (string | null)[];
  readonly contentOf: (row: Readonly<Record<string, unknown>>) => AuditedContent;
}

const subjectOf = ({ key }: SourceDefinition): string =>
  key.map(({ column }) => `t.${column}::TEXT`).join(" || '/' || ");

const statementName = (what: string, { name }: SourceDefinition): string => `audit-${what}-${name.replace('/', '-')}`;

function sourceOf(definition: SourceDefinition): AuditSource {
  const { name, table, key, marker, condition, keptHash, kept, erasable, join = '' } = definition;
  const names = key.map(({ column }) => column).join(', ');
  const arrays = (first: number): string => key.map(({ type }, at) => `$${first + at}::${type}[]`).join(', ');
  const own = key.map(({ column }) => `t.${column} = k.${column}`).join(' AND ');
  const and = condition === undefined ? '' : ` AND ${condition}`;
  const read = [...kept, ...(erasable?.columns ?? [])];
  const expressions = read.map(({ name: column, expression = `t.${column}` }) => `${expression} AS ${column}`);
  const erased = erasable === undefined ? 'FALSE' : `(${erasable.erased})`;
  const after = key.map(({ type }, at) => `$${2 + at}::${type}`);
  return {
    name,
    claim: prepared(
      statementName('claim', definition),
      `UPDATE ${table} AS t SET ${marker} = $1 FROM unnest(${arrays(2)}) AS k (${names})
        WHERE ${own} AND t.${marker} IS NULL${and}
       RETURNING ${subjectOf(definition)} AS subject, ${keptHash === undefined ? 'NULL::BYTEA' : `t.${keptHash}`} AS kept_hash`,
    ),
    content: prepared(
      statementName('content', definition),
      `SELECT ${subjectOf(definition)} AS subject, ${erased} AS erased, ${expressions.join(', ')}
         FROM unnest(${arrays(1)}) AS k (${names}) JOIN ${table} t ON ${own} ${join}`,
    ),
    chained: prepared(
      statementName('chained', definition),
      `SELECT ${subjectOf(definition)} AS subject FROM ${table} t
        WHERE t.${marker} IS NOT NULL AND (${after[0]} IS NULL OR (${key.map(({ column }) => `t.${column}`).join(', ')}) > (${after.join(', ')}))
        ORDER BY ${key.map(({ column }) => `t.${column}`).join(', ')} LIMIT $1`,
    ),
    keysOf: (subjects) => key.map((_, at) => subjects.map((subject) => subject.split('/')[at] ?? '')),
    keyOf: (subject) => key.map((_, at) => (subject === null ? null : (subject.split('/')[at] ?? ''))),
    contentOf: (row) => ({
      kept: recordOf(kept, row),
      erasable: erasable === undefined ? null : row.erased === true ? 'erased' : recordOf(erasable.columns, row),
    }),
  };
}

function recordOf(read: readonly Column[], row: Readonly<Record<string, unknown>>): AuditRecord {
  return Object.fromEntries(
    read.map(({ name, digest }) => [name, digest ? digestOf(row[name]) : recordValue(row[name])]),
  );
}

function digestOf(value: unknown): RecordValue {
  if (typeof value === 'string') return sha256(Buffer.from(value, 'utf8')).toString('hex');
  return value instanceof Uint8Array ? sha256(value).toString('hex') : null;
}

/** Every source, by name. */
export const AUDIT_SOURCES: ReadonlyMap<string, AuditSource> = new Map(
  DEFINITIONS.map((definition) => [definition.name, sourceOf(definition)]),
);

const waiting = ({ marker, condition }: SourceDefinition): string =>
  `t.${marker} IS NULL${condition === undefined ? '' : ` AND ${condition}`}`;

/** $1: how many of each source. */
export const UNCHAINED = prepared(
  'audit-unchained',
  DEFINITIONS.map(
    (definition) =>
      `(SELECT '${definition.name}' AS source, ${subjectOf(definition)} AS subject FROM ${definition.table} t
         WHERE ${waiting(definition)} ORDER BY t.${definition.written.column} LIMIT $1)`,
  ).join(' UNION ALL '),
);

/** When the oldest row was written that nobody has chained, of the sources that tell. */
export const OLDEST_UNCHAINED = prepared(
  'audit-oldest-unchained',
  `SELECT MIN(waiting.at) AS at FROM (${DEFINITIONS.filter(({ written }) => written.tellsAge)
    .map(
      (definition) =>
        `(SELECT t.${definition.written.column} AS at FROM ${definition.table} t
           WHERE ${waiting(definition)} ORDER BY t.${definition.written.column} LIMIT 1)`,
    )
    .join(' UNION ALL ')}) AS waiting`,
);
