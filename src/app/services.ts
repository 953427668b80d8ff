import type { KeyObject } from 'node:crypto';
import type { Appraiser } from '../attestation/appraiser.ts';
import type { Check } from '../attestation/check.ts';
import type { IntegrityAppraiser } from '../attestation/play-integrity/appraiser.ts';
import type { DeviceHistory } from '../devices/history.ts';
import type { ReappraisalStore } from '../devices/reappraisal.ts';
import type { DeviceSearch } from '../devices/search.ts';
import type { StandingStore } from '../devices/standing.ts';
import type { DeviceStore, InviteStore } from '../devices/store.ts';
import type { SignedBytes } from '../encoding/signed.ts';
import type { DecisionStore } from '../gate/store.ts';
import type { GateVault } from '../gate/vault.ts';
import type { JsonWebKey } from '../gen/tapgate/v1/device_token_service.ts';
import type { PendingOffer } from '../injection/exchange.ts';
import type { InitialKeyIdSource } from '../injection/initial-key-ids.ts';
import type { KeySetStore } from '../injection/key-set.ts';
import type { InjectionVault } from '../injection/vault.ts';
import type { KeyCustody } from '../keys/custody.ts';
import type { HeldPinBlock, PinGrantStore } from '../pin/store.ts';
import type { PinVault } from '../pin/vault.ts';
import type { PolicyVersion } from '../policy/version.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { RateLimit } from '../ports/rate-limit.ts';
import type { VolatileStore } from '../ports/volatile.ts';
import type { AttestationAdmission } from '../server/admission/attestation-admission.ts';
import type { ServiceMetrics } from '../server/ops/service-metrics.ts';
import { attestationService } from '../server/services/attestation.ts';
import type { BearerPorts } from '../server/services/bearer.ts';
import { deviceAdminService, type RequestReappraisal } from '../server/services/device-admin.ts';
import { deviceTokenService } from '../server/services/device-token.ts';
import { gateService } from '../server/services/gate.ts';
import { injectionService } from '../server/services/injection.ts';
import { inviteAdminService } from '../server/services/invite-admin.ts';
import { keyAdminService } from '../server/services/key-admin.ts';
import { pinEntryService } from '../server/services/pin-entry.ts';
import { type RevocationControl, revocationAdminService } from '../server/services/revocation-admin.ts';
import { sessionService } from '../server/services/session.ts';
import type { ListenerService } from '../server/transport/service.ts';
import type { Arrivals } from '../sessions/arrivals.ts';
import type { GrantSigner } from '../sessions/grant.ts';
import type { Presence } from '../sessions/presence.ts';
import type { GrantStore } from '../sessions/store.ts';
import type { TokenSigner } from '../tokens/claims.ts';
import type { FollowedFeeds, RevocationFeed } from '../tokens/revocation.ts';
import { verifyTokenOfAnyAge } from '../tokens/verify.ts';
import { decodeIntent } from '../wire/transaction.ts';
import type { Policy } from './policy.ts';

/** What all services together stand on. */
export interface Foundations {
  readonly issuer: string;
  /** Name and version of this software, as tokens state it. */
  readonly build: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly policy: () => PolicyVersion<Policy>;
  readonly appraiser: Appraiser;
  readonly integrity: IntegrityAppraiser;
  /** Null where no status list is configured. */
  readonly revocation: RevocationControl | null;
  readonly stores: {
    readonly invites: InviteStore;
    readonly devices: DeviceStore;
    readonly keySets: KeySetStore;
    readonly grants: GrantStore & PinGrantStore;
    readonly decisions: DecisionStore;
    readonly revocations: RevocationFeed;
    readonly standings: StandingStore;
    readonly search: DeviceSearch;
    readonly history: DeviceHistory;
    readonly reappraisals: ReappraisalStore;
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
  readonly tokenKeys: () => ReadonlyMap<string, KeyObject>;
  readonly serviceKeys: () => readonly SignedBytes[];
  readonly jwks: () => readonly JsonWebKey[];
  /** The sessions that are open on this replica. */
  readonly presence: Presence;
  readonly arrivals: Arrivals;
  readonly followedFeeds: FollowedFeeds;
  readonly requestReappraisal: RequestReappraisal;
  readonly admission: AttestationAdmission;
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
  const { issuer, clock, random, policy, appraiser, stores, volatile, vault, tokenKeys } = on;
  const { presence } = on;
  const onPublished = (): void => void on.followedFeeds.refresh();
  const bearer: BearerPorts = { issuer, clock, devices: stores.devices, tokenKeys };
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
          appraiser,
          integrity: on.integrity,
          signer: vault,
        },
        policy: () => {
          const { document, version } = policy();
          return { devices: document.devices, tokens: document.tokens, version };
        },
        admission: on.admission,
        onAppraised: (checks) => countChecks(checks, on.metrics),
        onReplaced: (deviceId) => {
          presence.end(deviceId, 'DEVICE_REVOKED');
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
          vault,
          nonces: volatile.injectionNonces,
          offers: volatile.offers,
          appraiser,
          limit: on.phoneLimit,
        },
        bearer,
        policy: () => policy().document.keys,
        serviceKeys: on.serviceKeys,
      }),
      sessionService({
        ports: { clock, random, grants: stores.grants, signer: vault },
        bearer,
        arrivals: on.arrivals,
        serviceKeys: on.serviceKeys,
        policy: () => {
          const { document, version } = policy();
          const { sessions, keys, pin } = document;
          return { sessions, maximumTransactions: keys.maximumTransactions, pinAllowed: pin.allowed, version };
        },
      }),
      pinEntryService({
        ports: { clock, random, grants: stores.grants, vault, held: volatile.pinBlocks },
        bearer,
        policy: () => policy().document.pin,
      }),
    ],
    processing: [
      gateService({
        ports: {
          clock,
          random,
          issuer,
          decisions: stores.decisions,
          vault,
          held: volatile.pinBlocks,
          verifyToken: (token, audience) => verifyTokenOfAnyAge(token, { issuer, keys: tokenKeys(), audience }),
          parseIntent: decodeIntent,
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
          policy: () => policy().document.tokens,
          random,
        },
      }),
    ],
    admin: [
      inviteAdminService({ ports: { invites, clock, random }, policy: () => policy().document.devices }),
      deviceAdminService({
        search: stores.search,
        standings: stores.standings,
        history: stores.history,
        reappraisals: stores.reappraisals,
        requestReappraisal: on.requestReappraisal,
        clock,
        presence,
        onPublished,
      }),
      keyAdminService({ custody: vault, clock, policy: () => policy().document.keys, look: on.lookAtKeys }),
      revocationAdminService({
        control: on.revocation,
        policy: () => policy().document.attestation.statusList,
        now: () => clock.now(),
      }),
    ],
  };
}

function countChecks(checks: readonly Check[], metrics: ServiceMetrics): void {
  for (const { code, status, reason } of checks) {
    metrics.checks.inc({ check: code, status });
    if (reason !== undefined) metrics.checkReasons.inc({ reason });
  }
}
