import type { KeyObject } from 'node:crypto';
import type { DecisionRecords } from '../audit/decision-record.ts';
import type { AuditStanding } from '../audit/standing.ts';
import type { AuditLog, AuditReader, KeyHistory } from '../audit/store.ts';
import type { DeviceHistory } from '../devices/history.ts';
import type { KillReplicaStore, KillSwitchStore } from '../devices/kill-switch-store.ts';
import type { ReappraisalStore } from '../devices/reappraisal.ts';
import type { DeviceSearch } from '../devices/search.ts';
import type { StandingStore } from '../devices/standing.ts';
import type { DeviceStore, InviteStore } from '../devices/store.ts';
import type { SignedBytes } from '../encoding/signed.ts';
import type { PastTallies } from '../gate/limits.ts';
import type { OutcomeStore } from '../gate/outcome.ts';
import type { DecisionStore } from '../gate/store.ts';
import type { GateVault } from '../gate/vault.ts';
import type { JsonWebKey } from '../gen/tapgate/v1/device_token_service.ts';
import type { PendingOffer } from '../injection/exchange.ts';
import type { BdkIds, InitialKeyIdSource } from '../injection/initial-key-ids.ts';
import type { KeySetStore } from '../injection/key-set.ts';
import type { InjectionVault } from '../injection/vault.ts';
import type { KeyCustody } from '../keys/custody.ts';
import type { KeyUse } from '../keys/use.ts';
import type { HeldPinBlock, PinGrantStore } from '../pin/store.ts';
import type { PinVault } from '../pin/vault.ts';
import type { PolicySubject } from '../policy/resolve.ts';
import type { Shadow, ShadowStore } from '../policy/shadow.ts';
import type { PolicySource } from '../policy/source.ts';
import type { DeviceGroupStore, PolicyStore } from '../policy/store.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { RateLimit } from '../ports/rate-limit.ts';
import type { VolatileStore } from '../ports/volatile.ts';
import type { AttestationAdmission } from '../server/admission/attestation-admission.ts';
import type { ServiceMetrics } from '../server/ops/service-metrics.ts';
import type { BearerPorts } from '../server/services/bearer.ts';
import type { RequestReappraisal } from '../server/services/device-admin.ts';
import type { RevocationControl } from '../server/services/revocation-admin.ts';
import type { Arrivals } from '../sessions/arrivals.ts';
import type { GrantSigner } from '../sessions/grant.ts';
import { everyOpenCall, type OpenCalls, type Presence } from '../sessions/presence.ts';
import type { GrantStore } from '../sessions/store.ts';
import type { TokenSigner } from '../tokens/claims.ts';
import type { FollowedFeeds, RevocationFeed } from '../tokens/revocation.ts';
import type { Appraisers } from './appraisers.ts';
import type { OpenKillSwitches } from './kill-switches.ts';
import type { Policy } from './policy.ts';
import { watchedDecisions } from './shadow-verdicts.ts';
import type { VaultConfig } from './vault-config.ts';

/** What all services together stand on. */
export interface Foundations {
  readonly issuer: string;
  /** Name and version of this software, as tokens state it. */
  readonly build: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly policies: PolicySource<Policy>;
  /** The vault as it is configured: what it permits policies to state. */
  readonly vaultConfig: Pick<VaultConfig, 'pinLengths'>;
  /** Has this replica look for changes of policy now. */
  readonly refreshPolicy: () => Promise<void>;
  /** Candidates that are watched beside the policy in force. */
  readonly shadow: Shadow<Policy>;
  readonly appraisers: Appraisers;
  /** Null where no status list is configured. */
  readonly revocation: RevocationControl | null;
  readonly stores: {
    readonly invites: InviteStore;
    readonly devices: DeviceStore;
    readonly keySets: KeySetStore;
    readonly keyUse: KeyUse;
    readonly grants: GrantStore & PinGrantStore;
    readonly decisions: DecisionStore;
    readonly pastTallies: PastTallies;
    readonly auditLog: AuditLog;
    readonly auditReader: AuditReader;
    readonly keyHistory: KeyHistory;
    readonly decisionRecords: DecisionRecords;
    readonly outcomes: OutcomeStore;
    readonly revocations: RevocationFeed;
    readonly standings: StandingStore;
    readonly search: DeviceSearch;
    readonly history: DeviceHistory;
    readonly reappraisals: ReappraisalStore;
    readonly killSwitches: KillSwitchStore;
    readonly killReplicas: KillReplicaStore;
    readonly policies: PolicyStore;
    readonly deviceGroups: DeviceGroupStore;
    readonly policyShadow: ShadowStore;
  };
  readonly volatile: {
    readonly challenges: VolatileStore<string>;
    readonly injectionNonces: VolatileStore<string>;
    readonly offers: VolatileStore<PendingOffer>;
    readonly pinBlocks: VolatileStore<HeldPinBlock>;
  };
  readonly vault: TokenSigner & GrantSigner & InjectionVault & PinVault & GateVault & KeyCustody;
  /** Has this replica look at the vault's keys now; false where the vault does not answer. */
  readonly lookAtKeys: () => Promise<boolean>;
  /** Buckets of what a phone may ask for. */
  readonly phoneLimit: RateLimit;
  readonly initialKeyIds: InitialKeyIdSource;
  /** Base derivation keys that new keys of phones come from. */
  readonly bdkIds: () => BdkIds;
  readonly tokenKeys: () => ReadonlyMap<string, KeyObject>;
  readonly serviceKeys: () => readonly SignedBytes[];
  readonly jwks: () => readonly JsonWebKey[];
  /** The sessions that are open on this replica. */
  readonly presence: Presence;
  /** The PIN entries that are open on this replica. */
  readonly pinEntries: Presence;
  readonly arrivals: Arrivals;
  readonly killSwitches: OpenKillSwitches;
  readonly followedFeeds: FollowedFeeds;
  readonly requestReappraisal: RequestReappraisal;
  readonly admission: AttestationAdmission;
  /** Whether the audit log keeps up, and the checkpoint that receipts name. */
  readonly auditStanding: AuditStanding;
  /** Null, or the milliseconds that an acquirer's next payment on a stream has to wait. */
  readonly admitPayment: (acquirer: string) => Promise<number | null>;
  readonly metrics: ServiceMetrics;
}

/** What the services of several planes share, made of the foundations. */
export interface Groundwork {
  readonly policyOf: (subject: PolicySubject) => Policy;
  readonly byDefault: () => Policy;
  /** Has candidates of policy judge beside the policy in force. */
  readonly watched: ReturnType<typeof watchedDecisions>;
  /** The open calls of phones, whichever service they are of. */
  readonly openCalls: OpenCalls;
  /** A revocation was published: streams of the feed look for it now. */
  readonly onPublished: () => void;
  readonly bearer: BearerPorts;
}

/** Makes what the services of several planes share. */
export function groundwork(on: Foundations): Groundwork {
  const { issuer, clock, policies, stores, tokenKeys } = on;
  return {
    policyOf: (subject) => policies.for(subject).document,
    byDefault: () => policies.default().document,
    watched: watchedDecisions(on.shadow),
    openCalls: everyOpenCall([on.presence, on.pinEntries]),
    onPublished: () => void on.followedFeeds.refresh(),
    bearer: { issuer, clock, devices: stores.devices, tokenKeys, kills: on.killSwitches.guard },
  };
}
