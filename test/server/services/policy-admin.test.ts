import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { initCertificates } from '../../../src/certs/init.ts';
import {
  DeviceGroupChangeKind,
  PolicyAdminServiceClient,
  PolicyMode,
} from '../../../src/gen/tapgate/v1/policy_admin_service.ts';
import { PolicyFollower } from '../../../src/jobs/policy/follower.ts';
import { scopeKey } from '../../../src/policy/scope.ts';
import type {
  Activation,
  DeviceGroupStore,
  HeldActivation,
  PolicyStore,
  StoredDocument,
} from '../../../src/policy/store.ts';
import { canonicalJson, versionOf } from '../../../src/policy/version.ts';
import { ok, refuse } from '../../../src/reasons/result.ts';
import { policyAdminService } from '../../../src/server/services/policy-admin.ts';
import { callUnary, type UnaryCall } from '../../../src/wire/call.ts';
import { refusalFromError } from '../../../src/wire/status.ts';
import { START, TestClock } from '../../support/clock.ts';
import { ManualTime } from '../../support/manual-time.ts';
import { SeededRandom } from '../../support/random.ts';
import { Certificates, channelTo, type Edge, startEdge } from '../transport/support/edge.ts';

interface Document {
  readonly attestation: number;
  readonly pin: number;
}

const { ACTIVE, SHADOW } = PolicyMode;
const DEVICE = '6f1c2b3a-0000-4000-8000-000000000001';
const FIRST: Document = { attestation: 1, pin: 1 };

/** Policy in memory, as the SQL store keeps it; devices of any scope are 7. */
class MemoryPolicies implements PolicyStore {
  readonly kept = new Map<string, StoredDocument>();
  readonly entries: (Activation & { readonly seed: Uint8Array })[] = [];
  last = 0n;
  unreadable = false;

  async generation() {
    if (this.unreadable) throw new Error('away');
    return this.last;
  }
  async snapshot() {
    const latest = new Map(this.entries.map((entry) => [`${scopeKey(entry.scope)} ${entry.mode}`, entry]));
    const held = [...latest.values()].flatMap((entry): HeldActivation[] => {
      const { version } = entry;
      return version === null ? [] : [{ ...entry, version, json: this.kept.get(version)?.json ?? '' }];
    });
    return { generation: await this.generation(), held, members: [] };
  }
  async addDocument(document: StoredDocument) {
    if (!this.kept.has(document.version)) this.kept.set(document.version, document);
    return this.kept.get(document.version) ?? document;
  }
  async document(version: string) {
    return this.kept.get(version) ?? null;
  }
  async documents() {
    return [...this.kept.values()].reverse();
  }
  async activate({ expectedGeneration, ...wanted }: Parameters<PolicyStore['activate']>[0]) {
    const moved = expectedGeneration !== null && expectedGeneration !== this.last;
    if (moved) return { outcome: 'moved-on', generation: this.last } as const;
    const assigned = (await this.snapshot()).held.some(
      ({ scope, mode }) => scopeKey(scope) === scopeKey(wanted.scope) && mode === wanted.mode,
    );
    if (wanted.version === null && !assigned) return { outcome: 'nothing-assigned' } as const;
    this.last += 1n;
    this.entries.push({ ...wanted, number: this.last });
    return { outcome: 'changed', generation: this.last } as const;
  }
  async seed() {
    return false;
  }
  async history() {
    return [...this.entries].reverse();
  }
  async devicesIn() {
    return 7;
  }
}

const GROUPS: DeviceGroupStore = {
  groups: async () => [{ name: 'pilots', devices: 1 }],
  members: async (_group, after) => (after === null ? [DEVICE] : []),
  addMembers: async (group, [first = '']) =>
    group === 'full'
      ? { outcome: 'limit-reached' }
      : group === 'strangers'
        ? { outcome: 'no-such-device', deviceId: first }
        : { outcome: 'changed', devices: 1, changed: 1 },
  removeMembers: async () => ({ outcome: 'changed', devices: 0, changed: 1 }),
  changes: async (_group, before, limit) =>
    before === null
      ? Array.from({ length: Math.min(limit, 60) }, (_, at) => ({
          number: BigInt(100 - at),
          change: at % 2 === 0 ? ('added' as const) : ('removed' as const),
          deviceIds: [DEVICE],
          by: 'ann',
          at: START,
        }))
      : [],
};

