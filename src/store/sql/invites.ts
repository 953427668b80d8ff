import type { InviteStore, NewInvite, OpenInvite } from '../../devices/store.ts';
import type { Database } from './database.ts';
import { prepared } from './engine/statement.ts';

const INSERT_INVITE = prepared(
  'insert-invite',
  `INSERT INTO invite (id, code_hash, acquirer, merchant, state, created_by, created_at, expires_at)
   VALUES ($1, $2, $3, $4, 'open', $5, $6, $7)`,
);

const OPEN_INVITE = prepared(
  'open-invite',
  `SELECT id, acquirer, merchant FROM invite WHERE code_hash = $1 AND state = 'open' AND expires_at > $2`,
);

const ENROLLED_DEVICE = prepared('enrolled-device', 'SELECT device_id FROM invite WHERE code_hash = $1');

/** Invites in SQL; codes only as hashes. */
export class SqlInviteStore implements InviteStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async addInvite(invite: NewInvite): Promise<void> {
    const { id, codeHash, acquirer, merchant, createdBy, createdAt, expiresAt } = invite;
    await this.#database.change(INSERT_INVITE, [id, codeHash, acquirer, merchant, createdBy, createdAt, expiresAt]);
  }

  async openInvite(codeHash: Buffer, now: Date): Promise<OpenInvite | null> {
    const [row] = await this.#database.read<OpenInvite>(OPEN_INVITE, [codeHash, now]);
    return row ?? null;
  }

  async enrolledDevice(codeHash: Buffer): Promise<string | null> {
    const [row] = await this.#database.read<{ device_id: string | null }>(ENROLLED_DEVICE, [codeHash]);
    return row?.device_id ?? null;
  }
}
