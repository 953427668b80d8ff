import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { sqlStores } from '../../../src/app/store.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { START } from '../../support/clock.ts';
import { enrolPhone, uniqueId } from '../../support/enrolled.ts';
import { SeededRandom } from '../../support/random.ts';
import { onEachDatabase, type TestDatabase } from './databases.ts';

const random = new SeededRandom('key use');
const BINDING = Buffer.alloc(16, 1);
const DAY = 86_400;
const at = (seconds: number): Date => secondsAfter(START, seconds);

onEachDatabase('what rests on base derivation keys', (open) => {
  let opened: TestDatabase;
  let pool: SqlPool;
  let stores: ReturnType<typeof sqlStores>;
  beforeAll(async () => {
    opened = await open();
    pool = new SqlPool({ address: opened.address, applicationName: 'key use test', maximumConnections: 1 });
    stores = sqlStores(pool, pino({ level: 'silent' }), { sleep: (milliseconds) => sleep(milliseconds) });
  }, 120_000);
  afterAll(async () => {
    await pool?.close();
    await opened?.dispose();
  }, 60_000);

  const newBdk = (): Buffer => random.bytes(4);
  const idOf = (bdk: Buffer): string => bdk.toString('hex').toUpperCase();
  let derivation = 0;
  const initialKey = (bdk: Buffer): Buffer => {
    const id = Buffer.concat([bdk, Buffer.alloc(4)]);
    id.writeUInt32BE(derivation++, 4);
    return id;
  };

  async function offered(deviceId: string, pin: Buffer, data: Buffer, expiresAt = at(DAY), now = START) {
    const ids = { pinInitialKeyId: initialKey(pin), accountDataInitialKeyId: initialKey(data) };
    const set = { id: uniqueId(), deviceId, ...ids, expiresAt };
    await stores.keySets.addOffered({ ...set, binding: BINDING }, now);
    return set.id;
  }

  async function active(deviceId: string, pin: Buffer, data: Buffer, expiresAt = at(DAY), now = START) {
    const id = await offered(deviceId, pin, data, expiresAt, now);
    if ((await stores.keySets.activate(id, deviceId, now)) === null) throw new Error('not activated');
  }

  const pinOf = (bdk: Buffer, now: Date) => stores.keyUse.restingOn({ domain: 'pin', bdkId: idOf(bdk) }, now);
  const dataOf = (bdk: Buffer, now: Date) => stores.keyUse.restingOn({ domain: 'account-data', bdkId: idOf(bdk) }, now);

  test('is nothing of one that gave no keys', async () => {
    expect(await pinOf(newBdk(), START)).toEqual({ live: 0, unsettled: 0 });
    expect(await dataOf(newBdk(), START)).toEqual({ live: 0, unsettled: 0 });
  });

  test('is every live key set of its own domain, and goes down with each phone that moves', async () => {
    const [pin, data, nextPin] = [newBdk(), newBdk(), newBdk()];
    const phones = await Promise.all([1, 2, 3].map(() => enrolPhone(stores)));
    for (const { deviceId } of phones) await active(deviceId, pin, data);
    expect(await pinOf(pin, at(1))).toEqual({ live: 3, unsettled: 0 });
    expect(await dataOf(data, at(1))).toEqual({ live: 3, unsettled: 0 });
    expect(await pinOf(data, at(1))).toEqual({ live: 0, unsettled: 0 });
    await active(phones[0]!.deviceId, nextPin, data, at(2 * DAY), at(60));
    expect(await pinOf(pin, at(60))).toEqual({ live: 2, unsettled: 1 });
    expect(await pinOf(pin, at(60 + 899))).toEqual({ live: 2, unsettled: 1 });
    expect(await pinOf(pin, at(60 + 900))).toEqual({ live: 2, unsettled: 0 });
    expect(await dataOf(data, at(60 + 900))).toEqual({ live: 3, unsettled: 0 });
  });

  test('is counted to the very ends of its derivation ids, and no further', async () => {
    const bdk = Buffer.from('7fffffff', 'hex');
    const other = newBdk();
    for (const id of ['7fffffff00000000', '7fffffffffffffff', '7ffffffeffffffff', '8000000000000000']) {
      const { deviceId } = await enrolPhone(stores);
      const ids = { pinInitialKeyId: Buffer.from(id, 'hex'), accountDataInitialKeyId: initialKey(other) };
      const set = { id: uniqueId(), deviceId, ...ids, expiresAt: at(DAY) };
      await stores.keySets.addOffered({ ...set, binding: BINDING }, START);
      await stores.keySets.activate(set.id, deviceId, START);
    }
    expect(await pinOf(bdk, at(1))).toEqual({ live: 2, unsettled: 0 });
  });

  test('ends with the keys, and settles for as long as a grant lives', async () => {
    const [pin, data] = [newBdk(), newBdk()];
    const { deviceId } = await enrolPhone(stores);
    await active(deviceId, pin, data, at(DAY));
    expect(await pinOf(pin, at(DAY - 1))).toEqual({ live: 1, unsettled: 0 });
    expect(await pinOf(pin, at(DAY))).toEqual({ live: 0, unsettled: 1 });
    expect(await pinOf(pin, at(DAY + 899))).toEqual({ live: 0, unsettled: 1 });
    expect(await pinOf(pin, at(DAY + 900))).toEqual({ live: 0, unsettled: 0 });
    expect(await dataOf(data, at(DAY + 899))).toEqual({ live: 0, unsettled: 1 });
  });

  test('is an offer for as long as it may be proven', async () => {
    const [pin, data] = [newBdk(), newBdk()];
    const { deviceId } = await enrolPhone(stores);
    await offered(deviceId, pin, data);
    expect(await pinOf(pin, at(899))).toEqual({ live: 0, unsettled: 1 });
    expect(await dataOf(data, at(899))).toEqual({ live: 0, unsettled: 1 });
    expect(await pinOf(pin, at(900))).toEqual({ live: 0, unsettled: 0 });
  });

  test('is nothing of a revoked phone', async () => {
    const [pin, data] = [newBdk(), newBdk()];
    const { deviceId } = await enrolPhone(stores);
    await active(deviceId, pin, data);
    await pool.query(`UPDATE device SET status = 'suspended' WHERE id = $1`, [deviceId]);
    expect(await pinOf(pin, at(1))).toEqual({ live: 1, unsettled: 0 });
    await pool.query(`UPDATE device SET status = 'revoked' WHERE id = $1`, [deviceId]);
    expect(await pinOf(pin, at(1))).toEqual({ live: 0, unsettled: 0 });
    expect(await dataOf(data, at(1))).toEqual({ live: 0, unsettled: 0 });
  });

  test('names the phones that are to move: those whose keys of either domain come from another key', async () => {
    const [pin, data, nextPin, nextData] = [newBdk(), newBdk(), newBdk(), newBdk()];
    const phones = await Promise.all([1, 2, 3, 4].map(() => enrolPhone(stores)));
    const [old, half, moved, bare] = phones.map(({ deviceId }) => deviceId) as [string, string, string, string];
    await active(old, pin, data);
    await active(half, nextPin, data);
    await active(moved, pin, data);
    await active(moved, nextPin, nextData, at(2 * DAY), at(10));
    const inUse = { pin: nextPin, accountData: nextData };
    const asked = [old, half, moved, bare, uniqueId(), 'nobody'];
    expect(await stores.keyUse.keySetsOnDraining(asked, inUse, at(20))).toEqual(new Set([old, half]));
    expect(await stores.keyUse.keySetsOnDraining([moved], inUse, at(20))).toEqual(new Set());
    expect(await stores.keyUse.keySetsOnDraining([], inUse, at(20))).toEqual(new Set());
    // Keys that have ended are replaced anyway.
    expect(await stores.keyUse.keySetsOnDraining(asked, inUse, at(DAY))).toEqual(new Set());
    const many = Array.from({ length: 1_001 }, () => old);
    await expect(stores.keyUse.keySetsOnDraining(many, inUse, START)).rejects.toThrow('over 1000 devices');
  });

  test('is counted by index, not by looking at every key set', async () => {
    const plan = async (text: string, values: readonly Date[] | readonly Buffer[]): Promise<string> => {
      const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${text}`, [...values]);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    await pool.query('SET enable_seqscan = off');
    const range = [Buffer.alloc(8), Buffer.alloc(8, 1)];
    const live = `SELECT count(*) FROM key_set WHERE status = 'active' AND pin_initial_key_id BETWEEN $1 AND $2`;
    expect(await plan(live, range)).toMatch(/key_set_live_by_pin|key_set_pin_initial_key_id_key/);
    expect(await plan('SELECT count(*) FROM key_set WHERE retired_at > $1', [START])).toContain(
      'key_set_by_retirement',
    );
  });
});
