/** What a statement may not hold, because not every database that the service runs on has it, or has it alike. */
export interface SqlRule {
  /** What is wrong with it, for whoever has to mend it. */
  readonly what: string;
  /** Keywords as this project writes them, in capitals; functions as they are. */
  readonly pattern: RegExp;
  /** Where that is said. */
  readonly source: string;
}

const COMPATIBILITY = 'CockroachDB docs, PostgreSQL compatibility';
const DETAILED = 'CockroachDB docs, SQL feature support';
const HOTSPOTS = 'CockroachDB docs, understand hotspots';
const ONLINE = 'CockroachDB docs, online schema changes';
const ISOLATION = 'CockroachDB docs, SELECT FOR UPDATE';
const RELEASES = 'PostgreSQL release notes 16, 17 and 18';

/** What PostgreSQL has and CockroachDB lacks, stubs or does otherwise. */
export const NOT_PORTABLE: readonly SqlRule[] = [
  {
    what: 'advisory locks are no-ops there',
    pattern: /\bpg_(try_)?advisory/i,
    source: `${COMPATIBILITY}: advisory lock functions`,
  },
  {
    what: 'there is no LISTEN and NOTIFY',
    pattern: /\b(UN)?LISTEN\b|\bNOTIFY\b|\bpg_notify\b/,
    source: `${DETAILED}: asynchronous notifications, issue 41522`,
  },
  {
    what: 'triggers and rules come late, or not',
    pattern: /\bTRIGGER\b|\bCREATE (OR REPLACE )?RULE\b/,
    source: `${COMPATIBILITY}: triggers, events`,
  },
  {
    what: 'constraints are not deferrable',
    pattern: /\bDEFERRABLE\b|\bDEFERRED\b/,
    source: `${DETAILED}: constraints, issue 31632`,
  },
  {
    what: 'there are no exclusion constraints',
    pattern: /\bEXCLUDE USING\b/,
    source: `${DETAILED}: constraints, issue 46657`,
  },
  {
    what: 'NULLS NOT DISTINCT is unknown there',
    pattern: /\bNULLS NOT DISTINCT\b/,
    source: `${DETAILED}: constraints, issue 115836`,
  },
  {
    what: 'SERIAL and sequences: keys are UUIDs or content',
    pattern: /\b(BIG|SMALL)?SERIAL\b|\bCREATE SEQUENCE\b|\bnextval\(|\bAS IDENTITY\b/i,
    source: `${HOTSPOTS}: rising keys write to one range`,
  },
  {
    what: 'money is INT8 in minor units',
    pattern: /\bMONEY\b|\bREAL\b|\bFLOAT[48]?\b|\bDOUBLE PRECISION\b/,
    source: `${COMPATIBILITY}: overflow of FLOAT`,
  },
  {
    what: 'INT is 64 bits there and 32 here: INT2, INT4 or INT8',
    pattern: /\b(INT|INTEGER|BIGINT|SMALLINT)\b/,
    source: 'CockroachDB docs, INT: names and aliases, default_int_size',
  },
  {
    what: 'the type is unknown there',
    pattern: /\b(XML|CIDR|MACADDR8?|POINT|LINE|LSEG|POLYGON|CIRCLE|HSTORE|(INT[48]|NUM|TS|TSTZ|DATE)(MULTI)?RANGE)\b/,
    source: `${DETAILED}: data types`,
  },
  {
    what: 'types of one database: TEXT with a CHECK',
    pattern: /\bCREATE (TYPE|DOMAIN)\b/,
    source: `${DETAILED}: CREATE DOMAIN, issue 27796; values of an ENUM change apart from their transaction`,
  },
  {
    what: 'shared row locks are off by default',
    pattern: /\bFOR (KEY )?SHARE\b/,
    source: `${ISOLATION}: shared locks under SERIALIZABLE`,
  },
  { what: 'tables are not locked there', pattern: /\bLOCK TABLE\b/, source: `${DETAILED}: LOCK, issue 52420` },
  {
    what: 'a decision never reads the past',
    pattern: /\bAS OF SYSTEM TIME\b/,
    source: 'CockroachDB docs, AS OF SYSTEM TIME: PostgreSQL has none',
  },
  { what: 'TRUNCATE is a schema change there', pattern: /\bTRUNCATE\b/, source: 'CockroachDB docs, TRUNCATE' },
  {
    what: 'temporary tables are experimental there',
    pattern: /\b(TEMP|TEMPORARY|UNLOGGED) (TABLE|VIEW)\b/,
    source: 'CockroachDB docs, temporary tables; UNLOGGED is ignored',
  },
  {
    what: 'no code in the database',
    pattern: /\bCREATE (OR REPLACE )?(FUNCTION|PROCEDURE|AGGREGATE)\b|\bDO \$|\bLANGUAGE plpgsql\b/,
    source: 'CockroachDB docs, PL/pgSQL and DO: a part, since v23.2 and v24.1',
  },
  {
    what: 'extensions are of PostgreSQL',
    pattern: /\bCREATE EXTENSION\b/,
    source: `${DETAILED}: extensions, a list of no-ops`,
  },
  {
    what: 'columns and rows of the system are of PostgreSQL',
    pattern: /\b(ctid|xmin|xmax|cmin|cmax|tableoid|txid_current|pg_current_xact_id|pg_current_wal_lsn)\b/,
    source: `${DETAILED}: system columns`,
  },
  {
    what: 'MERGE is unknown there: INSERT … ON CONFLICT',
    pattern: /\bMERGE INTO\b/,
    source: `${DETAILED}: MERGE`,
  },
  {
    what: 'grouping sets are unknown there',
    pattern: /\bGROUPING SETS\b|\b(CUBE|ROLLUP) ?\(/,
    source: `${DETAILED}: GROUPING SETS, issue 46280`,
  },
  { what: 'WITH TIES is unknown there', pattern: /\bWITH TIES\b/, source: `${DETAILED}: FETCH FIRST` },
  { what: 'TABLESAMPLE is unknown there', pattern: /\bTABLESAMPLE\b/, source: `${DETAILED}: SELECT` },
  {
    what: 'the index is of PostgreSQL',
    pattern: /\bUSING (GIST|SPGIST|BRIN|HASH)\b/i,
    source: 'CockroachDB docs, CREATE INDEX: b-tree and inverted',
  },
  {
    what: 'CONCURRENTLY leaves an invalid index where it is cut, which IF NOT EXISTS takes for made',
    pattern: /\bCONCURRENTLY\b/,
    source: 'PostgreSQL docs, CREATE INDEX: building indexes concurrently; CockroachDB ignores the word',
  },
  {
    what: 'a column does not change its type: add one',
    pattern: /\bALTER COLUMN \w+ (SET DATA )?TYPE\b/,
    source: `${ONLINE}: ALTER COLUMN TYPE rewrites, with limits`,
  },
  {
    what: 'inheritance and partitions are done otherwise there',
    pattern: /\bINHERITS ?\(|\bPARTITION (OF|BY (RANGE|LIST|HASH))\b/,
    source: `${DETAILED}: partitioning; inheritance`,
  },
  { what: 'collations differ', pattern: /\bCOLLATE\b|\bCREATE COLLATION\b/, source: 'CockroachDB docs, COLLATE' },
  {
    what: 'the name of a constraint is not the same there',
    pattern: /\bON CONFLICT ON CONSTRAINT\b/,
    source: 'CockroachDB docs, INSERT: ON CONFLICT names columns',
  },
  {
    what: 'maintenance is of one database',
    pattern: /\b(VACUUM|REINDEX|CLUSTER)\b|\bALTER SYSTEM\b|\bTABLESPACE\b/,
    source: `${DETAILED}: miscellaneous`,
  },
  {
    what: 'prepared transactions hold locks for ever',
    pattern: /\bPREPARE TRANSACTION\b|\b(COMMIT|ROLLBACK) PREPARED\b/,
    source: `${COMPATIBILITY}: XA syntax`,
  },
  { what: 'rows go by INSERT', pattern: /\bCOPY \w+ (FROM|TO)\b/, source: `${COMPATIBILITY}: COPY` },
  {
    what: 'cursors are limited there: pages by key',
    pattern: /\bDECLARE \w+ .*\bCURSOR\b/,
    source: 'CockroachDB docs, cursors: known limitations',
  },
  {
    what: 'newer than PostgreSQL 15',
    pattern:
      /\b(ANY_VALUE|JSON_TABLE|JSON_EXISTS|JSON_VALUE|JSON_QUERY|uuidv7) ?\(|\bIS JSON\b|\bWITHOUT OVERLAPS\b|\bNOT ENFORCED\b/i,
    source: RELEASES,
  },
];

/** What a migration may not hold, since a cut can fall between it and its record, so that it runs twice. */
export const ONCE_ONLY: readonly SqlRule[] = [
  {
    what: 'cannot run twice: IF NOT EXISTS',
    pattern: /\bCREATE (UNIQUE )?(TABLE|INDEX|SCHEMA|VIEW)\b(?! IF NOT EXISTS)/i,
    source: 'src/store/sql/engine/migrate.ts',
  },
  {
    what: 'cannot run twice: IF NOT EXISTS',
    pattern: /\bADD COLUMN\b(?! IF NOT EXISTS)/i,
    source: 'src/store/sql/engine/migrate.ts',
  },
  {
    what: 'cannot run twice: IF EXISTS',
    pattern: /\bDROP (TABLE|INDEX|COLUMN|CONSTRAINT|VIEW)\b(?! IF EXISTS)/i,
    source: 'src/store/sql/engine/migrate.ts',
  },
];
