import { type PolicyScope, parseScope, scopeKey } from '../../policy/scope.ts';
import type {
  Activation,
  HeldActivation,
  PolicyChanged,
  PolicyMode,
  PolicySnapshot,
  PolicyStore,
  StoredDocument,
  WantedActivation,
} from '../../policy/store.ts';
import type { Database } from './database.ts';
import { prepared, type SqlSession } from './engine/statement.ts';

/** Scopes that something may be assigned to at a time; each replica holds all of them in memory. */
const MAXIMUM_ASSIGNED = 500n;

interface DocumentRow {
  readonly version: string;
  readonly document: string;
  readonly created_by: string;
  readonly created_at: Date;
  readonly note: string;
}

interface ActivationRow {
  readonly number: bigint;
  readonly scope: string;
  readonly basis_points: number | null;
  readonly mode: PolicyMode;
  readonly version: string | null;
  readonly activated_by: string;
  readonly activated_at: Date;
  readonly note: string;
}

interface HeldRow extends ActivationRow {
  readonly seed: Buffer;
  readonly document: string;
}

const HEAD = prepared('policy-head', "SELECT last FROM policy_head WHERE name = 'policy'");

const TAKE_GENERATION = prepared(
  'take-policy-generation',
  `INSERT INTO policy_head (name, last) VALUES ('policy', 1)
   ON CONFLICT (name) DO UPDATE SET last = policy_head.last + 1
   RETURNING last`,
);

const INSERT_DOCUMENT = prepared(
  'insert-policy-document',
  `INSERT INTO policy_document (version, document, created_by, created_at, note) VALUES ($1, $2, $3, $4, $5)
   ON CONFLICT (version) DO NOTHING`,
);

const DOCUMENT = prepared(
  'policy-document',
  'SELECT version, document, created_by, created_at, note FROM policy_document WHERE version = $1',
);

const DOCUMENTS = prepared(
  'policy-documents',
  `SELECT version, created_by, created_at, note FROM policy_document
    ORDER BY created_at DESC, version DESC LIMIT $1`,
);

const COLUMNS = 'a.number, a.scope, a.basis_points, a.mode, a.version, a.activated_by, a.activated_at, a.note';

const HISTORY = prepared(
  'policy-history',
  `SELECT ${COLUMNS} FROM policy_activation a ORDER BY a.number DESC LIMIT $1`,
);

const LATEST_OF_SCOPE = prepared(
  'latest-policy-activation',
  `SELECT version, seed FROM policy_activation WHERE scope = $1 AND mode = $2 ORDER BY number DESC LIMIT 1`,
);

// What a later entry of the same scope and mode has taken the place of does not hold any more, nor what is withdrawn.
const HOLDS = `a.version IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM policy_activation b WHERE b.scope = a.scope AND b.mode = a.mode AND b.number > a.number)`;

const HELD = prepared(
  'held-policies',
  `SELECT ${COLUMNS}, a.seed, d.document
     FROM policy_activation a JOIN policy_document d ON d.version = a.version
    WHERE ${HOLDS} ORDER BY a.number`,
);

const COUNT_HELD = prepared(
  'count-held-policies',
  `SELECT COUNT(*) AS held FROM policy_activation a WHERE ${HOLDS} AND NOT (a.scope = $1 AND a.mode = $2)`,
);

