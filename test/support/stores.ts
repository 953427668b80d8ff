import type { Check } from '../../src/attestation/appraise.ts';
import { type Acceptance, type KnownOfPhone, refuses } from '../../src/devices/acceptance.ts';
import { type Baseline, baselineOf, raised } from '../../src/devices/continuity.ts';
import type { AttestedState, Device, DeviceStatus } from '../../src/devices/device.ts';
import { type Invite, standingOf } from '../../src/devices/invite-state.ts';
import type { KeySeen, Sighting } from '../../src/devices/sighting.ts';
import type { AttestedSession, DeviceStore, InviteStore, NewSession } from '../../src/devices/store.ts';
import { type Tally, type TallyKey, tallyName } from '../../src/gate/limits.ts';
import type { OrderTransaction } from '../../src/gate/origin.ts';
import type { OutcomeStore } from '../../src/gate/outcome.ts';
import type { CardUse, DecisionStore, NewDecision, Situation } from '../../src/gate/store.ts';
import type { KeySet, KeySetStore } from '../../src/injection/key-set.ts';
import type { PinGrantStore } from '../../src/pin/store.ts';
import type { PaidTap, ReportedOutcome } from '../../src/sessions/same-tap.ts';
import type {
  BurnedCounters,
  CounterClaim,
  CounterRefusal,
  GrantStore,
  StoredGrant,
} from '../../src/sessions/store.ts';

/** Every durable port, over one state. */
export interface DurableStores {
  readonly invites: InviteStore;
  readonly devices: DeviceStore;
  readonly keySets: KeySetStore;
  readonly grants: GrantStore & PinGrantStore;
  readonly decisions: DecisionStore;
  readonly outcomes: OutcomeStore;
}

interface InviteRow extends Invite {
  readonly codeHash: Buffer;
}

interface DeviceRow extends Device {
  readonly sessionThumbprint: string;
  readonly baseline: Baseline;
}

interface SessionRow {
  readonly deviceId: string;
  readonly session: NewSession;
  status: 'active' | 'revoked';
  grantedSequence: bigint;
  decidedSequence: bigint;
}

interface KeySetRow extends KeySet {
  readonly binding: Buffer;
  readonly offeredAt: Date;
  readonly retiredAt: Date | null;
  pinCounter: number;
  accountDataCounter: number;
  transactions: number;
}

const DERIVATION_IDS = 2 ** 32;

/** By application and by cryptogram: of each, a use is one. */
const useNames = ({ reference, application, counter, cryptogram }: CardUse): readonly string[] =>
  [application, cryptogram.toString('hex')].map((name) => `${reference.toString('hex')} ${name} ${counter}`);

function keySetOf({ id, deviceId, status, pinInitialKeyId, accountDataInitialKeyId, expiresAt }: KeySetRow): KeySet {
  return { id, deviceId, status, pinInitialKeyId, accountDataInitialKeyId, expiresAt };
}

/**
 * Durable stores in memory. Each method is one step of the event loop, so it is as atomic as a SERIALIZABLE transaction;
 * the contracts in `contracts/` hold for these and for the SQL ones alike.
 */
export class MemoryStores implements DurableStores {
  readonly #invites = new Map<string, InviteRow>();
  readonly #replaced = new Set<string>();
  readonly #sightings: (Sighting & { readonly deviceId: string })[] = [];
  readonly #devices = new Map<string, DeviceRow>();
  readonly #sessions = new Map<string, SessionRow>();
  readonly #appraised = new Map<string, NewSession['appraisal'][]>();
  readonly #ranges = new Map<string, number>();
  readonly #keySets = new Map<string, KeySetRow>();
  readonly #grants = new Map<string, { readonly stored: StoredGrant; pinEntryBegun: boolean }>();
  readonly #decisions = new Map<string, NewDecision>();
  readonly #cardUses = new Map<string, { readonly use: CardUse; readonly rootGrantId: string }>();
  readonly #tallies = new Map<string, Tally>();
  readonly #outcomes = new Map<string, ReportedOutcome>();
  readonly #repeated = new Set<string>();