let certificates: Certificates;
let edge: Edge;
let store: MemoryPolicies;
let reappraisals: string[];
const clients: PolicyAdminServiceClient[] = [];
let follower: PolicyFollower<Document>;

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tapgate-certs-'));
  const admins = ['security', 'operator', 'auditor'].map((role) => ({ role, person: 'ann' }));
  await initCertificates({ directory, hosts: [], acquirers: ['acme'], admins, now: new Date(), days: 2 });
  certificates = new Certificates(directory);
});
afterAll(() => certificates.remove());

beforeEach(async () => {
  store = new MemoryPolicies();
  reappraisals = [];
  const { version } = versionOf(FIRST);
  const by = { createdBy: 'tapgate', createdAt: START, note: '' };
  await store.addDocument({ version, json: canonicalJson(FIRST), ...by });
  const seed = Buffer.alloc(16);
  const wanted = {
    scope: { kind: 'default' },
    mode: 'active',
    version,
    by: 'tapgate',
    at: START,
    note: '',
    seed,
  } as const;
  await store.activate({ ...wanted, expectedGeneration: null });
  const time = new ManualTime();
  follower = new PolicyFollower<Document>({
    store,
    parse: (json) => JSON.parse(json) as Document,
    distribution: () => ({ pollMilliseconds: 250, maximumStalenessSeconds: 30 }),
    monotonic: time.monotonic,
    timer: time,
  });
  await follower.start();
  const service = policyAdminService<Document>({
    store,
    groups: GROUPS,
    source: follower,
    refresh: () => follower.refresh(),
    parse: (text) => (text.startsWith('{') ? ok(versionOf(JSON.parse(text) as Document)) : refuse('POLICY_INVALID')),
    parseKept: (json) => JSON.parse(json) as Document,
    compare: (before, after) =>
      before.pin === after.pin
        ? []
        : [{ path: 'pin', member: 'pin', before: before.pin, after: undefined, effect: 'tighter', readInScope: true }],
    judgedBy: ({ attestation }) => attestation,
    requestReappraisal: async (_prompt, by_) => {
      reappraisals.push(by_);
      return 'run';
    },
    shadow: { compared: () => [{ candidate: 'v1', point: 'grant', times: 3 }] },
    shadowStore: {
      results: async (candidate, since) => [
        {
          candidate: candidate ?? 'v1',
          point: 'grant',
          outcome: 'would-refuse',
          rule: 'PIN_OFF',
          times: 2n,
          phones: 1,
          lastSeen: since,
        },
      ],
    },
    clock: new TestClock(),
    random: new SeededRandom('policy admin'),
  });
  edge = await startEdge(certificates, 'admin', [service]);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await edge.listener.drain(2000);
  await follower.stop();
});

async function clientAs(role: string): Promise<PolicyAdminServiceClient> {
  const client = new PolicyAdminServiceClient(
    ...channelTo(edge, await certificates.client('admin', `admin/ann@${role}`)),
  );
  clients.push(client);
  return client;
}

function call<Q, A>(method: UnaryCall<Q, A>, request: Q): Promise<A> {
  return callUnary(method, request, 5000);
}

/** The first reason of a refusal. */
async function refusal(calling: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await calling.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return refusalFromError(error)?.reasons[0];
}

/** Keeps and activates a document, after a look at what it does. */
async function activate(document: Document, scope = 'default', mode: PolicyMode = ACTIVE) {
  const client = await clientAs('security');
  const { policy } = await call(client.addPolicy.bind(client), { document: JSON.stringify(document), note: 'new' });
  const wanted = { version: policy?.version ?? '', scope, mode };
  const preview = await call(client.previewActivation.bind(client), wanted);
  const request = { ...wanted, note: 'why', generation: preview.generation };
  const { generation } = await call(client.activatePolicy.bind(client), request);
  return { preview, generation, version: wanted.version };
}

