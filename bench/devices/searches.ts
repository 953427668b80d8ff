import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemRandom } from '../../src/app/system.ts';
import { type DeviceFilter, type DeviceQuery, type DeviceSearch, findDevices } from '../../src/devices/search.ts';
import { Database } from '../../src/store/sql/database.ts';
import { SqlDeviceSearch } from '../../src/store/sql/device-search.ts';
import { startEmbedded } from '../../src/store/sql/engine/embedded.ts';
import { migrate } from '../../src/store/sql/engine/migrate.ts';
import { type DatabaseAddress, SqlPool } from '../../src/store/sql/engine/pool.ts';
import type { BenchReport } from '../group.ts';
import { lineOf } from '../lines.ts';
import { compare, interleave, quantile } from '../measure.ts';
import { indexesOfSearch } from './plan.ts';
import { SEARCH_KINDS, type SearchKind } from './search-kinds.ts';
import { seedDevices, seededId } from './seed.ts';

const MIGRATIONS = fileURLToPath(new URL('../../src/store/sql/migrations', import.meta.url));
const DEVICES = 1_000_000;
const SEED_MILLISECONDS = 300_000;
const ROUNDS = { rounds: 3, warmUp: 1 };
const SEARCHES = 80;
const PAGE = 50;
const QUANTILES = { p50: 0.5, p99: 0.99 } as const;
const UNIT = 'ms a page of 50 of 1 000 000 devices; yardstick: 50 devices by their ids';

const BY_IDS = `SELECT id, acquirer, merchant, status, forgotten_at, attested, enrolled_at, attested_at FROM device
  WHERE id = ANY($1::uuid[])`;

/** A search that keeps the first and the last query of a kind, so that their plans can be looked at. */
class ObservedSearch implements DeviceSearch {
  readonly #search: DeviceSearch;
  readonly queries = new Map<'first' | 'last', DeviceQuery>();

  constructor(search: DeviceSearch) {
    this.#search = search;
  }

  find(query: DeviceQuery) {
    if (!this.queries.has('first')) this.queries.set('first', query);
    this.queries.set('last', query);
    return this.#search.find(query);
  }

  listed(deviceId: string) {
    return this.#search.listed(deviceId);
  }
}

/** Searches of one kind, one after the other. */
class Searcher {
  readonly #kind: SearchKind;
  readonly #search: ObservedSearch;
  #searches = 0;
  #pageToken = '';
  found = 0;

  constructor(kind: SearchKind, search: ObservedSearch) {
    this.#kind = kind;
    this.#search = search;
  }

  async next(): Promise<void> {
    const filter: DeviceFilter = this.#kind.filterOf(this.#searches);
    this.#searches += 1;
    const page = await findDevices({ filter, pageSize: PAGE, pageToken: this.#pageToken }, this.#search);
    if (!page.ok) throw new Error(`${this.#kind.name}: ${page.reason}`);
    this.#pageToken = this.#kind.pages ? page.value.nextPageToken : '';
    this.found += page.value.devices.length;
  }
}

async function timed(work: (n: number) => Promise<unknown>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let n = 0; n < SEARCHES; n += 1) {
    const began = performance.now();
    await work(n);
    times.push(performance.now() - began);
  }
  return times;
}

async function measureKind(kind: SearchKind, sql: DeviceSearch, pool: SqlPool, report: BenchReport): Promise<void> {
  const search = new ObservedSearch(sql);
  const searcher = new Searcher(kind, search);
  const pages = Array.from({ length: SEARCHES }, (_, page) =>
    Array.from({ length: PAGE }, (_, row) => seededId(page * PAGE + row + 1)),
  );
  const rounds = await interleave({
    ...ROUNDS,
    ours: () => timed(() => searcher.next()),
    yardstick: () => timed((n) => pool.query(BY_IDS, [pages[n]!])),
  });
  if (searcher.found === 0) throw new Error(`${kind.name} finds nothing`);
  for (const [which, query] of search.queries) {
    const indexes = await indexesOfSearch(pool, query);
    report.tell(`${kind.name}: the ${which} search by ${indexes.join(', ')}`);
  }
  for (const [name, part] of Object.entries(QUANTILES)) {
    const times = rounds.map(({ ours, yardstick }) => ({
      ours: quantile(ours, part),
      yardstick: quantile(yardstick, part),
    }));
    report.line(lineOf(`devices/search-${kind.name}-${name}`, UNIT, compare(times), null));
  }
}

function poolOf(address: DatabaseAddress, statementMilliseconds: number): SqlPool {
  return new SqlPool({ address, applicationName: 'tapgate-bench', maximumConnections: 1, statementMilliseconds });
}

async function seed(address: DatabaseAddress, devices: number): Promise<void> {
  const pool = poolOf(address, SEED_MILLISECONDS);
  try {
    await seedDevices(pool, devices);
  } finally {
    await pool.close();
  }
}

async function measureIn(address: DatabaseAddress, devices: number, report: BenchReport): Promise<void> {
  await migrate(address, MIGRATIONS);
  const began = performance.now();
  await seed(address, devices);
  report.tell(`${devices} devices seeded in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  const pool = poolOf(address, SEED_MILLISECONDS);
  const retry = {
    attempts: 1,
    firstDelayMilliseconds: 1,
    longestDelayMilliseconds: 1,
    random: systemRandom,
    sleep: async (milliseconds: number) => sleep(milliseconds),
  };
  const search = new SqlDeviceSearch(new Database(pool, retry));
  try {
    for (const kind of SEARCH_KINDS) await measureKind(kind, search, pool, report);
  } finally {
    await pool.close();
  }
}

/** Searches of every kind in an embedded database with a million devices; each has to be answered by an index. */
export async function measureSearches(
  root: string,
  interrupted: Promise<never>,
  report: BenchReport,
  devices = DEVICES,
): Promise<void> {
  // The database may run under an account of its own, which has to reach the folder.
  await chmod(root, 0o711);
  const database = await startEmbedded({ folder: join(root, 'postgres') });
  try {
    await Promise.race([measureIn(database.connection, devices, report), interrupted]);
  } finally {
    await database.stop();
  }
}
