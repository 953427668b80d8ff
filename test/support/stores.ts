import type { AttestedState, Device, DeviceStatus } from '../../src/devices/device.ts';
import type {
  AttestedSession,
  DevicePage,
  DeviceStore,
  InviteStore,
  NewInvite,
  NewSession,
  OpenInvite,
} from '../../src/devices/store.ts';
import type { DecisionStore, NewDecision, Situation } from '../../src/gate/store.ts';
import type { KeySet, KeySetStore } from '../../src/injection/key-set.ts';
import type { PinGrantStore } from '../../src/pin/store.ts';
import type { CounterClaim, CounterRefusal, GrantStore, StoredGrant } from '../../src/sessions/store.ts';

/** Every durable port, over one state. */
export interface DurableStores {
  readonly invites: InviteStore;
  readonly devices: DeviceStore;
  readonly keySets: KeySetStore;
  readonly grants: GrantStore & PinGrantStore;
  readonly decisions: DecisionStore;
}

interface InviteRow extends NewInvite {
  deviceId: string | null;
}

interface DeviceRow extends Device {
  readonly sessionThumbprint: string;
}

interface SessionRow {
  readonly deviceId: string;
  readonly session: NewSession;
  status: 'active' | 'revoked';
  grantedSequence: bigint;
  decidedSequence: bigint;
}

interface KeySetRow extends KeySet {
  pinCounter: number;
  accountDataCounter: number;
  transactions: number;
}

const DERIVATION_IDS = 2 ** 32;

/**
 * Durable stores in memory. Each method is one step of the event loop, so it is as atomic as a SERIALIZABLE transaction;
 * the contracts in `contracts/` hold for these and for the SQL ones alike.
 */
export class MemoryStores implements DurableStores {
  readonly #invites = new Map<string, InviteRow>();
  readonly #devices = new Map<string, DeviceRow>();
  readonly #sessions = new Map<string, SessionRow>();
  readonly #appraised = new Map<string, NewSession['appraisal'][]>();
  readonly #ranges = new Map<string, number>();
  readonly #keySets = new Map<string, KeySetRow>();
  readonly #grants = new Map<string, { readonly stored: StoredGrant; pinEntryBegun: boolean }>();
  readonly #decisions = new Map<string, NewDecision>();

  readonly invites: InviteStore = {
    addInvite: async (invite) => {
      this.#invites.set(invite.id, { ...invite, deviceId: null });
    },
    openInvite: async (codeHash, now) => {
      const invite = this.#inviteOf(codeHash);
      return invite !== null && this.#isOpen(invite, now) ? openInviteOf(invite) : null;
    },
    enrolledDevice: async (codeHash) => this.#inviteOf(codeHash)?.deviceId ?? null,
  };