describe('the policy service', () => {
  test('puts a version in force, shows before what it does, and has it in force when it answers', async () => {
    const { preview, generation, version } = await activate({ attestation: 1, pin: 2 });
    expect(preview).toMatchObject({
      beforeVersion: versionOf(FIRST).version,
      devices: 7,
      generation: 1n,
      reappraises: false,
    });
    expect(preview.differences).toEqual([{ path: 'pin', before: '1', after: '', effect: 1, readInScope: true }]);
    expect(generation).toBe(2n);
    expect(follower.default().version).toBe(version);
    expect(reappraisals).toEqual([]);
  });

  test.each<[string, Document, string, PolicyMode, readonly string[]]>([
    ['is asked for where attestation changes', { attestation: 2, pin: 1 }, 'default', ACTIVE, ['ann']],
    ['is asked for in any scope', { attestation: 2, pin: 1 }, 'group:pilots', ACTIVE, ['ann']],
    ['is not asked for by a candidate', { attestation: 2, pin: 1 }, 'default', SHADOW, []],
    ['is not asked for by another part', { attestation: 1, pin: 9 }, 'default', ACTIVE, []],
  ])('a re-appraisal %s', async (_what, document, scope, mode, asked) => {
    const { preview } = await activate(document, scope, mode);
    expect(preview.reappraises).toBe(asked.length > 0);
    expect(reappraisals).toEqual(asked);
  });

  test('compares a scope with its own version, where it has one', async () => {
    const { version } = await activate({ attestation: 1, pin: 2 }, 'group:pilots');
    const { preview } = await activate({ attestation: 1, pin: 3 }, 'group:pilots');
    expect(preview.beforeVersion).toBe(version);
  });

  test('makes no change that was shown for what no longer stands', async () => {
    const { version } = await activate({ attestation: 1, pin: 2 });
    const client = await clientAs('security');
    const stale = { version, scope: 'default', mode: ACTIVE, note: '', generation: 1n };
    expect(await refusal(call(client.activatePolicy.bind(client), stale))).toBe('POLICY_CHANGED_MEANWHILE');
    expect(store.last).toBe(2n);
  });

  test('says that it could not read its own change back', async () => {
    const client = await clientAs('security');
    const { version } = versionOf(FIRST);
    const original = store.activate.bind(store);
    store.activate = async (wanted) => {
      const changed = await original(wanted);
      store.unreadable = true;
      return changed;
    };
    const request = { version, scope: 'default', mode: ACTIVE, note: '', generation: 1n };
    expect(await refusal(call(client.activatePolicy.bind(client), request))).toBe('SERVICE_UNAVAILABLE');
  });

  test('withdraws what is assigned to a scope, but not the default', async () => {
    await activate({ attestation: 2, pin: 1 }, 'canary:5%');
    const client = await clientAs('security');
    const withdraw = (scope: string, mode: PolicyMode = ACTIVE) =>
      call(client.withdrawPolicy.bind(client), { scope, mode, note: '' });
    expect(await withdraw('canary')).toEqual({ generation: 3n });
    expect(reappraisals).toEqual(['ann', 'ann']);
    expect(await refusal(withdraw('canary'))).toBe('NOT_FOUND');
    expect(await refusal(withdraw('default'))).toBe('POLICY_DEFAULT_NEEDED');
    expect(await refusal(withdraw('default', SHADOW))).toBe('NOT_FOUND');
  });

  test('shows what a withdrawal changes before it is made, and makes it for what was shown only', async () => {
    const client = await clientAs('security');
    const { version } = await activate({ attestation: 2, pin: 2 }, 'canary:5%');
    const wanted = { scope: 'canary', mode: ACTIVE };
    const preview = await call(client.previewActivation.bind(client), { ...wanted, version: '' });
    expect(preview).toMatchObject({
      beforeVersion: version,
      afterVersion: versionOf(FIRST).version,
      differences: [{ path: 'pin', before: '2' }],
      devices: 7,
      generation: 2n,
      reappraises: true,
    });
    expect(store.last).toBe(2n);
    await activate({ attestation: 1, pin: 3 });
    const withdrawal = { ...wanted, note: '', generation: preview.generation };
    expect(await refusal(call(client.withdrawPolicy.bind(client), withdrawal))).toBe('POLICY_CHANGED_MEANWHILE');
    const again = { ...withdrawal, generation: 3n };
    expect(await call(client.withdrawPolicy.bind(client), again)).toEqual({ generation: 4n });
  });

  test('shows that the withdrawal of a candidate changes nothing', async () => {
    const client = await clientAs('auditor');
    const wanted = { scope: 'group:pilots', mode: SHADOW, version: '' };
    const preview = () => call(client.previewActivation.bind(client), wanted);
    expect(await refusal(preview())).toBe('NOT_FOUND');
    await activate({ attestation: 2, pin: 2 }, 'group:pilots', SHADOW);
    const { version } = versionOf(FIRST);
    const shown = { beforeVersion: version, afterVersion: version, differences: [], reappraises: false };
    expect(await preview()).toMatchObject(shown);
  });

  test.each([
    ['canary', 'NOT_FOUND'],
    ['default', 'POLICY_DEFAULT_NEEDED'],
    ['nowhere', 'POLICY_SCOPE_INVALID'],
  ])('shows no withdrawal from %s, which could not be made', async (scope, reason) => {
    const client = await clientAs('auditor');
    const wanted = { scope, mode: ACTIVE, version: '' };
    expect(await refusal(call(client.previewActivation.bind(client), wanted))).toBe(reason);
  });

  test('lists what is in force and everything that was', async () => {
    const { version } = await activate({ attestation: 1, pin: 2 });
    const client = await clientAs('auditor');
    const { policies, history, inForce, generation } = await call(client.listPolicies.bind(client), {});
    expect(policies.map(({ version: one, createdBy }) => [one, createdBy])).toEqual([
      [version, 'ann'],
      [versionOf(FIRST).version, 'tapgate'],
    ]);
    expect(history.map(({ number, holds }) => [number, holds])).toEqual([
      [2n, true],
      [1n, false],
    ]);
    expect(inForce.map((entry) => entry.version)).toEqual([version]);
    expect(generation).toBe(2n);
  });

  test.each([
    ['', versionOf(FIRST).version],
    ['default', versionOf(FIRST).version],
    [versionOf(FIRST).version, versionOf(FIRST).version],
  ])('shows %j', async (policy, version) => {
    const client = await clientAs('operator');
    const shown = await call(client.getPolicy.bind(client), { policy });
    expect(shown.policy?.version).toBe(version);
    expect(JSON.parse(shown.document)).toEqual(FIRST);
  });

  test('compares two versions', async () => {
    const { version } = await activate({ attestation: 1, pin: 2 }, 'canary:5%');
    const client = await clientAs('operator');
    const compared = await call(client.comparePolicies.bind(client), { before: 'canary', after: '' });
    expect([compared.beforeVersion, compared.afterVersion]).toEqual([version, versionOf(FIRST).version]);
    expect(compared.differences).toHaveLength(1);
  });

  test('shows what candidates would change, by default those that are watched', async () => {
    const client = await clientAs('auditor');
    const result = (version: string) => call(client.getShadowResult.bind(client), { version, since: undefined });
    expect((await result('')).differences).toEqual([]);
    const { differences, comparisons } = await result('v1');
    expect(differences).toMatchObject([
      { version: 'v1', outcome: 'would-refuse', rule: 'PIN_OFF', times: 2n, phones: 1 },
    ]);
    expect(comparisons).toEqual([{ version: 'v1', point: 'grant', times: 3n }]);
    expect((await result('v2')).comparisons).toEqual([]);
  });
});

