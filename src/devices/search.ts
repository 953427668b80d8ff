import { isUuid } from '../ports/random.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import type { AttestedState, Device, DeviceStatus } from './device.ts';
import { PARTY_NAME } from './invite.ts';
import { pageToken, readPageToken } from './page-token.ts';
import type { Standing } from './standing.ts';

/** A device as a list shows it: without its key. */
export interface ListedDevice extends Pick<Device, 'id' | 'acquirer' | 'merchant' | 'enrolledAt' | 'attestedAt'> {
  readonly standing: Standing;
  readonly attested: AttestedState;
}

/** What a search may ask for; null or empty: anything. All parts hold at once. */
export interface DeviceFilter {
  readonly acquirer: string;
  readonly merchant: string;
  readonly status: DeviceStatus | null;
  readonly packageName: string;
  /** Only together with a package: version codes of two applications have nothing to do with each other. */
  readonly appVersionBelow: bigint | null;
  /** YYYYMM; a level that the phone does not state is below every month. */
  readonly osPatchBelow: number | null;
  readonly securityLevel: string;
  readonly attestedBefore: Date | null;
  /** The beginning of a merchant's name, or at least eight symbols of a device id. */
  readonly text: string;
}

/** The filter that asks for nothing. */
export const ANY_DEVICE: DeviceFilter = {
  acquirer: '',
  merchant: '',
  status: null,
  packageName: '',
  appVersionBelow: null,
  osPatchBelow: null,
  securityLevel: '',
  attestedBefore: null,
  text: '',
};

/** By what a list is ordered: the range that is searched, so that one index answers both. Ties go by device id. */
export type DeviceOrder = 'id' | 'attestedAt' | 'osPatch' | 'appVersion' | 'merchant';

/** The last device of the page before. */
export interface PagePosition {
  readonly value: string | bigint | Date;
  readonly id: string;
}

/** A checked search. */
export interface DeviceQuery {
  readonly filter: DeviceFilter;
  /** Device ids from the first to the last, both included; null where the text is no beginning of one. */
  readonly ids: { readonly first: string; readonly last: string } | null;
  readonly order: DeviceOrder;
  readonly after: PagePosition | null;
  readonly limit: number;
}

/** The durable search of devices. */
export interface DeviceSearch {
  /** At most `limit` devices in the query's order, after its position. */
  find(query: DeviceQuery): Promise<readonly ListedDevice[]>;
  /** One device; null where there is none. */
  listed(deviceId: string): Promise<ListedDevice | null>;
}

/** One page of a search. */
export interface FoundDevices {
  readonly devices: readonly ListedDevice[];
  /** Empty after the last page. */
  readonly nextPageToken: string;
}

const DEFAULT_PAGE = 50;
const MAXIMUM_PAGE = 500;
const SHORTEST_ID_PREFIX = 8;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
const ID_PREFIX = /^[0-9a-f]{8}(?:-[0-9a-f-]{0,28})?$/;
const PACKAGE = /^[A-Za-z0-9_.]{1,255}$/;
const LEVELS = ['SOFTWARE', 'TRUSTED_ENVIRONMENT', 'STRONG_BOX', 'UNKNOWN'];
const INT8 = 2n ** 63n;

/**
 * Finds devices, a page at a time. Devices that are enrolled meanwhile shift no page: each page begins after the last
 * device of the one before.
 *
 * Refusals: MALFORMED_MESSAGE that names the field, PAGE_TOKEN_INVALID.
 */
export async function findDevices(
  request: { readonly filter: DeviceFilter; readonly pageSize: number; readonly pageToken: string },
  search: DeviceSearch,
): Promise<Result<FoundDevices>> {
  const { filter } = request;
  const problem = problemOf(filter);
  if (problem !== null) return refuse('MALFORMED_MESSAGE', problem);
  const order = orderOf(filter);
  const scope = scopeOf(filter);
  const key = readPageToken(request.pageToken, scope, 2);
  if (!key.ok) return key;
  const after = key.value === null ? null : positionOf(order, key.value);
  if (after === undefined) return refuse('PAGE_TOKEN_INVALID', 'position');
  const size = Math.min(request.pageSize === 0 ? DEFAULT_PAGE : request.pageSize, MAXIMUM_PAGE);
  const found = await search.find({ filter, ids: idsOf(filter.text), order, after, limit: size + 1 });
  const devices = found.slice(0, size);
  const last = found.length > size ? devices.at(-1) : undefined;
  return ok({ devices, nextPageToken: last === undefined ? '' : pageToken(scope, keyOf(order, last)) });
}

