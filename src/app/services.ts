import type { KeyObject } from 'node:crypto';
import type { Check } from '../attestation/check.ts';
import type { DecisionRecords } from '../audit/decision-record.ts';
import type { AuditStanding } from '../audit/standing.ts';
import type { AuditLog, AuditReader, KeyHistory } from '../audit/store.ts';
import type { DeviceHistory } from '../devices/history.ts';
import { killSubjectOf } from '../devices/kill-subject.ts';
import type { KillReplicaStore, KillSwitchStore } from '../devices/kill-switch-store.ts';
import type { ReappraisalStore } from '../devices/reappraisal.ts';
import type { DeviceSearch } from '../devices/search.ts';
import type { StandingStore } from '../devices/standing.ts';
import type { DeviceStore, InviteStore } from '../devices/store.ts';
import type { SignedBytes } from '../encoding/signed.ts';
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
import { type Result, refuse } from '../reasons/result.ts';
import type { AttestationAdmission } from '../server/admission/attestation-admission.ts';
import type { ServiceMetrics } from '../server/ops/service-metrics.ts';
import { attestationService } from '../server/services/attestation.ts';
import { auditAdminService } from '../server/services/audit-admin.ts';
import type { BearerPorts } from '../server/services/bearer.ts';
import { deviceAdminService, type RequestReappraisal } from '../server/services/device-admin.ts';
import { deviceTokenService } from '../server/services/device-token.ts';
import { gateService } from '../server/services/gate.ts';
import { injectionService } from '../server/services/injection.ts';
import { inviteAdminService } from '../server/services/invite-admin.ts';
import { keyAdminService } from '../server/services/key-admin.ts';
import { killSwitchAdminService } from '../server/services/kill-switch-admin.ts';
import { pinEntryService } from '../server/services/pin-entry.ts';
import { policyAdminService } from '../server/services/policy-admin.ts';
import { type RevocationControl, revocationAdminService } from '../server/services/revocation-admin.ts';
import { sessionService } from '../server/services/session.ts';
import type { ListenerService } from '../server/transport/service.ts';
import type { Arrivals } from '../sessions/arrivals.ts';
import type { GrantSigner } from '../sessions/grant.ts';
import { everyOpenCall, type Presence } from '../sessions/presence.ts';
import type { GrantStore } from '../sessions/store.ts';
import type { TokenSigner } from '../tokens/claims.ts';
import type { FollowedFeeds, RevocationFeed } from '../tokens/revocation.ts';
import { verifyTokenOfAnyAge } from '../tokens/verify.ts';
import { decodeIntent } from '../wire/transaction.ts';
import type { Appraisers } from './appraisers.ts';
import { auditedVault } from './audit.ts';
import type { OpenKillSwitches } from './kill-switches.ts';
import { adviceOf, grantPolicyOf } from './phone-policy.ts';
import { type Policy, parsePolicy, policyFromJson } from './policy.ts';
import { comparePolicies } from './policy-effect.ts';
import { watchedAppraiser, watchedDecisions } from './shadow-verdicts.ts';

