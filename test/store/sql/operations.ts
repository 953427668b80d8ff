import { expect } from '@jest/globals';
import type { sqlStores } from '../../../src/app/store.ts';
import { versionOfJson } from '../../../src/policy/version.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { ok } from '../../../src/reasons/result.ts';
import type { Database } from '../../../src/store/sql/database.ts';
import { publishRevocation } from '../../../src/store/sql/revocations.ts';
import { START } from '../../support/clock.ts';
import {
  addGrant,
  claimOf,
  decisionOf,
  enrolPhone,
  offerKeySet,
  openInvite,
  uniqueId,
  uniqueName,
} from '../../support/enrolled.ts';
import { ATTESTED, NOTHING_AGAINST, newSession } from '../../support/facts.ts';
import { SeededRandom } from '../../support/random.ts';
import { signingKey } from '../../support/signing-key.ts';

const random = new SeededRandom('operations');
const LATER = secondsAfter(START, 60);

/** The stores of the service, and the database that they stand on. */
export type FaultyStores = ReturnType<typeof sqlStores> & { readonly database: Database };

/** A decision of a new phone, by the kill switches as they are: other operations set and lift some. */
async function newDecision(stores: FaultyStores) {
  const stored = await addGrant(stores, await enrolPhone(stores));
  return decisionOf(stored, { killGeneration: await stores.killReplicas.generation() });
}

/** One change of the durable stores. */
export interface Operation {
  readonly name: string;
  /** Makes what the change rests on; answers the change, which may run more than once. */
  readonly ready: (stores: FaultyStores) => Promise<(stores: FaultyStores) => Promise<unknown>>;
  /** What it answers where it happens. */
  readonly answers: unknown;
  /** What the same call answers where it had happened already: the caller's way to go on rests on it. */
  readonly again: unknown;
  /** True where a call that is repeated does its work anew, by design. */
  readonly repeats?: true;
}

const accepted = expect.objectContaining({ outcome: 'accepted' });

function policyDocument(name: string) {
  const json = JSON.stringify({ name });
  return { version: versionOfJson(json), json, createdBy: 'ann', createdAt: START, note: '' };
}

