import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import pino from 'pino';
import { type OpenPolicies, openPolicies } from '../../src/app/policies.ts';
import { type Policy, parsePolicy, readPolicy } from '../../src/app/policy.ts';
import { reachOpenCalls } from '../../src/app/policy-changes.ts';
import { sqlStores } from '../../src/app/store.ts';
import type { PolicyScope } from '../../src/policy/scope.ts';
import { canonicalJson } from '../../src/policy/version.ts';
import type { Directive } from '../../src/sessions/directive.ts';
import { Presence } from '../../src/sessions/presence.ts';
import { migrate } from '../../src/store/sql/engine/migrate.ts';
import { SqlPool } from '../../src/store/sql/engine/pool.ts';
import { temporaryDatabase } from '../store/engine/temporary.ts';
import { START } from '../support/clock.ts';
import { phoneSubject } from '../support/subject.ts';
import { unwrap } from '../support/unwrap.ts';

const MIGRATIONS = join(import.meta.dirname, '../../src/store/sql/migrations');
const DEFAULT_FILE = join(import.meta.dirname, '../../src/app/policy.default.yaml');
const WITHIN = 10_000;

let folder: string;
let pool: SqlPool;
let store: ReturnType<typeof sqlStores>['policies'];
let dispose: () => Promise<void> = async () => {};
let document: Policy;
const opened: OpenPolicies[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tapgate-policies-'));
  const temporary = await temporaryDatabase();
  dispose = temporary.dispose;
  await migrate(temporary.database.connection, MIGRATIONS);
  pool = new SqlPool({ address: temporary.database.connection, applicationName: 'policies test' });
  store = sqlStores(pool, pino({ level: 'silent' })).policies;
  ({ document } = await readPolicy(DEFAULT_FILE));
}, 60_000);
afterEach(async () => {
  for (const policies of opened.splice(0)) await policies.stop();
});
afterAll(async () => {
  await pool.close();
  await dispose();
  await rm(folder, { recursive: true, force: true });
});

/** A replica's policy, what it said to people, and what it logged. */
async function replica(file: string = DEFAULT_FILE) {
  const told: string[] = [];
  const logged: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line) => logged.push((JSON.parse(line) as { msg: string }).msg) });
  const policies = await openPolicies({ store, file, logger, tell: (step) => told.push(step) });
  opened.push(policies);
  return { policies, told, logged, logger };
}

/** Keeps the default document with a change, and puts it in force. */
async function activate(change: (changed: Policy) => void, scope: PolicyScope = { kind: 'default' }): Promise<string> {
  const copy = structuredClone(document);
  change(copy);
  const { version, document: parsed } = unwrap(parsePolicy(JSON.stringify(copy)));
  const by = { note: '', seed: Buffer.alloc(16) };
  await store.addDocument({ version, json: canonicalJson(parsed), createdBy: 'ann', createdAt: START, note: '' });
  await store.activate({ scope, mode: 'active', version, by: 'ann', at: START, expectedGeneration: null, ...by });
  return version;
}

test('a first start without a usable file is none', async () => {
  await expect(replica(join(folder, 'missing.yaml'))).rejects.toThrow('does not exist');
  expect(await store.generation()).toBe(0n);
});

test('the first start takes the file, a second one does not', async () => {
  const one = await replica();
  expect(one.told[0]).toContain('once: from now on it is changed by tapgate policy activate');
  expect(one.policies.default().version).toBe((await readPolicy(DEFAULT_FILE)).version);
  expect(one.policies.default().document).toEqual(document);
  const two = await replica();
  expect(two.told).toHaveLength(1);
  expect(two.logged).toEqual([]);
  expect(await store.generation()).toBe(1n);
});

test('a file that says something else, or nothing, is told of and does not count', async () => {
  const other = join(folder, 'other.yaml');
  await writeFile(other, JSON.stringify({ ...document, pin: { ...document.pin, entrySeconds: 31 } }));
  const { policies, logged } = await replica(other);
  expect(logged[0]).toContain('IS NOT WHAT IS IN FORCE');
  expect(policies.default().document.pin.entrySeconds).toBe(document.pin.entrySeconds);
  const none = await replica(join(folder, 'missing.yaml'));
  expect(none.logged[0]).toContain('cannot be used');
});

test(
  'what one replica puts in force reaches the open calls of another',
  async () => {
    const [here, there] = [await replica(), await replica()];
    const sessions = new Presence();
    const pinEntries = new Presence();
    const heard: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const listen = (presence: Presence, kind: string, deviceId: string, merchant: string): void => {
      const direct = (directive: Directive): void => {
        heard.push(`${kind} ${deviceId} ${directive.kind} ${directive.detail ?? directive.reason}`);
        if (kind === 'entry') resolve();
      };
      presence.enter(phoneSubject(deviceId, { merchant }), { end: () => {}, direct });
    };
    listen(sessions, 'session', 'phone-1', 'shop-1');
    listen(sessions, 'session', 'phone-2', 'shop-2');
    listen(pinEntries, 'entry', 'phone-1', 'shop-1');
    listen(pinEntries, 'entry', 'phone-2', 'shop-2');
    const leave = reachOpenCalls({ policies: there.policies, sessions, pinEntries, logger: there.logger });
    const version = await activate(({ pin }) => Object.assign(pin, { allowed: false }), {
      kind: 'merchant',
      acquirer: 'acquirer-a',
      merchant: 'shop-1',
    });
    await here.policies.refresh();
    expect(here.policies.for(phoneSubject('phone-1')).version).toBe(version);
    await promise;
    expect(heard).toEqual([
      `session phone-1 policy-changed ${version}`,
      'session phone-1 pin-off PIN_OFF',
      'entry phone-1 pin-off PIN_OFF',
    ]);
    leave();
  },
  WITHIN,
);

test('a change that changes nothing for a phone is not told to it', async () => {
  const { policies, logger } = await replica();
  const sessions = new Presence();
  const heard: Directive[] = [];
  sessions.enter(phoneSubject('phone-1'), { end: () => {}, direct: (directive) => heard.push(directive) });
  sessions.enter(phoneSubject('phone-2', { merchant: 'shop-2' }), {
    end: () => {},
    direct: (directive) => heard.push(directive),
  });
  reachOpenCalls({ policies, sessions, pinEntries: new Presence(), logger });
  const version = await activate(({ pin }) => Object.assign(pin, { entrySeconds: 30 }));
  await policies.refresh();
  expect(heard).toEqual([{ kind: 'policy-changed', detail: version }]);
});