/** What all services together stand on. */
export interface Foundations {
  readonly issuer: string;
  /** Name and version of this software, as tokens state it. */
  readonly build: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly policies: PolicySource<Policy>;
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

/** The services of each listener. */
export interface ServicesByPlane {
  readonly device: readonly ListenerService[];
  readonly processing: readonly ListenerService[];
  readonly admin: readonly ListenerService[];
}

/** Wires rooms to stores, vault and policy: nothing is decided here. */
export function wireServices(on: Foundations): ServicesByPlane {
  const { issuer, clock, random, policies, appraisers, stores, volatile, vault, tokenKeys } = on;
  const policyOf = (subject: PolicySubject): Policy => policies.for(subject).document;
  const current = whileCurrent(policies);
  const pinVault: PinVault = {
    shuffleLayout: () => vault.shuffleLayout(),
    signPinGrant: current((grant) => vault.signPinGrant(grant)),
    checkPinBlock: (check) => vault.checkPinBlock(check),
  };
  const watched = watchedDecisions(on.shadow);
  const byDefault = (): Policy => policies.default().document;
  const openCalls = everyOpenCall([on.presence, on.pinEntries]);
  const onPublished = (): void => void on.followedFeeds.refresh();
  const kills = on.killSwitches.guard;
  const bearer: BearerPorts = { issuer, clock, devices: stores.devices, tokenKeys, kills };
  const { invites, devices } = stores;
  return {
    device: [
      attestationService({
        ports: {
          clock,
          random,
          issuer,
          build: on.build,
          invites,
          devices,
          challenges: volatile.challenges,
          kills,
          signer: { signDeviceToken: current((claims) => vault.signDeviceToken(claims)) },
        },
        appraisers: (subject) => {
          const inForce = policies.for(subject);
          const appraiser = watchedAppraiser(subject, inForce, appraisers, on.shadow);
          return { appraiser, integrity: appraisers.integrity(inForce.document) };
        },
        policy: (subject) => {
          const { document, version } = subject === null ? policies.default() : policies.for(subject);
          return { devices: document.devices, tokens: document.tokens, version };
        },
        admission: on.admission,
        onAppraised: (checks) => countChecks(checks, on.metrics),
        onReplaced: (deviceId) => {
          openCalls.end(deviceId, 'DEVICE_REVOKED');
          onPublished();
        },
        serviceKeys: on.serviceKeys,
      }),
      injectionService({
        ports: {
          clock,
          random,
          keySets: stores.keySets,
          initialKeyIds: on.initialKeyIds,
          vault: {
            offerKeys: current((request) => vault.offerKeys(request)),
            verifyKeyProof: (proof) => vault.verifyKeyProof(proof),
          },
          nonces: volatile.injectionNonces,
          offers: volatile.offers,
          limit: on.phoneLimit,
        },
        bearer,
        appraiser: (subject) => appraisers.appraiser(policyOf(subject)),
        policy: (subject) => policyOf(subject).keys,
        serviceKeys: on.serviceKeys,
      }),
      sessionService({
        ports: {
          clock,
          random,
          grants: stores.grants,
          signer: { signGrant: current((grant) => vault.signGrant(grant)) },
        },
        bearer,
        arrivals: on.arrivals,
        serviceKeys: on.serviceKeys,
        policy: (subject) => grantPolicyOf(policies.for(subject)),
        bdkIds: on.bdkIds,
        advice: (subject) => adviceOf(subject.osPatchLevel, policyOf(subject), clock.now()),
        onBegin: watched.onGrant,
      }),
      pinEntryService({
        ports: { clock, random, grants: stores.grants, vault: pinVault, held: volatile.pinBlocks },
        bearer,
        policy: (subject) => policyOf(subject).pin,
        onBegin: watched.onPin,
        open: on.pinEntries,
      }),
    ],
    processing: [
      gateService({
        ports: {
          clock,
          random,
          issuer,
          decisions: stores.decisions,
          vault: auditedVault(vault, on.auditStanding),
          held: volatile.pinBlocks,
          policy: (subject) => {
            const { document, version } = policies.for(subject);
            return { document: document.gate, version };
          },
          onJudged: watched.onPayment,
          lastCheckpoint: () => on.auditStanding.lastCheckpoint()?.hash ?? null,
          kills: {
            guard: kills,
            subjectOf: async (thumbprint) => {
              const session = await devices.session(thumbprint);
              return session === null ? null : killSubjectOf(session);
            },
            generation: () => stores.killReplicas.generation(),
            refresh: () => on.killSwitches.refresh(),
          },
          verifyToken: (token, audience) => verifyTokenOfAnyAge(token, { issuer, keys: tokenKeys(), audience }),
          parseIntent: decodeIntent,
        },
        outcomes: {
          clock,
          outcomes: stores.outcomes,
          repeatPolicy: (subject) => {
            const { pin, gate } = policyOf(subject);
            return { pinTries: pin.tries, seconds: gate.childGrantSeconds, pinAllowed: pin.allowed };
          },
        },
        decisions: on.metrics.decisions,
        admitPayment: on.admitPayment,
      }),
      deviceTokenService({
        jwks: on.jwks,
        bearer,
        revocations: {
          feed: stores.revocations,
          followed: on.followedFeeds,
          policy: () => byDefault().tokens,
          random,
        },
      }),
    ],
    admin: [
      policyAdminService({
        store: stores.policies,
        groups: stores.deviceGroups,
        source: policies,
        refresh: on.refreshPolicy,
        parse: parsePolicy,
        parseKept: policyFromJson,
        compare: comparePolicies,
        judgedBy: ({ attestation }) => attestation,
        requestReappraisal: on.requestReappraisal,
        shadow: on.shadow,
        shadowStore: stores.policyShadow,
        clock,
        random,
      }),
      inviteAdminService({ ports: { invites, clock, random }, policy: (subject) => policyOf(subject).devices }),
      deviceAdminService({
        search: stores.search,
        standings: stores.standings,
        history: stores.history,
        reappraisals: stores.reappraisals,
        requestReappraisal: on.requestReappraisal,
        clock,
        presence: openCalls,
        onPublished,
      }),
      keyAdminService({
        custody: vault,
        clock,
        policy: () => byDefault().keys,
        look: on.lookAtKeys,
        use: stores.keyUse,
      }),
      killSwitchAdminService({
        kills: stores.killSwitches,
        random,
        sessions: on.presence,
        pinEntries: on.pinEntries,
        refresh: () => on.killSwitches.refresh(),
      }),
      auditAdminService({
        log: stores.auditLog,
        reader: stores.auditReader,
        keyHistory: stores.keyHistory,
        standing: on.auditStanding,
        records: stores.decisionRecords,
        parsePolicy,
        policyOf: async (version) => {
          const kept = await stores.policies.document(version);
          return kept === null ? null : policyFromJson(kept.json);
        },
      }),
      revocationAdminService({
        control: on.revocation,
        policy: () => byDefault().attestation.statusList,
        now: () => clock.now(),
      }),
    ],
  };
}

/** Calls that grant something new: refused while this replica cannot know whether its policy is still the one in force. */
function whileCurrent(policies: Pick<PolicySource<Policy>, 'isCurrent'>) {
  return <Asked, Granted>(call: (asked: Asked) => Promise<Result<Granted>>) =>
    async (asked: Asked): Promise<Result<Granted>> =>
      policies.isCurrent() ? call(asked) : refuse('SERVICE_UNAVAILABLE', 'the policy in force is not known');
}

function countChecks(checks: readonly Check[], metrics: ServiceMetrics): void {
  for (const { code, status, reason } of checks) {
    metrics.checks.inc({ check: code, status });
    if (reason !== undefined) metrics.checkReasons.inc({ reason });
  }
}