describe('what is refused', () => {
  const version = versionOf(FIRST).version;
  type Refused = [string, string, (client: PolicyAdminServiceClient) => Promise<unknown>];
  const activating = { version, scope: 'default', mode: ACTIVE, note: '', generation: 1n };
  test.each<Refused>([
    ['a document that does not fit', 'POLICY_INVALID', (c) => call(c.addPolicy.bind(c), { document: 'x', note: '' })],
    [
      'a note that is too long',
      'MALFORMED_MESSAGE',
      (c) => call(c.addPolicy.bind(c), { document: '{}', note: 'x'.repeat(501) }),
    ],
    [
      'a scope that is none',
      'POLICY_SCOPE_INVALID',
      (c) => call(c.activatePolicy.bind(c), { ...activating, scope: 'all' }),
    ],
    ['a mode that is none', 'MALFORMED_MESSAGE', (c) => call(c.activatePolicy.bind(c), { ...activating, mode: 0 })],
    [
      'a version that is not kept',
      'NOT_FOUND',
      (c) => call(c.activatePolicy.bind(c), { ...activating, version: '0123456789abcdef' }),
    ],
    ['a scope without a version', 'NOT_FOUND', (c) => call(c.getPolicy.bind(c), { policy: 'group:pilots' })],
    [
      'a group without a name',
      'MALFORMED_MESSAGE',
      (c) => call(c.addToDeviceGroup.bind(c), { name: '', deviceIds: [DEVICE] }),
    ],
    ['no devices', 'MALFORMED_MESSAGE', (c) => call(c.addToDeviceGroup.bind(c), { name: 'a', deviceIds: [] })],
    [
      'what is no device',
      'MALFORMED_MESSAGE',
      (c) => call(c.addToDeviceGroup.bind(c), { name: 'a', deviceIds: ['x'] }),
    ],
    [
      'too many devices',
      'MALFORMED_MESSAGE',
      (c) => call(c.removeFromDeviceGroup.bind(c), { name: 'a', deviceIds: Array<string>(501).fill(DEVICE) }),
    ],
    [
      'a group that is full',
      'POLICY_LIMIT_REACHED',
      (c) => call(c.addToDeviceGroup.bind(c), { name: 'full', deviceIds: [DEVICE] }),
    ],
    ['a stranger', 'NOT_FOUND', (c) => call(c.addToDeviceGroup.bind(c), { name: 'strangers', deviceIds: [DEVICE] })],
    [
      'a page that is too long',
      'MALFORMED_MESSAGE',
      (c) => call(c.getDeviceGroup.bind(c), { name: 'a', pageSize: 501, afterDeviceId: '' }),
    ],
  ])('%s', async (_what, reason, calling) => {
    expect(await refusal(calling(await clientAs('security')))).toBe(reason);
    expect(store.last).toBe(1n);
  });

  test.each(['operator', 'auditor'])('%s reads and changes nothing', async (role) => {
    const client = await clientAs(role);
    const group = { name: 'pilots', deviceIds: [DEVICE] };
    for (const calling of [
      call(client.addPolicy.bind(client), { document: '{}', note: '' }),
      call(client.activatePolicy.bind(client), activating),
      call(client.withdrawPolicy.bind(client), { scope: 'canary', mode: ACTIVE, note: '' }),
      call(client.addToDeviceGroup.bind(client), group),
      call(client.removeFromDeviceGroup.bind(client), group),
    ]) {
      expect(await refusal(calling)).toBe('ROLE_NOT_ALLOWED');
    }
    expect((await call(client.listDeviceGroups.bind(client), {})).groups).toEqual([{ name: 'pilots', devices: 1 }]);
    const page = { name: 'pilots', pageSize: 0, afterDeviceId: '' };
    expect((await call(client.getDeviceGroup.bind(client), page)).deviceIds).toEqual([DEVICE]);
  });
});

