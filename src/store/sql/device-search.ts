import type { DeviceStatus } from '../../devices/device.ts';
import type { DeviceOrder, DeviceQuery, DeviceSearch, ListedDevice } from '../../devices/search.ts';
import { isUuid } from '../../ports/random.ts';
import { attestedFromJson } from './attested.ts';
import type { Database } from './database.ts';
import { standingOf } from './device-standing.ts';
import { prepared, type SqlValue } from './engine/statement.ts';

interface ListedRow {
  readonly id: string;
  readonly acquirer: string;
  readonly merchant: string;
  readonly status: DeviceStatus;
  readonly forgotten_at: Date | null;
  readonly attested: unknown;
  readonly enrolled_at: Date;
  readonly attested_at: Date;
}

const COLUMNS = 'id, acquirer, merchant, status, forgotten_at, attested, enrolled_at, attested_at';

const LISTED = prepared('listed-device', `SELECT ${COLUMNS} FROM device WHERE id = $1`);

/** The column of each order; each has an index that ends with the id. */
const ORDERED_BY: Readonly<Record<DeviceOrder, string | null>> = {
  id: null,
  attestedAt: 'attested_at',
  osPatch: 'os_patch',
  appVersion: 'app_version',
  merchant: 'merchant',
};

/** The values of a statement's parameters, in the order in which its text names them. */
class Parameters {
  readonly values: SqlValue[] = [];

  /** The parameter that stands for a value. */
  of(value: SqlValue): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

function conditionsOf({ filter, order, after }: DeviceQuery, parameters: Parameters): readonly string[] {
  const column = ORDERED_BY[order];
  const { acquirer, merchant, status, packageName, appVersionBelow, osPatchBelow, securityLevel, attestedBefore } =
    filter;
  const compared: readonly (readonly [text: string, value: SqlValue])[] = [
    ['acquirer =', acquirer],
    ['merchant =', merchant],
    ['status =', status],
    ['package_name =', packageName],
    ['app_version <', appVersionBelow],
    ['os_patch <', osPatchBelow],
    ['security_level =', securityLevel],
    ['attested_at <', attestedBefore],
    ['id >', column === null && after !== null ? after.id : null],
  ];
  const conditions = compared
    .filter(([, value]) => value !== null && value !== '')
    .map(([text, value]) => `${text} ${parameters.of(value)}`);
  if (column === null || after === null) return conditions;
  return [...conditions, `(${column}, id) > (${parameters.of(after.value)}, ${parameters.of(after.id)})`];
}

/** The statement of a search: only constant text; every value is a parameter. */
export function searchStatement(query: DeviceQuery): { readonly text: string; readonly values: readonly SqlValue[] } {
  const { filter, ids, order, limit } = query;
  const parameters = new Parameters();
  const { values } = parameters;
  const conditions = conditionsOf(query, parameters);
  const column = ORDERED_BY[order];
  const ordered = `ORDER BY ${column === null ? 'id' : `${column}, id`} LIMIT ${parameters.of(limit)}`;
  const select = (...more: readonly string[]): string => {
    const all = [...conditions, ...more];
    return `SELECT ${COLUMNS} FROM device ${all.length === 0 ? '' : `WHERE ${all.join(' AND ')}`} ${ordered}`;
  };
  if (filter.text === '') return { text: select(), values };
  const from = parameters.of(filter.text);
  const to = parameters.of(nextText(filter.text));
  // The range is what the index answers; `left` is what is meant, whatever the collation.
  const named = `merchant >= ${from} AND merchant < ${to} AND left(merchant, ${filter.text.length}) = ${from}`;
  if (ids === null) return { text: select(named), values };
  const numbered = `id BETWEEN ${parameters.of(ids.first)} AND ${parameters.of(ids.last)}`;
  const both = `(${select(named, `NOT (${numbered})`)}) UNION ALL (${select(numbered)})`;
  return { text: `SELECT ${COLUMNS} FROM (${both}) AS found ${ordered}`, values };
}

/** The first text after all that begin with this one; names are of ASCII below `{`. */
function nextText(text: string): string {
  return text.slice(0, -1) + String.fromCharCode(text.charCodeAt(text.length - 1) + 1);
}

/** Search of devices in SQL. */
export class SqlDeviceSearch implements DeviceSearch {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async find(query: DeviceQuery): Promise<readonly ListedDevice[]> {
    const { text, values } = searchStatement(query);
    // Not prepared: what a plan is good for depends on the values.
    return (await this.#database.read<ListedRow>(text, values)).map(listedFromRow);
  }

  async listed(deviceId: string): Promise<ListedDevice | null> {
    if (!isUuid(deviceId)) return null;
    const [row] = await this.#database.read<ListedRow>(LISTED, [deviceId]);
    return row === undefined ? null : listedFromRow(row);
  }
}

function listedFromRow(row: ListedRow): ListedDevice {
  return {
    id: row.id,
    acquirer: row.acquirer,
    merchant: row.merchant,
    standing: standingOf(row),
    attested: attestedFromJson(row.attested),
    enrolledAt: row.enrolled_at,
    attestedAt: row.attested_at,
  };
}
