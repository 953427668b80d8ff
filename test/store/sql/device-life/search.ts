import { describe, expect, test } from '@jest/globals';
import { ANY_DEVICE, type DeviceFilter, findDevices } from '../../../../src/devices/search.ts';
import { secondsAfter } from '../../../../src/ports/clock.ts';
import { searchStatement } from '../../../../src/store/sql/device-search.ts';
import { START } from '../../../support/clock.ts';
import { enrolPhone, uniqueName } from '../../../support/enrolled.ts';
import { ATTESTED, NOTHING_AGAINST, newSession } from '../../../support/facts.ts';
import { signingKey } from '../../../support/signing-key.ts';
import { unwrap } from '../../../support/unwrap.ts';
import type { LifeTable } from './table.ts';

const find = async ({ stores }: LifeTable, over: Partial<DeviceFilter>, pageSize = 500, pageToken = '') =>
  unwrap(await findDevices({ filter: { ...ANY_DEVICE, ...over }, pageSize, pageToken }, stores.search));

const idsOf = async (table: LifeTable, over: Partial<DeviceFilter>): Promise<string[]> =>
  (await find(table, over)).devices.map(({ id }) => id);

/** Ids page by page; `between` runs after each page. */
async function walk(table: LifeTable, over: Partial<DeviceFilter>, between: () => Promise<unknown> = async () => {}) {
  const ids: string[] = [];
  let token = '';
  do {
    const page = await find(table, over, 2, token);
    ids.push(...page.devices.map(({ id }) => id));
    token = page.nextPageToken;
    await between();
  } while (token !== '');
  return ids;
}

/** Five devices of one merchant that differ in all that is searched. */
async function fleet(table: LifeTable) {
  const { stores, change } = table;
  const merchant = uniqueName('fleet');
  const packageName = `org.example.${merchant.replace('-', '')}`;
  const levels = ['202512', '202601', 'unknown', '20260305', '202602'];
  const ids: string[] = [];
  for (const [index, osPatchLevel] of levels.entries()) {
    const { deviceId } = await enrolPhone(stores, { merchant });
    const attested = {
      ...ATTESTED,
      packageName,
      osPatchLevel,
      appVersion: BigInt(index + 1),
      securityLevel: index === 0 ? 'STRONG_BOX' : 'TRUSTED_ENVIRONMENT',
    };
    const session = newSession(signingKey(), secondsAfter(START, index * 60));
    await stores.devices.renew(deviceId, attested, session, NOTHING_AGAINST);
    ids.push(deviceId);
  }
  await change(ids[1]!, 'suspend');
  await change(ids[2]!, 'revoke');
  return { merchant, packageName, ids };
}