function problemOf(filter: DeviceFilter): string | null {
  const { acquirer, merchant, packageName, appVersionBelow, osPatchBelow, securityLevel, attestedBefore, text } =
    filter;
  if (acquirer !== '' && !PARTY_NAME.test(acquirer)) return 'acquirer';
  if (merchant !== '' && !PARTY_NAME.test(merchant)) return 'merchant';
  if (packageName !== '' && !PACKAGE.test(packageName)) return 'package_name';
  if (appVersionBelow !== null && packageName === '') return 'app_version_below: needs package_name';
  if (appVersionBelow !== null && (appVersionBelow < 0n || appVersionBelow >= INT8)) return 'app_version_below';
  if (osPatchBelow !== null && !isMonth(osPatchBelow)) return 'os_patch_below: YYYYMM';
  if (securityLevel !== '' && !LEVELS.includes(securityLevel)) return 'security_level';
  if (attestedBefore !== null && Number.isNaN(attestedBefore.getTime())) return 'attested_before';
  return text !== '' && !PARTY_NAME.test(text) ? 'text: the beginning of a merchant name or of a device id' : null;
}

function isMonth(digits: number): boolean {
  const month = digits % 100;
  return Number.isInteger(digits) && digits >= 200_001 && digits <= 999_912 && month >= 1 && month <= 12;
}

function orderOf(filter: DeviceFilter): DeviceOrder {
  if (filter.text !== '') return 'merchant';
  if (filter.appVersionBelow !== null) return 'appVersion';
  if (filter.osPatchBelow !== null) return 'osPatch';
  return filter.attestedBefore === null ? 'id' : 'attestedAt';
}

function scopeOf(filter: DeviceFilter): readonly string[] {
  return [
    'devices',
    filter.acquirer,
    filter.merchant,
    filter.status ?? '',
    filter.packageName,
    filter.appVersionBelow?.toString() ?? '',
    filter.osPatchBelow?.toString() ?? '',
    filter.securityLevel,
    filter.attestedBefore?.toISOString() ?? '',
    filter.text,
  ];
}

/** The range of ids that begin so. Shorter beginnings are merchants only: they would name a great part of all devices. */
function idsOf(text: string): DeviceQuery['ids'] {
  if (text.length < SHORTEST_ID_PREFIX || !ID_PREFIX.test(text)) return null;
  const first = text + FIRST_ID.slice(text.length);
  const last = text + LAST_ID.slice(text.length);
  return isUuid(first) && isUuid(last) ? { first, last } : null;
}

function keyOf(order: DeviceOrder, device: ListedDevice): readonly [string, string] {
  switch (order) {
    case 'id':
      return ['', device.id];
    case 'attestedAt':
      return [device.attestedAt.toISOString(), device.id];
    case 'osPatch':
      return [monthOf(device.attested.osPatchLevel).toString(), device.id];
    case 'appVersion':
      return [device.attested.appVersion.toString(), device.id];
    case 'merchant':
      return [device.merchant, device.id];
  }
}

/** The month of a patch level, YYYYMM; 0 where it states none. */
function monthOf(level: string): number {
  return /^\d{6}/.test(level) ? Number(level.slice(0, 6)) : 0;
}

/** Undefined for a position that this order does not have. */
function positionOf(order: DeviceOrder, [value = '', id = '']: readonly string[]): PagePosition | undefined {
  if (!isUuid(id)) return undefined;
  switch (order) {
    case 'id':
      return value === '' ? { value, id } : undefined;
    case 'attestedAt': {
      const at = new Date(value);
      return !Number.isNaN(at.getTime()) && at.toISOString() === value ? { value: at, id } : undefined;
    }
    case 'merchant':
      return PARTY_NAME.test(value) ? { value, id } : undefined;
    case 'osPatch':
      return /^\d{1,6}$/.test(value) ? { value: BigInt(value), id } : undefined;
    case 'appVersion':
      return /^\d{1,19}$/.test(value) && BigInt(value) < INT8 ? { value: BigInt(value), id } : undefined;
  }
}