  readonly invites: InviteStore = {
    addInvite: async (invite, limit) => {
      const { acquirer, merchant, replaces } = invite;
      if (replaces !== null) {
        const device = this.#devices.get(replaces);
        if (device?.acquirer !== acquirer || device.merchant !== merchant) return 'no-such-device';
        if (device.status === 'revoked') return 'device-revoked';
      }
      const others = [...this.#invites.values()].filter(
        (other) =>
          other.acquirer === acquirer && other.merchant === merchant && standingOf(other, invite.createdAt) === 'open',
      );
      if (others.length >= limit) return 'limit-reached';
      this.#setInvite({ ...invite, state: 'open', deviceId: null, withdrawnBy: null, withdrawnAt: null });
      return 'added';
    },
    inviteOfCode: async (codeHash) => {
      const row = [...this.#invites.values()].find((invite) => invite.codeHash.equals(codeHash));
      return row === undefined ? null : inviteOf(row);
    },
    invite: async (id) => this.#invite(id),
    withdraw: async (id, by, at) => {
      const row = this.#invites.get(id);
      if (row?.state === 'open') this.#setInvite({ ...row, state: 'withdrawn', withdrawnBy: by, withdrawnAt: at });
      return this.#invite(id);
    },
    list: async ({ merchant, standing, after, limit }, now) => {
      const key = ({ createdAt, id }: { readonly createdAt: Date; readonly id: string }): string =>
        `${createdAt.toISOString()} ${id}`;
      return [...this.#invites.values()]
        .filter((invite) => merchant === null || invite.merchant === merchant)
        .filter((invite) => standing === null || standingOf(invite, now) === standing)
        .filter((invite) => after === null || key(invite) < key(after))
        .sort((a, b) => (key(a) < key(b) ? 1 : -1))
        .slice(0, limit)
        .map(inviteOf);
    },
  };

  readonly devices: DeviceStore = {
    device: async (id) => this.#device(id),
    session: async (thumbprint) => this.#session(thumbprint),
    enrol: async (inviteId, device, session, judge) => {
      const { appraisedAt: at, facts } = session.appraisal;
      const invite = this.#invites.get(inviteId);
      if (invite === undefined || standingOf(invite, at) !== 'open') return { outcome: 'closed' };
      const { acquirer, merchant, replaces } = invite;
      if (replaces !== null && this.#replaced.has(replaces)) return { outcome: 'closed' };
      const others = [...this.#devices.values()].filter(
        (other) => other.acquirer === acquirer && other.merchant === merchant && other.id !== replaces,
      );
      const merchantDevices = others.filter(({ status }) => status !== 'revoked').length;
      const keys = this.#keysSeen(session.sightings, [device.id, replaces]);
      const checks = judge({ before: null, keys, merchantDevices });
      if (refuses(checks)) return { outcome: 'refused', checks };
      this.#setInvite({ ...invite, state: 'used', deviceId: device.id });
      const row = {
        ...device,
        acquirer,
        merchant,
        status: 'active' as const,
        enrolledAt: at,
        baseline: baselineOf(facts),
      };
      this.#keep({ ...row, attestedAt: at, sessionThumbprint: session.thumbprint }, session, checks);
      const replaced = replaces !== null && this.#devices.get(replaces)?.status !== 'revoked' ? replaces : null;
      if (replaces !== null) this.#replaced.add(replaces);
      if (replaced !== null) this.#revoke(replaced);
      return { outcome: 'accepted', checks, replaced, issuedAt: at };
    },
    renew: async (deviceId, attested: AttestedState, session, judge): Promise<Acceptance> => {
      const device = this.#devices.get(deviceId);
      if (device?.status !== 'active') return { outcome: 'closed' };
      const { appraisedAt, facts } = session.appraisal;
      const attestedAt = laterOf(appraisedAt, device.attestedAt);
      const { baseline: before, ...rest } = device;
      const known: KnownOfPhone = {
        before,
        keys: this.#keysSeen(session.sightings, [deviceId]),
        merchantDevices: null,
      };
      const checks = judge(known);
      if (refuses(checks)) return { outcome: 'refused', checks };
      const baseline = raised(before, facts);
      this.#keep({ ...rest, attested, attestedAt, sessionThumbprint: session.thumbprint, baseline }, session, checks);
      return { outcome: 'accepted', checks, replaced: null, issuedAt: attestedAt };
    },
    resume: async (thumbprint, deviceId, at) => {
      const session = this.#session(thumbprint);
      const device = this.#devices.get(deviceId);
      const active = session?.status === 'active' && session.deviceStatus === 'active';
      if (!active || device === undefined || session.deviceId !== deviceId || !session.current) return null;
      return laterOf(at, device.attestedAt);
    },
  };

  readonly keySets: KeySetStore = {
    leaseDerivationIds: async (bdkId, count) => {
      const first = this.#ranges.get(bdkId.toString('hex')) ?? 0;
      if (first + count > DERIVATION_IDS) return null;
      this.#ranges.set(bdkId.toString('hex'), first + count);
      return first;
    },
    addOffered: async (set, now) => {
      for (const row of this.#keySets.values()) {
        const same =
          row.pinInitialKeyId.equals(set.pinInitialKeyId) ||
          row.accountDataInitialKeyId.equals(set.accountDataInitialKeyId);
        if (same) throw new Error('an initial key identifier was offered before');
      }
      this.#keySets.set(set.id, {
        ...set,
        status: 'offered',
        offeredAt: now,
        retiredAt: null,
        pinCounter: 0,
        accountDataCounter: 0,
        transactions: 0,
      });
    },
    offered: async (setId, deviceId) => {
      const set = this.#keySets.get(setId);
      if (set?.status !== 'offered' || set.deviceId !== deviceId) return null;
      return { pin: set.pinInitialKeyId, accountData: set.accountDataInitialKeyId };
    },
    active: async (setId, deviceId) => {
      const set = this.#keySets.get(setId);
      return set?.status === 'active' && set.deviceId === deviceId ? keySetOf(set) : null;
    },
    pruneUnproven: async (offeredBefore, count) => {
      const unproven = [...this.#keySets.values()].filter(
        ({ status, retiredAt, offeredAt }) => status !== 'active' && retiredAt === null && offeredAt < offeredBefore,
      );
      for (const { id } of unproven.slice(0, count)) this.#keySets.delete(id);
      return Math.min(unproven.length, count);
    },
    activate: async (setId, deviceId, now) => {
      const set = this.#keySets.get(setId);
      const active = this.#devices.get(deviceId)?.status === 'active';
      if (set?.status !== 'offered' || set.deviceId !== deviceId || !active) return null;
      for (const [id, row] of this.#keySets) {
        if (row.deviceId !== deviceId || row.status === 'retired') continue;
        this.#keySets.set(id, { ...row, status: 'retired', retiredAt: row.status === 'active' ? now : null });
      }
      this.#keySets.set(setId, { ...set, status: 'active', pinCounter: 1, accountDataCounter: 1 });
      return { ...keySetOf(set), status: 'active' };
    },
  };

  readonly grants: GrantStore & PinGrantStore = {
    burnCounters: async (claim, now) => this.#burn(claim, now),
    addGrant: async (stored) => {
      this.#grants.set(stored.grant.id, { stored, pinEntryBegun: false });
    },
    grantOf: async (grantId, thumbprint) => this.#grantOf(grantId, thumbprint),
    paidTap: async (grantId, thumbprint) => {
      const stored = this.#grantOf(grantId, thumbprint);
      return stored === null ? null : this.#paidTap(stored);
    },
    addChildGrant: async (stored, { parentId }) => {
      if (this.#repeated.has(parentId)) return false;
      this.#repeated.add(parentId);
      this.#grants.set(stored.grant.id, { stored, pinEntryBegun: false });
      return true;
    },
    keyWear: async (deviceId) => {
      const set = [...this.#keySets.values()].find((row) => row.deviceId === deviceId && row.status === 'active');
      if (set === undefined) return null;
      const { offeredAt: activatedAt, expiresAt, transactions, pinInitialKeyId, accountDataInitialKeyId } = set;
      return { activatedAt, expiresAt, transactions, pinInitialKeyId, accountDataInitialKeyId };
    },
    beginPinEntry: async (grantId) => {
      const row = this.#grants.get(grantId);
      if (row === undefined || row.pinEntryBegun || this.#decisions.has(grantId)) return false;
      row.pinEntryBegun = true;
      return true;
    },
  };

  readonly decisions: DecisionStore = {
    situation: async (grantId, thumbprint, accountDataInitialKeyId): Promise<Situation | null> => {
      const stored = this.#grantOf(grantId, thumbprint);
      const session = this.#sessions.get(thumbprint);
      const device = session && this.#devices.get(session.deviceId);
      if (stored === null || session === undefined || device === undefined) return null;
      const decision = this.#decisions.get(grantId) ?? null;
      const set = [...this.#keySets.values()].find(
        (row) => row.deviceId === device.id && row.accountDataInitialKeyId.equals(accountDataInitialKeyId),
      );
      const { status, pinInitialKeyId, expiresAt, retiredAt } = set ?? {};
      const keySet =
        status === undefined || pinInitialKeyId === undefined || expiresAt === undefined
          ? null
          : { status, pinInitialKeyId, expiresAt, retiredAt: retiredAt ?? null };
      const appraisalId = session.session.appraisal.id;
      return { deviceStatus: device.status, sessionStatus: session.status, stored, keySet, appraisalId, decision };
    },
    tallied: async () => (key) => this.#tallied(key),
    commit: async (decision) => this.#commit(decision),
    commitGuarded: async (decision, guard, judge) => {
      const reason = judge({
        tallied: (key) => this.#tallied(key),
        order: guard.order ? this.#orderOf(decision) : [],
        cardCounter: guard.cardCounter ? this.#highestCounter(decision) : 0,
      });
      return reason ?? this.#commit(decision);
    },
    tapApproved: async ({ rootGrantId }) =>
      [...this.#decisions.values()].some((other) => other.rootGrantId === rootGrantId && other.outcome === 'approved'),
    usedByOther: async (use, rootGrantId) => this.#usedByOther(use, rootGrantId),
  };

  readonly outcomes: OutcomeStore = {
    decided: async (grantId) => {
      const decision = this.#decisions.get(grantId);
      const row = this.#grants.get(grantId);
      if (decision === undefined || row === undefined) return null;
      const paid = this.#paidTap(row.stored);
      const { intentHash, outcome, pinEntered } = decision;
      return paid && { ...paid, intentHash, outcome, pinEntered };
    },
    report: async (grantId, outcome) => {
      const standing = this.#outcomes.get(grantId) ?? outcome;
      this.#outcomes.set(grantId, standing);
      return standing;
    },
  };

  #commit(decision: NewDecision): boolean {
    const session = this.#sessions.get(decision.thumbprint);
    if (session?.status !== 'active' || session.decidedSequence >= decision.sequence) return false;
    const { cardUse, rootGrantId } = decision;
    if (cardUse !== null) {
      if (this.#usedByOther(cardUse, rootGrantId)) return false;
      for (const name of useNames(cardUse)) this.#cardUses.set(name, { use: cardUse, rootGrantId });
    }
    session.decidedSequence = decision.sequence;
    this.#decisions.set(decision.grantId, decision);
    for (const { key, amountMinor } of decision.tallies) {
      const before = this.#tallied(key);
      this.#tallies.set(tallyName(key), {
        payments: before.payments + 1n,
        amountMinor: before.amountMinor + amountMinor,
      });
    }
    return true;
  }

  #usedByOther(use: CardUse, rootGrantId: string): boolean {
    return useNames(use).some((name) => (this.#cardUses.get(name)?.rootGrantId ?? rootGrantId) !== rootGrantId);
  }

  #tallied(key: TallyKey): Tally {
    return this.#tallies.get(tallyName(key)) ?? { payments: 0n, amountMinor: 0n };
  }

  #orderOf({ acquirer, merchant, order }: NewDecision): OrderTransaction[] {
    return [...this.#decisions.values()]
      .filter((other) => other.outcome === 'approved' && other.acquirer === acquirer)
      .filter((other) => other.merchant === merchant && other.order === order)
      .map(({ grantId, type, amountMinor, currency, cardReference }) => {
        return { type, amountMinor, currency, cardReference, reported: this.#outcomes.get(grantId) ?? null };
      });
  }

  #highestCounter({ cardUse, rootGrantId }: NewDecision): number {
    const others = [...this.#cardUses.values()].filter(
      (other) =>
        cardUse !== null &&
        other.rootGrantId !== rootGrantId &&
        other.use.application === cardUse.application &&
        other.use.reference.equals(cardUse.reference),
    );
    return Math.max(0, ...others.map(({ use }) => use.counter));
  }

  #paidTap({ grant, signed }: StoredGrant): PaidTap | null {
    const decision = this.#decisions.get(grant.id);
    if (decision === undefined) return null;
    const { reasons, facts, decidedAt } = decision;
    const reported = this.#outcomes.get(grant.id) ?? null;
    return { grant, signed, tapHash: facts.payment.tapHash, reasons, reported, decidedAt };
  }

  /** Suspends a device, as an operator would. */
  async suspend(deviceId: string): Promise<void> {
    this.#stand(deviceId, 'suspended');
    this.#endSessions(deviceId);
  }

  /** Ends every session of a device, as a re-appraisal does. */
  async endSessions(deviceId: string): Promise<void> {
    this.#endSessions(deviceId);
  }

  /** Revokes a device, as the security team would. */
  async revoke(deviceId: string): Promise<void> {
    this.#revoke(deviceId);
  }

  /** The devices of a merchant. */
  async devicesOf(merchant: string): Promise<readonly Device[]> {
    return [...this.#devices.values()].filter((device) => device.merchant === merchant).map(deviceOf);
  }

  #setInvite(row: InviteRow): void {
    this.#invites.set(row.id, row);
  }

  #invite(id: string): Invite | null {
    const row = this.#invites.get(id);
    return row === undefined ? null : inviteOf(row);
  }

  #keysSeen(sightings: readonly Sighting[], own: readonly (string | null)[]): KeySeen[] {
    return sightings.map((sighting) => {
      const seen = this.#sightings.filter(({ keyId }) => keyId.equals(sighting.keyId));
      const live = seen.find(
        ({ deviceId }) => !own.includes(deviceId) && this.#devices.get(deviceId)?.status !== 'revoked',
      );
      const other = seen.find(({ model }) => model !== null && model !== sighting.model);
      const remote = sighting.provisioning === 'remote';
      return {
        sighting,
        liveDevice: remote ? (live?.deviceId ?? null) : null,
        otherModel: remote || sighting.model === null ? null : (other?.model ?? null),
      };
    });
  }