const INSERT_ACTIVATION = prepared(
  'insert-policy-activation',
  `INSERT INTO policy_activation (number, scope, basis_points, mode, version, seed, activated_by, activated_at, note)
   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
);

const MEMBERS_OF_ASSIGNED = prepared(
  'members-of-assigned-groups',
  `SELECT group_name, device_id FROM device_group_member WHERE group_name = ANY($1::TEXT[])`,
);

const ALL_ACTIVE = prepared('count-active-devices', "SELECT COUNT(*) AS devices FROM device WHERE status = 'active'");

const ACTIVE_OF_MERCHANT = prepared(
  'count-active-of-merchant',
  "SELECT COUNT(*) AS devices FROM device WHERE acquirer = $1 AND merchant = $2 AND status = 'active'",
);

const ACTIVE_OF_GROUP = prepared(
  'count-active-of-group',
  `SELECT COUNT(*) AS devices FROM device_group_member m JOIN device d ON d.id = m.device_id
    WHERE m.group_name = $1 AND d.status = 'active'`,
);

/** Takes the number of the next generation, within the transaction that makes it. */
export async function takeGeneration(sql: SqlSession): Promise<bigint> {
  const { rows } = await sql.query<{ last: bigint }>(TAKE_GENERATION);
  return rows[0]!.last;
}

async function generationIn(sql: SqlSession): Promise<bigint> {
  const { rows } = await sql.query<{ last: bigint }>(HEAD);
  return rows[0]?.last ?? 0n;
}

/** Versions and activations of policy in SQL: rows are added, none is changed. */
export class SqlPolicyStore implements PolicyStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async generation(): Promise<bigint> {
    const [row] = await this.#database.read<{ last: bigint }>(HEAD, []);
    return row?.last ?? 0n;
  }

  /** One transaction: a generation and what holds in it, never parts of two. */
  snapshot(): Promise<PolicySnapshot> {
    return this.#database.transaction(async (sql) => {
      const generation = await generationIn(sql);
      const held = (await sql.query<HeldRow>(HELD)).rows.map(heldOf);
      const groups = held.flatMap(({ scope }) => (scope.kind === 'group' ? [scope.group] : []));
      const members =
        groups.length === 0
          ? []
          : (await sql.query<{ group_name: string; device_id: string }>(MEMBERS_OF_ASSIGNED, [groups])).rows;
      return {
        generation,
        held,
        members: members.map(({ group_name: group, device_id: deviceId }) => ({ group, deviceId })),
      };
    });
  }

  async addDocument(document: StoredDocument): Promise<StoredDocument> {
    await this.#database.change(INSERT_DOCUMENT, valuesOf(document));
    return (await this.document(document.version)) ?? document;
  }

  async document(version: string): Promise<StoredDocument | null> {
    const [row] = await this.#database.read<DocumentRow>(DOCUMENT, [version]);
    return row === undefined ? null : { ...describedOf(row), json: row.document };
  }

  async documents(limit: number): Promise<readonly Omit<StoredDocument, 'json'>[]> {
    return (await this.#database.read<Omit<DocumentRow, 'document'>>(DOCUMENTS, [limit])).map(describedOf);
  }

  activate(wanted: WantedActivation): Promise<PolicyChanged> {
    const { scope, mode, version, expectedGeneration } = wanted;
    const key = scopeKey(scope);
    return this.#database.transaction(async (sql): Promise<PolicyChanged> => {
      const standing = await generationIn(sql);
      if (expectedGeneration !== null && expectedGeneration !== standing) {
        return { outcome: 'moved-on', generation: standing };
      }
      const [latest] = (await sql.query<{ version: string | null; seed: Buffer }>(LATEST_OF_SCOPE, [key, mode])).rows;
      if (version === null && (latest?.version ?? null) === null) return { outcome: 'nothing-assigned' };
      if (version !== null) {
        if ((await sql.query(DOCUMENT, [version])).rowCount === 0) return { outcome: 'no-such-version' };
        const { held } = (await sql.query<{ held: bigint }>(COUNT_HELD, [key, mode])).rows[0]!;
        if (held >= MAXIMUM_ASSIGNED) return { outcome: 'limit-reached' };
      }
      const seed = version !== null && latest?.version === version ? latest.seed : wanted.seed;
      const generation = await takeGeneration(sql);
      await insertActivation(sql, generation, { ...wanted, seed });
      return { outcome: 'changed', generation };
    });
  }

  seed(document: StoredDocument, seed: Uint8Array): Promise<boolean> {
    const { version, createdBy: by, createdAt: at, note } = document;
    return this.#database.transaction(async (sql) => {
      if ((await generationIn(sql)) !== 0n) return false;
      await sql.query(INSERT_DOCUMENT, valuesOf(document));
      const wanted = { scope: { kind: 'default' }, mode: 'active', version, by, at, note, seed } as const;
      await insertActivation(sql, await takeGeneration(sql), wanted);
      return true;
    });
  }

  async history(limit: number): Promise<readonly Activation[]> {
    return (await this.#database.read<ActivationRow>(HISTORY, [limit])).map(activationOf);
  }

  async devicesIn(scope: PolicyScope): Promise<number> {
    const [row] = await this.#database.read<{ devices: bigint }>(...counting(scope));
    const devices = Number(row?.devices ?? 0n);
    return scope.kind === 'canary' ? Math.round((devices * scope.basisPoints) / 10_000) : devices;
  }
}

function counting(scope: PolicyScope): Parameters<Database['read']> {
  switch (scope.kind) {
    case 'merchant':
      return [ACTIVE_OF_MERCHANT, [scope.acquirer, scope.merchant]];
    case 'group':
      return [ACTIVE_OF_GROUP, [scope.group]];
    default:
      return [ALL_ACTIVE, []];
  }
}

async function insertActivation(
  sql: SqlSession,
  number: bigint,
  { scope, mode, version, seed, by, at, note }: Omit<WantedActivation, 'expectedGeneration'>,
): Promise<void> {
  const basisPoints = scope.kind === 'canary' ? scope.basisPoints : null;
  const values = [number, scopeKey(scope), basisPoints, mode, version, seed, by, at, note];
  await sql.query(INSERT_ACTIVATION, values);
}

function valuesOf({ version, json, createdBy, createdAt, note }: StoredDocument) {
  return [version, json, createdBy, createdAt, note];
}

function describedOf({ version, created_by, created_at, note }: Omit<DocumentRow, 'document'>) {
  return { version, createdBy: created_by, createdAt: created_at, note };
}

function scopeOf({ scope, basis_points }: ActivationRow): PolicyScope {
  if (scope === 'canary') return { kind: 'canary', basisPoints: basis_points ?? 0 };
  const parsed = parseScope(scope);
  if (!parsed.ok) throw new RangeError(`policy_activation holds no scope: ${scope}`);
  return parsed.value;
}

function activationOf(row: ActivationRow): Activation {
  const { number, mode, version, activated_by: by, activated_at: at, note } = row;
  return { number, scope: scopeOf(row), mode, version, by, at, note };
}

function heldOf(row: HeldRow): HeldActivation {
  // The statement answers only rows that have a version.
  return { ...activationOf(row), version: row.version ?? '', seed: row.seed, json: row.document };
}
