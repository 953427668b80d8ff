import type { KeyHistory, SeenKey, SlotStep } from '../../audit/store.ts';
import type { Database } from './database.ts';
import { prepared } from './engine/statement.ts';

interface PublishedRow {
  readonly key_id: string;
  readonly purpose: string;
  readonly public_key: Buffer;
  readonly first_seen: Date;
  readonly state: string | null;
}

interface EndorsementRow {
  readonly key_id: string;
  readonly anchor_id: string;
  readonly signature: Buffer;
}

/** More of one key than a keystore may have had anchors are none of the service's. */
const MOST_ENDORSEMENTS = 16;

const NOTE_KEYS = prepared(
  'note-published-keys',
  `INSERT INTO published_key (key_id, purpose, public_key, first_seen)
   SELECT k.key_id, k.purpose, k.public_key, $4
     FROM unnest($1::TEXT[], $2::TEXT[], $3::BYTEA[]) AS k (key_id, purpose, public_key)
   ON CONFLICT (key_id) DO NOTHING`,
);

// What an anchor has said is what the vault says of it now: whoever wrote something else there is put right.
const NOTE_ENDORSEMENTS = prepared(
  'note-key-endorsements',
  `INSERT INTO published_key_endorsement (key_id, anchor_id, signature)
   SELECT e.key_id, e.anchor_id, e.signature
     FROM unnest($1::TEXT[], $2::TEXT[], $3::BYTEA[]) AS e (key_id, anchor_id, signature)
   ON CONFLICT (key_id, anchor_id) DO UPDATE SET signature = excluded.signature
     WHERE published_key_endorsement.signature <> excluded.signature`,
);

const ENDORSEMENTS = prepared(
  'key-endorsements',
  `SELECT e.key_id, e.anchor_id, e.signature FROM published_key_endorsement e
    ORDER BY e.key_id, e.anchor_id LIMIT 80000`,
);

const NOTE_STEPS = prepared(
  'note-key-slot-changes',
  `INSERT INTO key_slot_change (slot_id, number, kind, acquirer, key_id, state, changed_by, changed_at)
   SELECT s.slot_id, s.number, s.kind, s.acquirer, s.key_id, s.state, s.changed_by, s.changed_at
     FROM unnest($1::TEXT[], $2::INT4[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[], $8::TIMESTAMPTZ[])
       AS s (slot_id, number, kind, acquirer, key_id, state, changed_by, changed_at)
   ON CONFLICT (slot_id, number) DO NOTHING`,
);

const PUBLISHED = prepared(
  'published-keys',
  `SELECT p.key_id, p.purpose, p.public_key, p.first_seen,
          (SELECT c.state FROM key_slot_change c WHERE c.key_id = p.key_id ORDER BY c.number DESC LIMIT 1) AS state
     FROM published_key p ORDER BY p.first_seen, p.key_id LIMIT 10000`,
);

/** What the vault has said of its keys, in SQL. */
export class SqlKeyHistory implements KeyHistory {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async note(keys: readonly SeenKey[], steps: readonly SlotStep[], at: Date): Promise<number> {
    const noted = await this.#database.change(NOTE_KEYS, [
      keys.map(({ keyId }) => keyId),
      keys.map(({ purpose }) => purpose),
      keys.map(({ publicKey }) => publicKey),
      at,
    ]);
    const stepped = await this.#database.change(NOTE_STEPS, [
      steps.map(({ slotId }) => slotId),
      steps.map(({ number }) => number),
      steps.map(({ kind }) => kind),
      steps.map(({ acquirer }) => acquirer),
      steps.map(({ keyId }) => keyId),
      steps.map(({ state }) => state),
      steps.map(({ by }) => by),
      steps.map(({ at: changed }) => changed),
    ]);
    const endorsed = keys.flatMap(({ keyId, endorsements = [] }) => endorsements.map((said) => ({ keyId, ...said })));
    await this.#database.change(NOTE_ENDORSEMENTS, [
      endorsed.map(({ keyId }) => keyId),
      endorsed.map(({ anchorId }) => anchorId),
      endorsed.map(({ signature }) => signature),
    ]);
    return noted.rowCount + stepped.rowCount;
  }

  async publishedKeys(): ReturnType<KeyHistory['publishedKeys']> {
    const rows = await this.#database.read<PublishedRow>(PUBLISHED, []);
    const said = Map.groupBy(await this.#database.read<EndorsementRow>(ENDORSEMENTS, []), ({ key_id: id }) => id);
    return rows.map((row) => ({
      keyId: row.key_id,
      purpose: row.purpose,
      publicKey: row.public_key,
      firstSeen: row.first_seen,
      state: row.state,
      endorsements: (said.get(row.key_id) ?? [])
        .slice(0, MOST_ENDORSEMENTS)
        .map(({ anchor_id: anchorId, signature }) => ({ anchorId, signature })),
    }));
  }
}