/** What the search of devices in SQL finds, and how. */
export function searchInSql(open: () => LifeTable): void {
  describe('the search of devices', () => {
    test('finds by each part of a filter, and by all parts at once', async () => {
      const table = open();
      const { merchant, packageName, ids } = await fleet(table);
      const [strongBox, suspended, revoked, newest, last] = ids;
      const cases: readonly [Partial<DeviceFilter>, readonly (string | undefined)[]][] = [
        [{}, ids.toSorted()],
        [{ acquirer: 'acquirer-a' }, ids.toSorted()],
        [{ acquirer: 'acquirer-b' }, []],
        [{ status: 'suspended' }, [suspended]],
        [{ status: 'revoked' }, [revoked]],
        [{ packageName, appVersionBelow: 3n }, [strongBox, suspended]],
        [{ osPatchBelow: 202_602 }, [revoked, strongBox, suspended]],
        [{ osPatchBelow: 202_604 }, [revoked, strongBox, suspended, last, newest]],
        [{ securityLevel: 'STRONG_BOX' }, [strongBox]],
        [{ attestedBefore: secondsAfter(START, 61) }, [strongBox, suspended]],
        [{ status: 'active', osPatchBelow: 202_602 }, [strongBox]],
      ];
      for (const [over, expected] of cases) expect(await idsOf(table, { merchant, ...over })).toEqual(expected);
    });

    test('finds by the beginning of a merchant name or of a device id, each device once', async () => {
      const table = open();
      const { merchant, ids } = await fleet(table);
      expect(new Set(await idsOf(table, { text: merchant.slice(0, -2) }))).toEqual(new Set(ids));
      for (const length of [8, 9, 20, 36])
        expect(await idsOf(table, { text: ids[0]!.slice(0, length) })).toEqual([ids[0]]);
      expect(await idsOf(table, { text: ids[0]!.slice(0, 8), merchant: 'another' })).toEqual([]);
      expect(await idsOf(table, { text: `${merchant}x` })).toEqual([]);
    });

    test.each<[string, Partial<DeviceFilter>]>([
      ['id', {}],
      ['attestation', { attestedBefore: secondsAfter(START, 3600) }],
      ['patch level', { osPatchBelow: 202_612 }],
      ['merchant', { text: 'fleet' }],
    ])('goes page by page in the order of %s, each device once, while others are enrolled', async (_order, over) => {
      const table = open();
      const { merchant, ids } = await fleet(table);
      const seen = await walk(table, { merchant, ...over }, () => enrolPhone(table.stores, { merchant }));
      expect(new Set(seen).size).toBe(seen.length);
      expect(ids.filter((id) => !seen.includes(id))).toEqual([]);
    });

    test('goes page by page in the order of versions', async () => {
      const table = open();
      const { packageName, ids } = await fleet(table);
      expect(await walk(table, { packageName, appVersionBelow: 6n })).toEqual(ids);
    });

    test.each<[string, Partial<DeviceFilter>, string]>([
      ['no filter', {}, 'device_pkey'],
      ['an acquirer', { acquirer: 'rare' }, 'device_by_acquirer'],
      ['a merchant', { merchant: 'bulk-17' }, 'device_by_merchant'],
      ['a status', { status: 'suspended' }, 'device_by_status'],
      ['a package', { packageName: 'org.rare' }, 'device_by_application'],
      ['a version', { packageName: 'org.bulk', appVersionBelow: 3n }, 'device_by_application'],
      ['a patch level', { osPatchBelow: 202_501 }, 'device_by_os_patch'],
      ['a security level', { securityLevel: 'STRONG_BOX' }, 'device_by_security_level'],
      ['an attestation', { attestedBefore: secondsAfter(START, -86_400 * 300) }, 'device_by_attestation'],
      ['the beginning of a merchant name', { text: 'bulk-1' }, 'device_by_merchant'],
    ])('is answered by an index: %s', async (_name, over, index) => {
      const { pool } = await withManyDevices(open());
      const statement = searchStatement({
        filter: { ...ANY_DEVICE, ...over },
        ids: null,
        order: orderFor(over),
        after: null,
        limit: 51,
      });
      const { rows } = await pool.query<Record<string, string>>(`EXPLAIN ${statement.text}`, statement.values);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(plan).not.toContain('Seq Scan');
      expect(plan).toContain(index);
    });
  });
}

function orderFor(over: Partial<DeviceFilter>) {
  if (over.text !== undefined) return 'merchant';
  if (over.appVersionBelow !== undefined) return 'appVersion';
  if (over.osPatchBelow !== undefined) return 'osPatch';
  return over.attestedBefore === undefined ? 'id' : 'attestedAt';
}

const MANY = 8000;

/** A table large enough that reading all of it is the worse plan; filled once. */
async function withManyDevices(table: LifeTable): Promise<LifeTable> {
  const { rows } = await table.pool.query("SELECT 1 FROM device WHERE merchant = 'bulk-17' LIMIT 1");
  if (rows.length > 0) return table;
  await table.pool.query(
    `INSERT INTO device (id, acquirer, merchant, status, device_key, session_thumbprint, attested, enrolled_at, attested_at)
     SELECT gen_random_uuid(), CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'bulk' END, 'bulk-' || n % 500,
            CASE WHEN n % 1000 = 1 THEN 'suspended' ELSE 'active' END, ''::bytea, 'none-' || n,
            jsonb_build_object('packageName', CASE WHEN n % 1000 = 2 THEN 'org.rare' ELSE 'org.bulk' END,
              'appVersion', (n % 900)::text, 'osPatchLevel', (202500 + n % 12 + 1)::text,
              'securityLevel', CASE WHEN n % 1000 = 3 THEN 'STRONG_BOX' ELSE 'TRUSTED_ENVIRONMENT' END),
            $1, $1::timestamptz - (n % 365) * INTERVAL '1 day'
       FROM generate_series(1, $2::int) AS n`,
    [START, MANY],
  );
  await table.pool.query('ANALYZE device');
  return table;
}
