import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../src/app/store.ts';
import { killProgress } from '../../src/devices/kill-switch-setting.ts';
import type { AwaitedReplica, RecordedKill } from '../../src/devices/kill-switch-store.ts';
import { migrate } from '../../src/store/sql/engine/migrate.ts';
import { SqlPool } from '../../src/store/sql/engine/pool.ts';
import { temporaryDatabase } from '../store/engine/temporary.ts';
import { uniqueId } from '../support/enrolled.ts';

const REPLICA = join(import.meta.dirname, 'kill-switch/programs/replica.ts');
const MIGRATIONS = join(import.meta.dirname, '../../src/store/sql/migrations');

let database: Awaited<ReturnType<typeof temporaryDatabase>>;
let pool: SqlPool;
let stores: ReturnType<typeof sqlStores>;

beforeAll(async () => {
  database = await temporaryDatabase();
  await migrate(database.database.connection, MIGRATIONS);
  pool = new SqlPool({ address: database.database.connection, applicationName: 'kill switch test' });
  stores = sqlStores(pool, pino({ level: 'silent' }));
}, 60_000);

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await pool.close();
  await database.dispose();
});

let replicas = 0;
const children: ChildProcess[] = [];

/** A replica that pays for its shops, whatever happens. */
async function startReplica(...shops: string[]): Promise<ChildProcess> {
  const argv = [REPLICA, JSON.stringify(database.database.connection), `${replicas}`, ...shops];
  replicas += 1;
  const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const [said] = await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')]);
  if (String(said) !== 'ready\n') throw new Error('the replica has ended');
  return child;
}

/** Ends a replica; answers what it counted. */
async function counted(child: ChildProcess): Promise<Record<string, number>> {
  const [[line]] = await Promise.all([once(child.stdout!, 'data'), child.stdin!.end()]);
  await once(child, 'exit');
  return JSON.parse(String(line));
}

async function approvedOf(shop: string): Promise<number> {
  const count = `SELECT count(*) AS payments FROM decision WHERE merchant = $1 AND outcome = 'approved'`;
  return pool.withConnection(async (connection) => {
    // Not serializable: a look from outside must not cost anybody a conflict.
    await connection.query('BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY');
    const { rows } = await connection.query<{ payments: bigint }>(count, [shop]);
    await connection.query('COMMIT');
    return Number(rows[0]?.payments);
  });
}

async function untilApproved(shop: string, more: number): Promise<void> {
  const before = await approvedOf(shop);
  while ((await approvedOf(shop)) < before + more) await sleep(20);
}

function setFor(merchant: string): Promise<RecordedKill> {
  const selector = { kind: 'merchant', acquirer: 'acquirer-a', merchant } as const;
  return stores.killSwitches.set({ id: uniqueId(), scope: 'everything', selector, cause: 'a test', by: 'ann' });
}

/** Waits until a switch is in force; answers who was waited for on the way. */
async function untilInForce(kill: RecordedKill): Promise<readonly AwaitedReplica[]> {
  const waitedFor: AwaitedReplica[] = [];
  for (;;) {
    const { kill: now, awaited } = await killProgress(kill, stores.killSwitches);
    if (now.inForceAt !== null) return waitedFor;
    waitedFor.push(...awaited);
    await sleep(10);
  }
}

describe('a switch that is set while two replicas decide payments', () => {
  test('is in force soon: nothing is approved after that, and others go on', async () => {
    const two = [await startReplica('killed-1', 'other-1'), await startReplica('killed-1', 'other-1')];
    await untilApproved('killed-1', 20);
    const since = performance.now();
    const kill = await setFor('killed-1');
    await untilInForce(kill);
    const approved = await approvedOf('killed-1');
    expect(performance.now() - since).toBeLessThan(5000);
    await untilApproved('other-1', 50);
    expect(await approvedOf('killed-1')).toBe(approved);
    expect((await stores.killSwitches.kill(kill.id))?.reached.replicas).toBe(2);
    await stores.killSwitches.lift(kill.id, 'bob', 'over');
    await untilApproved('killed-1', 5);
    for (const child of two) {
      const { approved: number = 0, DEVICE_BLOCKED: blocked = 0, ...others } = await counted(child);
      expect(number).toBeGreaterThan(0);
      expect(blocked).toBeGreaterThan(0);
      // Once it has given its lease back, it decides nothing.
      expect(['unavailable']).toEqual(expect.arrayContaining(Object.keys(others)));
    }
  }, 60_000);

  test('is not in force while a statement that began before is held', async () => {
    const child = await startReplica('held');
    await untilApproved('held', 5);
    await pool.withConnection(async (connection) => {
      await connection.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      await connection.query(
        `SELECT 1 FROM attested_session WHERE device_id IN (SELECT id FROM device WHERE merchant = 'held') FOR UPDATE`,
      );
      await sleep(200);
      const kill = await setFor('held');
      await sleep(800);
      const { awaited } = await killProgress(kill, stores.killSwitches);
      expect(awaited).toEqual([{ name: expect.any(String), live: true }]);
      await connection.query('COMMIT');
      await untilInForce(kill);
      const approved = await approvedOf('held');
      await sleep(500);
      expect(await approvedOf('held')).toBe(approved);
    });
    await counted(child);
  }, 60_000);
});

describe('a switch that is set while one replica is frozen and one was killed', () => {
  test('is in force once all that they began has ended, and what wakes approves nothing', async () => {
    const killed = await startReplica('killed-2', 'other-2');
    const frozen = await startReplica('killed-2', 'other-2');
    const live = await startReplica('killed-2', 'other-2');
    await untilApproved('killed-2', 20);
    frozen.kill('SIGSTOP');
    killed.kill('SIGKILL');
    const waitedFor = await untilInForce(await setFor('killed-2'));
    const approved = await approvedOf('killed-2');
    expect(waitedFor.some((replica) => replica.live)).toBe(true);
    expect(waitedFor.some((replica) => !replica.live)).toBe(true);
    frozen.kill('SIGCONT');
    await untilApproved('other-2', 50);
    await sleep(2000);
    expect(await approvedOf('killed-2')).toBe(approved);
    const woken = await counted(frozen);
    expect(woken.DEVICE_BLOCKED).toBeGreaterThan(0);
    await counted(live);
  }, 90_000);
});
