import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedDatabase, startEmbedded } from '../../../src/store/sql/engine/embedded.ts';

/** A folder that the account of an embedded database may reach; removed by the caller. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tapgate-test-'));
  chmodSync(folder, 0o755);
  return folder;
}

/** An embedded database in a folder of its own, and how to be rid of both. */
export async function temporaryDatabase(): Promise<{
  readonly database: EmbeddedDatabase;
  readonly folder: string;
  dispose(): Promise<void>;
}> {
  const folder = temporaryFolder();
  const database = await startEmbedded({ folder: join(folder, 'postgres') });
  return {
    database,
    folder,
    dispose: async () => {
      await database.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