/** Every change of the durable stores, a line each. */
export const OPERATIONS: readonly Operation[] = [
  {
    name: 'adding an invite',
    ready: async () => {
      const invite = {
        id: uniqueId(),
        codeHash: random.bytes(32),
        acquirer: 'acquirer-a',
        merchant: uniqueName('shop'),
      };
      const whole = { ...invite, replaces: null, createdBy: 'ann', createdAt: START, expiresAt: LATER };
      return (stores) => stores.invites.addInvite(whole, 10);
    },
    answers: 'added',
    // Whoever asks for an invite again asks for another code.
    again: 'CONSTRAINT_VIOLATED',
  },
  {
    name: 'withdrawing an invite',
    ready: async (stores) => {
      const { id } = await openInvite(stores);
      return ({ invites }) => invites.withdraw(id, 'ann', LATER);
    },
    answers: expect.objectContaining({ state: 'withdrawn' }),
    again: expect.objectContaining({ state: 'withdrawn' }),
  },
  {
    name: 'setting a kill switch',
    ready: async ({ killSwitches }) => {
      const selector = { kind: 'acquirer', acquirer: uniqueName('acquirer') } as const;
      const kill = { id: uniqueId(), scope: 'everything', selector, cause: 'a test', by: 'ann' } as const;
      // The first of all adds the count of generations; every other moves it.
      await killSwitches.set({ ...kill, id: uniqueId() });
      return ({ killSwitches }) => killSwitches.set(kill);
    },
    answers: expect.objectContaining({ by: 'ann', lifted: null }),
    // The service gives each switch an id of its own.
    again: 'CONSTRAINT_VIOLATED',
  },
  {
    name: 'lifting a kill switch',
    ready: async ({ killSwitches }) => {
      const selector = { kind: 'acquirer', acquirer: uniqueName('acquirer') } as const;
      const kill = { id: uniqueId(), scope: 'everything', selector, cause: 'a test', by: 'ann' } as const;
      const { id } = await killSwitches.set(kill);
      return (stores) => stores.killSwitches.lift(id, 'bob', 'over');
    },
    answers: expect.objectContaining({ lifted: expect.objectContaining({ by: 'bob' }) }),
    again: expect.objectContaining({ lifted: expect.objectContaining({ by: 'bob' }) }),
  },
  {
    name: 'enrolling a phone',
    ready: async (stores) => {
      const { id } = await openInvite(stores);
      const device = { id: uniqueId(), deviceKey: signingKey().spki, attested: ATTESTED };
      const session = newSession(signingKey(), START);
      return ({ devices }) => devices.enrol(id, device, session, NOTHING_AGAINST);
    },
    answers: accepted,
    // The phone says its invite and its device key's hash, and is given its device.
    again: { outcome: 'closed' },
  },
  {
    name: 'renewing a phone',
    ready: async (stores) => {
      const { deviceId } = await enrolPhone(stores);
      const session = newSession(signingKey(), LATER);
      return ({ devices }) => devices.renew(deviceId, ATTESTED, session, NOTHING_AGAINST);
    },
    answers: accepted,
    // The phone attests anew, with a new session key.
    again: 'CONSTRAINT_VIOLATED',
  },
  {
    name: 'resuming a session',
    ready: async (stores) => {
      const { deviceId, sessionKey } = await enrolPhone(stores);
      return ({ devices }) => devices.resume(sessionKey.thumbprint, deviceId, LATER);
    },
    answers: LATER,
    again: LATER,
  },
  ...(['suspended', 'revoked'] as const).map((to) => ({
    name: `a device that becomes ${to}`,
    ready: async (stores: FaultyStores) => {
      const { deviceId, acquirer } = await enrolPhone(stores);
      // The first revocation of an acquirer makes its feed; the ones that are looked at find it there.
      const first = { deviceId: uniqueId(), reason: 'SESSION_ENDED', revokedAt: START } as const;
      await stores.database.transaction((sql) => publishRevocation(sql, acquirer, first));
      const revocation = to === 'revoked' ? 'DEVICE_REVOKED' : 'DEVICE_SUSPENDED';
      const move = { to, by: 'ann', cause: 'lost', at: LATER, revocation } as const;
      return ({ standings }: FaultyStores) => standings.move(deviceId, (standing) => ok(standing === to ? null : move));
    },
    answers: { ok: true, changed: true },
    again: { ok: true, changed: false },
  })),
  {
    name: 'leasing derivation identifiers',
    ready: async () => {
      const bdkId = random.bytes(4);
      return ({ keySets }) => keySets.leaseDerivationIds(bdkId, 10);
    },
    answers: 0,
    // What was leased and not heard of is never leased again.
    again: 10,
    repeats: true,
  },
  {
    name: 'offering keys',
    ready: async (stores) => {
      const { deviceId } = await enrolPhone(stores);
      const ids = { pinInitialKeyId: random.bytes(8), accountDataInitialKeyId: random.bytes(8) };
      const set = { id: uniqueId(), deviceId, ...ids, expiresAt: LATER };
      return ({ keySets }) => keySets.addOffered({ ...set, binding: random.bytes(16) }, START);
    },
    answers: undefined,
    again: 'CONSTRAINT_VIOLATED',
  },
  {
    name: 'activating keys',
    ready: async (stores) => {
      const { deviceId } = await enrolPhone(stores);
      await claimOf(stores, await enrolPhone(stores));
      const { id } = await offerKeySet(stores, deviceId);
      return ({ keySets }) => keySets.activate(id, deviceId, LATER);
    },
    answers: expect.objectContaining({ status: 'active' }),
    // The phone starts the injection anew; its keys are active and older than the ones that follow.
    again: null,
  },
  {
    name: 'forgetting keys that were never proven',
    ready: async (stores) => {
      const { deviceId } = await enrolPhone(stores);
      // Whatever other operations offered goes first: it is one set that is looked at.
      await stores.keySets.pruneUnproven(LATER, 1_000_000);
      await offerKeySet(stores, deviceId);
      return ({ keySets }) => keySets.pruneUnproven(LATER, 1000);
    },
    answers: 1,
    again: 0,
  },
  {
    name: 'burning counters',
    ready: async (stores) => {
      const claim = await claimOf(stores, await enrolPhone(stores));
      return ({ grants }) => grants.burnCounters(claim, START);
    },
    answers: { sequence: 1n, keyBinding: expect.any(Buffer) },
    // Burned is burned: the phone begins again with the next ones.
    again: 'COUNTER_NOT_HIGHER',
  },
  {
    name: 'keeping a grant',
    ready: async (stores) => {
      const { grant, signed } = await addGrant(stores, await enrolPhone(stores));
      const stored = { grant: { ...grant, id: uniqueId() }, signed };
      return ({ grants }) => grants.addGrant(stored);
    },
    answers: undefined,
    again: 'CONSTRAINT_VIOLATED',
  },
  {
    name: 'beginning PIN entry',
    ready: async (stores) => {
      const { grant } = await addGrant(stores, await enrolPhone(stores));
      return ({ grants }) => grants.beginPinEntry(grant.id, { at: START, layout: 'shuffled' });
    },
    answers: true,
    // One pad a grant: the phone begins a new transaction.
    again: false,
  },
  {
    name: 'deciding on a payment',
    ready: async (stores) => {
      const decision = await newDecision(stores);
      return ({ decisions }) => decisions.commit(decision);
    },
    answers: true,
    // The gate reads the decision of this intent, and answers it.
    again: false,
  },
  {
    name: 'keeping a decision with what its guard reads',
    ready: async (stores) => {
      const decision = await newDecision(stores);
      const guard = { tallies: [], order: true, cardCounter: true };
      return ({ decisions }) => decisions.commitGuarded(decision, guard, () => null);
    },
    answers: true,
    again: false,
  },
  {
    name: 'reporting an outcome',
    ready: async (stores) => {
      const decision = await newDecision(stores);
      await stores.decisions.commit(decision);
      return ({ outcomes }) => outcomes.report(decision.grantId, 'pin-wrong', 'acquirer-a', START);
    },
    answers: 'pin-wrong',
    again: 'pin-wrong',
  },
  {
    name: 'keeping a grant for a tap that is paid again',
    ready: async (stores) => {
      const { grant, signed } = await addGrant(stores, await enrolPhone(stores));
      const tap = {
        parentId: grant.id,
        rootId: grant.id,
        rootHash: random.bytes(32),
        hash: random.bytes(32),
        attempt: 2,
      };
      const stored = { grant: { ...grant, id: uniqueId(), sameTap: tap }, signed };
      return ({ grants }) => grants.addChildGrant(stored, tap);
    },
    answers: true,
    // The phone taps the card again.
    again: false,
  },
  {
    name: 'keeping a policy document',
    ready: async () => {
      const document = policyDocument(uniqueName('document'));
      return ({ policies }) => policies.addDocument(document);
    },
    answers: expect.objectContaining({ createdBy: 'ann' }),
    again: expect.objectContaining({ createdBy: 'ann' }),
  },
  {
    name: 'putting a policy in force',
    ready: async ({ policies }) => {
      await policies.seed(policyDocument('first'), random.bytes(16));
      const document = await policies.addDocument(policyDocument(uniqueName('document')));
      const scope = { kind: 'group', group: uniqueName('group') } as const;
      const expectedGeneration = await policies.generation();
      const by = { by: 'ann', at: START, note: '', seed: random.bytes(16) };
      const wanted = { scope, mode: 'active', version: document.version, expectedGeneration, ...by } as const;
      return (stores) => stores.policies.activate(wanted);
    },
    answers: expect.objectContaining({ outcome: 'changed' }),
    // The person is shown the effect again, and sees that it is in force.
    again: expect.objectContaining({ outcome: 'moved-on' }),
  },
  {
    name: 'adding a device to a group',
    ready: async (stores) => {
      await stores.policies.seed(policyDocument('first'), random.bytes(16));
      const { deviceId } = await enrolPhone(stores);
      const group = uniqueName('group');
      return ({ deviceGroups }) => deviceGroups.addMembers(group, [deviceId], 'ann', START);
    },
    answers: { outcome: 'changed', devices: 1, changed: 1 },
    again: { outcome: 'changed', devices: 1, changed: 0 },
  },
  {
    name: 'removing a device from a group',
    ready: async (stores) => {
      const { deviceId } = await enrolPhone(stores);
      const group = uniqueName('group');
      await stores.deviceGroups.addMembers(group, [deviceId], 'ann', START);
      return ({ deviceGroups }) => deviceGroups.removeMembers(group, [deviceId], 'bob', LATER);
    },
    answers: { outcome: 'changed', devices: 0, changed: 1 },
    again: { outcome: 'changed', devices: 0, changed: 0 },
  },
  {
    name: 'chaining rows of the audit log',
    ready: async (stores) => {
      await stores.auditLog.chain(
        await stores.auditLog.open(uniqueId(), START),
        await stores.auditLog.unchained(256),
        START,
      );
      const decision = await newDecision(stores);
      await stores.decisions.commit(decision);
      const head = await stores.auditLog.open(uniqueId(), START);
      const rows = [{ source: 'decision/1', subject: decision.grantId }];
      return ({ auditLog }) => auditLog.chain(head, rows, LATER);
    },
    answers: expect.objectContaining({ sequence: 1n }),
    // The sequencer reads its head, and goes on from there.
    again: null,
  },
  {
    name: 'keeping a checkpoint',
    ready: async (stores) => {
      const { id } = await openInvite(stores);
      const head = await stores.auditLog.open(uniqueId(), START);
      await stores.auditLog.chain(head, [{ source: 'invite/1', subject: id }], START);
      const heads = (await stores.auditLog.unsigned(10_000)).filter(({ writer }) => writer === head.writer);
      const { checkpoints } = await stores.auditReader.size();
      const signed = { payload: random.bytes(8), signature: random.bytes(8), keyId: 'audit-1' };
      return ({ auditLog }) => auditLog.addCheckpoint(checkpoints + 1n, signed, heads, LATER);
    },
    answers: true,
    // The sequencer reads the last checkpoint, and builds on that.
    again: false,
  },
  {
    name: 'publishing a revocation',
    ready: async () => {
      const acquirer = uniqueName('acquirer');
      const revocation = { deviceId: uniqueId(), reason: 'DEVICE_REVOKED', revokedAt: LATER } as const;
      return ({ database }) => database.transaction((sql) => publishRevocation(sql, acquirer, revocation));
    },
    answers: undefined,
    again: undefined,
    repeats: true,
  },
];