  readonly devices: DeviceStore = {
    device: async (id) => this.#device(id),
    session: async (thumbprint) => this.#session(thumbprint),
    enrol: async (inviteId, device, session) => {
      const at = session.appraisal.appraisedAt;
      const invite = this.#invites.get(inviteId);
      if (invite === undefined || !this.#isOpen(invite, at)) return false;
      invite.deviceId = device.id;
      const { acquirer, merchant } = invite;
      const row = { ...device, acquirer, merchant, status: 'active' as const, enrolledAt: at };
      this.#keep({ ...row, attestedAt: at, sessionThumbprint: session.thumbprint }, session);
      return true;
    },
    renew: async (deviceId, attested: AttestedState, session) => {
      const device = this.#devices.get(deviceId);
      if (device?.status !== 'active') return false;
      const attestedAt = session.appraisal.appraisedAt;
      this.#keep({ ...device, attested, attestedAt, sessionThumbprint: session.thumbprint }, session);
      return true;
    },
    revoke: async (deviceId) => {
      this.#stand(deviceId, 'revoked');
      for (const row of this.#sessions.values()) if (row.deviceId === deviceId) row.status = 'revoked';
      return this.#device(deviceId);
    },
    list: async ({ merchant, after, limit }): Promise<DevicePage> => {
      const all = [...this.#devices.values()]
        .filter(
          (device) => (merchant === null || device.merchant === merchant) && (after === null || device.id > after),
        )
        .sort((a, b) => (a.id < b.id ? -1 : 1));
      const devices = all.slice(0, limit).map(deviceOf);
      return { devices, next: all.length > limit ? (devices.at(-1)?.id ?? null) : null };
    },
    lastAppraisal: async (deviceId) => {
      const all = (this.#appraised.get(deviceId) ?? []).toSorted((a, b) => +b.appraisedAt - +a.appraisedAt);
      const [last] = all;
      if (last === undefined) return null;
      const { facts: _facts, ...record } = last;
      return record;
    },
  };

  readonly keySets: KeySetStore = {
    leaseDerivationIds: async (bdkId, count) => {
      const first = this.#ranges.get(bdkId.toString('hex')) ?? 0;
      if (first + count > DERIVATION_IDS) return null;
      this.#ranges.set(bdkId.toString('hex'), first + count);
      return first;
    },
    addOffered: async (set) => {
      for (const row of this.#keySets.values()) {
        const same =
          row.pinInitialKeyId.equals(set.pinInitialKeyId) ||
          row.accountDataInitialKeyId.equals(set.accountDataInitialKeyId);
        if (same) throw new Error('an initial key identifier was offered before');
      }
      this.#keySets.set(set.id, { ...set, status: 'offered', pinCounter: 0, accountDataCounter: 0, transactions: 0 });
    },
    offered: async (setId, deviceId) => {
      const set = this.#keySets.get(setId);
      if (set?.status !== 'offered' || set.deviceId !== deviceId) return null;
      return { pin: set.pinInitialKeyId, accountData: set.accountDataInitialKeyId };
    },
    activate: async (setId, deviceId) => {
      const set = this.#keySets.get(setId);
      const active = this.#devices.get(deviceId)?.status === 'active';
      if (set?.status !== 'offered' || set.deviceId !== deviceId || !active) return null;
      for (const [id, row] of this.#keySets) {
        if (row.deviceId === deviceId) this.#keySets.set(id, { ...row, status: 'retired' });
      }
      this.#keySets.set(setId, { ...set, status: 'active', pinCounter: 1, accountDataCounter: 1 });
      const { id, pinInitialKeyId, accountDataInitialKeyId, expiresAt } = set;
      return { id, deviceId, status: 'active', pinInitialKeyId, accountDataInitialKeyId, expiresAt };
    },
  };

  readonly grants: GrantStore & PinGrantStore = {
    burnCounters: async (claim, now) => this.#burn(claim, now),
    addGrant: async (stored) => {
      this.#grants.set(stored.grant.id, { stored, pinEntryBegun: false });
    },
    grantOf: async (grantId, thumbprint) => this.#grantOf(grantId, thumbprint),
    beginPinEntry: async (grantId) => {
      const row = this.#grants.get(grantId);
      if (row === undefined || row.pinEntryBegun || this.#decisions.has(grantId)) return false;
      row.pinEntryBegun = true;
      return true;
    },
  };

  readonly decisions: DecisionStore = {
    situation: async (grantId, thumbprint): Promise<Situation | null> => {
      const stored = this.#grantOf(grantId, thumbprint);
      const session = this.#sessions.get(thumbprint);
      const device = session && this.#devices.get(session.deviceId);
      if (stored === null || session === undefined || device === undefined) return null;
      const decision = this.#decisions.get(grantId) ?? null;
      return { deviceStatus: device.status, sessionStatus: session.status, stored, decision };
    },
    commit: async (decision) => {
      const session = this.#sessions.get(decision.thumbprint);
      if (session?.status !== 'active' || session.decidedSequence >= decision.sequence) return false;
      session.decidedSequence = decision.sequence;
      this.#decisions.set(decision.grantId, decision);
      return true;
    },
  };

  /** Suspends a device, as an operator would. */
  async suspend(deviceId: string): Promise<void> {
    this.#stand(deviceId, 'suspended');
  }

  #inviteOf(codeHash: Buffer): InviteRow | null {
    return [...this.#invites.values()].find((invite) => invite.codeHash.equals(codeHash)) ?? null;
  }

  #isOpen(invite: InviteRow, now: Date): boolean {
    return invite.deviceId === null && invite.expiresAt > now;
  }

  #keep(device: DeviceRow, session: NewSession): void {
    this.#devices.set(device.id, device);
    const row = { deviceId: device.id, session, status: 'active' as const };
    this.#sessions.set(session.thumbprint, { ...row, grantedSequence: 0n, decidedSequence: 0n });
    this.#appraised.set(device.id, [...(this.#appraised.get(device.id) ?? []), session.appraisal]);
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
      current: device.sessionThumbprint === thumbprint,
      platform: row.session.appraisal.facts,
    };
  }

  #grantOf(grantId: string, thumbprint: string): StoredGrant | null {
    const stored = this.#grants.get(grantId)?.stored;
    return stored?.grant.thumbprint === thumbprint ? stored : null;
  }

  #burn(claim: CounterClaim, now: Date): bigint | CounterRefusal {
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
    return session.grantedSequence;
  }
}

function openInviteOf({ id, acquirer, merchant }: InviteRow): OpenInvite {
  return { id, acquirer, merchant };
}

function deviceOf({ sessionThumbprint: _session, ...device }: DeviceRow): Device {
  return device;
}
