import { databaseAccount } from './embedded/account.ts';
import { locateBinaries } from './embedded/binaries.ts';
import { prepareCluster } from './embedded/cluster.ts';
import { prepareFolder, prepareSocketFolder } from './embedded/folder.ts';
import { stopPostmaster } from './embedded/postmaster.ts';
import { addressAt, bringUp, type Server, type Site } from './embedded/server.ts';
import type { DatabaseAddress } from './pool.ts';

/** What happens to an embedded database, for the log. */
export interface EmbeddedEvent {
  /** `lost`: its PostgreSQL ended unasked, and is being brought up again. `gone`: that did not succeed. */
  readonly kind: 'started' | 'taken over' | 'lost' | 'gone' | 'stopped';
  readonly detail: string;
}

export interface EmbeddedOptions {
  /** Its own folder, for nothing else; made where it is missing. One service at a time uses it. */
  readonly folder: string;
  /** Time to start in, recovery after a crash included. */
  readonly startMilliseconds?: number;
  /** Time to stop in. */
  readonly stopMilliseconds?: number;
  readonly onEvent?: (event: EmbeddedEvent) => void;
}

/** An embedded database that this process serves from. */
export interface EmbeddedDatabase {
  readonly connection: DatabaseAddress;
  /** The process id of its PostgreSQL now. */
  readonly pid: number;
  /** Stops it, durably; a second call does nothing. */
  stop(): Promise<void>;
}

const START_MILLISECONDS = 60_000;
const STOP_MILLISECONDS = 30_000;

async function siteOf(options: EmbeddedOptions): Promise<Site> {
  const account = databaseAccount();
  const folder = prepareFolder(options.folder, account);
  const binaries = await locateBinaries(folder, account);
  return {
    folder,
    account,
    binaries,
    cluster: await prepareCluster(folder, binaries, account),
    socketFolder: prepareSocketFolder(folder, account),
    startMilliseconds: options.startMilliseconds ?? START_MILLISECONDS,
    stopMilliseconds: options.stopMilliseconds ?? STOP_MILLISECONDS,
  };
}

/** Keeps one site's database running until it is stopped. */
class Keeper implements EmbeddedDatabase {
  readonly connection: DatabaseAddress;
  readonly #site: Site;
  readonly #tell: (event: EmbeddedEvent) => void;
  #server: Server;
  #stopping: Promise<void> | null = null;
  #recovery: Promise<void> = Promise.resolve();

  constructor(site: Site, server: Server, tell: (event: EmbeddedEvent) => void) {
    this.connection = addressAt(site.socketFolder);
    this.#site = site;
    this.#tell = tell;
    this.#server = server;
    this.#watch(server);
  }

  get pid(): number {
    return this.#server.pid;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  #watch(server: Server): void {
    this.#tell({ kind: server.how, detail: `process ${server.pid}` });
    void server.claim.ended.then(() => {
      if (this.#stopping === null) this.#recovery = this.#recover();
    });
  }

  async #recover(): Promise<void> {
    this.#tell({ kind: 'lost', detail: `process ${this.#server.pid}` });
    try {
      this.#server = await bringUp(this.#site);
      this.#watch(this.#server);
    } catch (error) {
      this.#tell({ kind: 'gone', detail: String(error) });
    }
  }

  async #stop(): Promise<void> {
    await this.#recovery;
    await this.#server.claim.release();
    await stopPostmaster(this.#site.cluster, this.#server.pid, this.#site.stopMilliseconds);
    this.#tell({ kind: 'stopped', detail: `process ${this.#server.pid}` });
  }
}

/**
 * Starts PostgreSQL as a child on a data folder, or takes over one that a killed service left running there.
 *
 * It listens on a Unix socket only, for its own account and root. It is brought up again where it ends unasked.
 *
 * @throws EmbeddedError EMBEDDED_IN_USE, EMBEDDED_FOLDER_UNUSABLE, EMBEDDED_NOT_SUPPORTED or EMBEDDED_NOT_STARTED
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedDatabase> {
  const site = await siteOf(options);
  return new Keeper(site, await bringUp(site), (event) => options.onEvent?.(event));
}