  #keep(device: DeviceRow, session: NewSession, checks: readonly Check[]): void {
    this.#devices.set(device.id, device);
    const row = { deviceId: device.id, session, status: 'active' as const };
    this.#sessions.set(session.thumbprint, { ...row, grantedSequence: 0n, decidedSequence: 0n });
    const appraisal = { ...session.appraisal, checks: [...session.appraisal.checks, ...checks] };
    this.#appraised.set(device.id, [...(this.#appraised.get(device.id) ?? []), appraisal]);
    for (const sighting of session.sightings) this.#sightings.push({ ...sighting, deviceId: device.id });
  }

  #revoke(deviceId: string): void {
    this.#stand(deviceId, 'revoked');
    this.#endSessions(deviceId);
  }

  #endSessions(deviceId: string): void {
    for (const row of this.#sessions.values()) if (row.deviceId === deviceId) row.status = 'revoked';
  }

  #stand(deviceId: string, status: DeviceStatus): void {
    const device = this.#devices.get(deviceId);
    if (device !== undefined) this.#devices.set(deviceId, { ...device, status });
  }

  #device(id: string): Device | null {
    const row = this.#devices.get(id);
    return row === undefined ? null : deviceOf(row);
  }

  #session(thumbprint: string): AttestedSession | null {
    const row = this.#sessions.get(thumbprint);
    const device = row && this.#devices.get(row.deviceId);
    if (row === undefined || device === undefined) return null;
    return {
      thumbprint,
      deviceId: device.id,
      publicKey: row.session.publicKey,
      status: row.status,
      pinForbidden: row.session.pinForbidden,
      acquirer: device.acquirer,
      merchant: device.merchant,
      deviceStatus: device.status,
      trustVector: row.session.trustVector,
      attestedAt: row.session.appraisal.appraisedAt,
      current: device.sessionThumbprint === thumbprint,
      platform: row.session.appraisal.facts,
      attestationKeys: this.#sightings.flatMap((seen) =>
        seen.deviceId === device.id ? seen.keyId.toString('hex') : [],
      ),
    };
  }

  #grantOf(grantId: string, thumbprint: string): StoredGrant | null {
    const stored = this.#grants.get(grantId)?.stored;
    return stored?.grant.thumbprint === thumbprint ? stored : null;
  }

  #burn(claim: CounterClaim, now: Date): BurnedCounters | CounterRefusal {
    const session = this.#sessions.get(claim.thumbprint);
    if (session?.status !== 'active' || session.deviceId !== claim.deviceId) return 'SESSION_UNKNOWN';
    const set = [...this.#keySets.values()].find(
      (row) =>
        row.deviceId === claim.deviceId &&
        row.status === 'active' &&
        row.pinInitialKeyId.equals(claim.pinInitialKeyId) &&
        row.accountDataInitialKeyId.equals(claim.accountDataInitialKeyId),
    );
    if (set === undefined) return 'KEYS_NOT_ACTIVE';
    if (set.expiresAt <= now || set.transactions >= claim.maximumTransactions) return 'KEYS_EXHAUSTED';
    const ahead = (next: number, last: number): boolean => last < next && next <= last + claim.window;
    if (!ahead(claim.pinCounter, set.pinCounter) || !ahead(claim.accountDataCounter, set.accountDataCounter))
      return 'COUNTER_NOT_HIGHER';
    set.pinCounter = claim.pinCounter;
    set.accountDataCounter = claim.accountDataCounter;
    set.transactions += 1;
    session.grantedSequence += 1n;
    return { sequence: session.grantedSequence, keyBinding: set.binding };
  }
}

function laterOf(one: Date, other: Date): Date {
  return new Date(Math.max(one.getTime(), other.getTime()));
}

function inviteOf({ codeHash: _hash, ...invite }: InviteRow): Invite {
  return invite;
}

function deviceOf({ sessionThumbprint: _session, baseline: _baseline, ...device }: DeviceRow): Device {
  return device;
}
