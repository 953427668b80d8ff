import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { addressAt } from '../../src/store/sql/engine/embedded/server.ts';
import type { World } from '../../src/virtual/world/world.ts';

/** Where the embedded database listens: line 5 of its postmaster.pid. */
function socketFolder(data: string): string {
  const postgres = join(data, 'postgres');
  const file = readdirSync(postgres, { recursive: true }).find((path) => String(path).endsWith('postmaster.pid'));
  if (file === undefined) throw new Error('no database runs');
  return readFileSync(join(postgres, String(file)), 'utf8').split('\n')[4] ?? '';
}

/** A look at the database from outside, past the service. It costs nobody a conflict: it is not serializable. */
export class OutsideView {
  readonly #client: Client;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async open(world: World): Promise<OutsideView> {
    const { host, port, user, database } = addressAt(socketFolder(world.folder.data));
    const client = new Client({
      host,
      port,
      user,
      database,
      application_name: 'outside view',
      options: '-c default_transaction_isolation=read\\ committed -c default_transaction_read_only=on',
    });
    await client.connect();
    return new OutsideView(client);
  }

  async rows<Row extends object>(statement: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    return (await this.#client.query<Row>(statement, [...values])).rows;
  }

  /** Intents of these grants that are approved, by their hashes in hexadecimal. */
  async approvedOf(grants: readonly string[]): Promise<ReadonlySet<string>> {
    const rows = await this.rows<{ readonly intent: string }>(
      `SELECT encode(intent_hash, 'hex') AS intent FROM decision
        WHERE grant_id = ANY($1::UUID[]) AND outcome = 'approved'`,
      [grants],
    );
    return new Set(rows.map(({ intent }) => intent));
  }

  close(): Promise<void> {
    return this.#client.end();
  }
}