test('a group says its size after each change', async () => {
  const client = await clientAs('security');
  const group = { name: 'pilots', deviceIds: [DEVICE] };
  expect(await call(client.addToDeviceGroup.bind(client), group)).toEqual({
    group: { name: 'pilots', devices: 1 },
    added: 1,
  });
  expect(await call(client.removeFromDeviceGroup.bind(client), group)).toEqual({
    group: { name: 'pilots', devices: 0 },
    removed: 1,
  });
});

test('a group says who changed it, a page at a time', async () => {
  const client = await clientAs('auditor');
  const page = (pageSize: number, beforeNumber = 0n) =>
    call(client.listDeviceGroupChanges.bind(client), { name: 'pilots', pageSize, beforeNumber });
  const { changes } = await page(2);
  expect(changes).toEqual([
    { number: 100n, kind: DeviceGroupChangeKind.ADDED, deviceIds: [DEVICE], changedBy: 'ann', changedAt: START },
    { number: 99n, kind: DeviceGroupChangeKind.REMOVED, deviceIds: [DEVICE], changedBy: 'ann', changedAt: START },
  ]);
  expect((await page(0)).changes).toHaveLength(50);
  expect((await page(2, 99n)).changes).toEqual([]);
  expect(await refusal(page(101))).toBe('MALFORMED_MESSAGE');
});
