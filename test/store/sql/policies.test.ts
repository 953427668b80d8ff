import { afterAll, beforeAll, expect, test } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../../src/app/store.ts';
import { ALL_DEVICES, type PolicyScope } from '../../../src/policy/scope.ts';
import type { PolicyMode, StoredDocument } from '../../../src/policy/store.ts';
import { versionOfJson } from '../../../src/policy/version.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { START } from '../../support/clock.ts';
import { enrolPhone, uniqueId, uniqueName } from '../../support/enrolled.ts';
import { onEachDatabase, type TestDatabase } from './databases.ts';

const logger = pino({ level: 'silent' });
const SEED = Buffer.alloc(16, 1);
const OTHER_SEED = Buffer.alloc(16, 2);
const DEFAULT: PolicyScope = { kind: 'default' };
const HOUR = 3_600_000;

function documentOf(name: string, createdBy = 'ann'): StoredDocument {
  const json = JSON.stringify({ name });
  return { version: versionOfJson(json), json, createdBy, createdAt: START, note: `of ${name}` };
}

onEachDatabase('policy', (openDatabase) => {
  let opened: TestDatabase;
  let pool: SqlPool;
  let stores: ReturnType<typeof sqlStores>;
  const FIRST = documentOf('first');
  beforeAll(async () => {
    opened = await openDatabase();
    pool = new SqlPool({ address: opened.address, applicationName: 'policy test' });
    stores = sqlStores(pool, logger, { attempts: 50 });
    expect(await stores.policies.generation()).toBe(0n);
    expect(await stores.policies.seed(FIRST, SEED)).toBe(true);
  }, 60_000);
  afterAll(async () => {
    await pool.close();
    await opened.dispose();
  });

  const activate = (
    version: string | null,
    scope: PolicyScope,
    mode: PolicyMode = 'active',
    expectedGeneration: bigint | null = null,
    seed: Uint8Array = SEED,
  ) => stores.policies.activate({ scope, mode, version, by: 'ann', at: START, note: 'why', expectedGeneration, seed });

  const heldAt = async (scope: PolicyScope, mode: PolicyMode = 'active') => {
    const { held } = await stores.policies.snapshot();
    return held.find((one) => one.mode === mode && JSON.stringify(one.scope) === JSON.stringify(scope));
  };

  const kept = async (name: string): Promise<string> => (await stores.policies.addDocument(documentOf(name))).version;

  test('is seeded once', async () => {
    expect(await stores.policies.seed(documentOf('another'), SEED)).toBe(false);
    expect(await stores.policies.document(documentOf('another').version)).toBeNull();
    expect(await heldAt(DEFAULT)).toMatchObject({
      version: FIRST.version,
      json: FIRST.json,
      by: 'ann',
      note: 'of first',
    });
  });

  test('is kept under its version, by who brought it first', async () => {
    const name = uniqueName('document');
    await stores.policies.addDocument(documentOf(name));
    const again = await stores.policies.addDocument(documentOf(name, 'bob'));
    expect(again).toEqual(documentOf(name));
    const listed = await stores.policies.documents(100);
    expect(listed.filter(({ version }) => version === again.version)).toHaveLength(1);
    expect(listed[0]).not.toHaveProperty('json');
  });

  test('what takes the place of another is added, and nothing is changed', async () => {
    const scope: PolicyScope = { kind: 'merchant', acquirer: 'acquirer-a', merchant: uniqueName('shop') };
    const [one, two] = [await kept(uniqueName('one')), await kept(uniqueName('two'))];
    const before = await stores.policies.history(500);
    await activate(one, scope);
    await activate(two, scope);
    expect(await heldAt(scope)).toMatchObject({ version: two });
    const after = await stores.policies.history(500);
    expect(after.slice(2)).toEqual(before);
    expect(after.slice(0, 2).map(({ version }) => version)).toEqual([two, one]);
    expect((after[0]?.number ?? 0n) - (after[1]?.number ?? 0n)).toBe(1n);
  });

  test('a candidate stands beside what decides', async () => {
    const version = await kept(uniqueName('candidate'));
    await activate(version, DEFAULT, 'shadow');
    expect(await heldAt(DEFAULT)).toMatchObject({ version: FIRST.version });
    expect(await heldAt(DEFAULT, 'shadow')).toMatchObject({ version });
    await activate(null, DEFAULT, 'shadow');
    expect(await heldAt(DEFAULT, 'shadow')).toBeUndefined();
  });

  test('what is withdrawn holds no more, and is withdrawn once', async () => {
    const scope: PolicyScope = { kind: 'group', group: uniqueName('group') };
    expect(await activate(null, scope)).toEqual({ outcome: 'nothing-assigned' });
    await activate(await kept(uniqueName('one')), scope);
    expect(await activate(null, scope)).toMatchObject({ outcome: 'changed' });
    expect(await heldAt(scope)).toBeUndefined();
    expect(await activate(null, scope)).toEqual({ outcome: 'nothing-assigned' });
  });

  test('a version that is not kept is not activated', async () => {
    expect(await activate('0123456789abcdef', DEFAULT)).toEqual({ outcome: 'no-such-version' });
  });

  test('a change that was shown for another generation is not made', async () => {
    const generation = await stores.policies.generation();
    expect(await activate(FIRST.version, DEFAULT, 'active', generation - 1n)).toEqual({
      outcome: 'moved-on',
      generation,
    });
    expect(await stores.policies.generation()).toBe(generation);
    expect(await activate(FIRST.version, DEFAULT, 'active', generation)).toEqual({
      outcome: 'changed',
      generation: generation + 1n,
    });
  });

  test('of many changes at once for one generation, one is made', async () => {
    const generation = await stores.policies.generation();
    const outcomes = await Promise.all(
      Array.from({ length: 6 }, () => activate(FIRST.version, DEFAULT, 'active', generation)),
    );
    expect(outcomes.filter(({ outcome }) => outcome === 'changed')).toHaveLength(1);
    expect(await stores.policies.generation()).toBe(generation + 1n);
  });

  test('a canary keeps its seed while its version stays, and takes another with another', async () => {
    const share = (basisPoints: number): PolicyScope => ({ kind: 'canary', basisPoints });
    const [one, two] = [await kept(uniqueName('one')), await kept(uniqueName('two'))];
    const seed = async () => (await stores.policies.snapshot()).held.find(({ scope }) => scope.kind === 'canary');
    await activate(one, share(100), 'active', null, SEED);
    await activate(one, share(2000), 'active', null, OTHER_SEED);
    expect(await seed()).toMatchObject({ scope: share(2000), seed: SEED });
    await activate(two, share(100), 'active', null, OTHER_SEED);
    expect(await seed()).toMatchObject({ scope: share(100), seed: OTHER_SEED });
    await activate(null, share(ALL_DEVICES));
    expect(await seed()).toBeUndefined();
  });

  test('groups take devices that are there, count them, and are a new generation', async () => {
    const [one, two] = [await enrolPhone(stores), await enrolPhone(stores)];
    const group = uniqueName('group');
    const { deviceGroups, policies } = stores;
    const before = await policies.generation();
    const ids = [one.deviceId, two.deviceId];
    expect(await deviceGroups.addMembers(group, ids, 'ann', START)).toEqual({
      outcome: 'changed',
      devices: 2,
      changed: 2,
    });
    expect(await policies.generation()).toBe(before + 1n);
    expect(await deviceGroups.addMembers(group, ids, 'bob', START)).toEqual({
      outcome: 'changed',
      devices: 2,
      changed: 0,
    });
    expect(await policies.generation()).toBe(before + 1n);
    const stranger = uniqueId();
    expect(await deviceGroups.addMembers(group, [one.deviceId, stranger], 'ann', START)).toEqual({
      outcome: 'no-such-device',
      deviceId: stranger,
    });
    expect(await deviceGroups.groups()).toContainEqual({ name: group, devices: 2 });
    const [first = '', second = ''] = [...ids].sort();
    expect(await deviceGroups.members(group, null, 1)).toEqual([first]);
    expect(await deviceGroups.members(group, first, 5)).toEqual([second]);
    expect(await policies.devicesIn({ kind: 'group', group })).toBe(2);
    expect((await policies.snapshot()).members.filter((member) => member.group === group)).toEqual([]);
    await activate(FIRST.version, { kind: 'group', group });
    const members = (await policies.snapshot()).members.filter((member) => member.group === group);
    expect(members.map(({ deviceId }) => deviceId).sort()).toEqual([first, second]);
    expect(await deviceGroups.removeMembers(group, [first, stranger], 'bob', secondsAfter(START, 60))).toEqual({
      outcome: 'changed',
      devices: 1,
      changed: 1,
    });
    expect(await deviceGroups.members(group, null, 5)).toEqual([second]);
  });

  test('a group keeps who added and removed which devices, and nothing of what changed nothing', async () => {
    const [one, two] = [await enrolPhone(stores), await enrolPhone(stores)];
    const [first = '', second = ''] = [one.deviceId, two.deviceId].sort();
    const group = uniqueName('group');
    const { deviceGroups, policies } = stores;
    const later = secondsAfter(START, 60);
    await deviceGroups.addMembers(group, [second, first], 'ann', START);
    const added = await policies.generation();
    await deviceGroups.addMembers(group, [first], 'bob', START);
    await deviceGroups.addMembers(group, [uniqueId()], 'bob', START);
    await deviceGroups.removeMembers(group, [uniqueId()], 'bob', START);
    await deviceGroups.removeMembers(group, [first, uniqueId()], 'bob', later);
    const removed = await policies.generation();
    const changes = [
      { number: removed, change: 'removed', deviceIds: [first], by: 'bob', at: later },
      { number: added, change: 'added', deviceIds: [first, second], by: 'ann', at: START },
    ];
    expect(await deviceGroups.changes(group, null, 10)).toEqual(changes);
    expect(await deviceGroups.changes(group, null, 1)).toEqual(changes.slice(0, 1));
    expect(await deviceGroups.changes(group, removed, 10)).toEqual(changes.slice(1));
    expect(await deviceGroups.changes(uniqueName('group'), null, 10)).toEqual([]);
  });

  test('devices of a scope are counted, of a canary by its share', async () => {
    const all = await stores.policies.devicesIn(DEFAULT);
    expect(all).toBeGreaterThan(0);
    expect(await stores.policies.devicesIn({ kind: 'canary', basisPoints: ALL_DEVICES })).toBe(all);
    expect(await stores.policies.devicesIn({ kind: 'canary', basisPoints: 1 })).toBe(0);
    expect(await stores.policies.devicesIn({ kind: 'merchant', acquirer: 'acquirer-z', merchant: 'none' })).toBe(0);
  });

  test('what a candidate would change is counted by the hour, and each phone once', async () => {
    const [candidate, phone] = [uniqueName('candidate'), uniqueId()];
    const count = { candidate, point: 'grant', outcome: 'would-refuse', rule: 'PATCH_TOO_OLD' } as const;
    const { policyShadow } = stores;
    await policyShadow.record([{ ...count, times: 3, phones: [phone, uniqueId()] }], START);
    await policyShadow.record([{ ...count, times: 2, phones: [phone] }], secondsAfter(START, 7200));
    await policyShadow.record([{ ...count, point: 'pin', times: 1, phones: [] }], START);
    const lastSeen = (at: Date): Date => new Date(Math.floor(at.getTime() / HOUR) * HOUR);
    expect(await policyShadow.results(candidate, START)).toEqual([
      { ...count, times: 5n, phones: 2, lastSeen: lastSeen(secondsAfter(START, 7200)) },
      { ...count, point: 'pin', times: 1n, phones: 0, lastSeen: lastSeen(START) },
    ]);
    expect(await policyShadow.results(candidate, secondsAfter(START, 7200))).toMatchObject([{ times: 2n, phones: 1 }]);
    expect((await policyShadow.results(null, START)).some((one) => one.candidate === candidate)).toBe(true);
    expect(await policyShadow.prune(secondsAfter(START, 7200))).toBeGreaterThanOrEqual(3);
    expect(await policyShadow.results(candidate, START)).toMatchObject([{ times: 2n, phones: 1 }]);
  });
});
