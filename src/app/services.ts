import type { KeyObject } from 'node:crypto';
import { Counter, type Registry } from 'prom-client';
import type { Appraiser } from '../attestation/appraiser.ts';
import type { IntegrityAppraiser } from '../attestation/play-integrity/appraiser.ts';
import type { DeviceStore, InviteStore } from '../devices/store.ts';
import type { SignedBytes } from '../encoding/signed.ts';
import type { DecisionStore } from '../gate/store.ts';
import type { GateVault } from '../gate/vault.ts';
import type { JsonWebKey } from '../gen/tapgate/v1/device_token_service.ts';
import type { PendingOffer } from '../injection/exchange.ts';
import type { InitialKeyIdSource } from '../injection/initial-key-ids.ts';
import type { KeySetStore } from '../injection/key-set.ts';
import type { InjectionVault } from '../injection/vault.ts';
import type { HeldPinBlock, PinGrantStore } from '../pin/store.ts';
import type { PinVault } from '../pin/vault.ts';
import type { PolicyVersion } from '../policy/version.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { VolatileStore } from '../ports/volatile.ts';
import { attestationService } from '../server/services/attestation.ts';
import type { BearerPorts } from '../server/services/bearer.ts';
import { deviceAdminService } from '../server/services/device-admin.ts';
import { deviceTokenService } from '../server/services/device-token.ts';
import { gateService } from '../server/services/gate.ts';
import { injectionService } from '../server/services/injection.ts';
import { inviteAdminService } from '../server/services/invite-admin.ts';
import { pinEntryService } from '../server/services/pin-entry.ts';
import { type RevocationControl, revocationAdminService } from '../server/services/revocation-admin.ts';
import { sessionService } from '../server/services/session.ts';
import type { ListenerService } from '../server/transport/service.ts';
import type { GrantSigner } from '../sessions/grant.ts';
import { Presence } from '../sessions/presence.ts';
import type { GrantStore } from '../sessions/store.ts';
import type { TokenSigner } from '../tokens/claims.ts';
import { verifyTokenOfAnyAge } from '../tokens/verify.ts';
import { decodeIntent } from '../wire/transaction.ts';
import type { Policy } from './policy.ts';

/** What all services together stand on. */
export interface Foundations {
  readonly issuer: string;
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
  };
  readonly volatile: {
    readonly challenges: VolatileStore<string>;
    readonly injectionNonces: VolatileStore<string>;
    readonly offers: VolatileStore<PendingOffer>;
    readonly pinBlocks: VolatileStore<HeldPinBlock>;
  };
  readonly vault: TokenSigner & GrantSigner & InjectionVault & PinVault & GateVault;
  readonly initialKeyIds: InitialKeyIdSource;
  readonly tokenKeys: () => ReadonlyMap<string, KeyObject>;
  readonly serviceKeys: () => readonly SignedBytes[];
  readonly jwks: () => readonly JsonWebKey[];
  readonly registry: Registry;
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
  const presence = new Presence();
  const bearer: BearerPorts = { issuer, clock, devices: stores.devices, tokenKeys };
  const { invites, devices } = stores;
  return {
    device: [
      attestationService({
        ports: {
          clock,
          random,
          issuer,
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
        },
        bearer,
        policy: () => policy().document.keys,
      }),
      sessionService({
        ports: { clock, random, grants: stores.grants, signer: vault },
        bearer,
        presence,
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
        decisions: new Counter({
          name: 'tapgate_gate_decisions_total',
          help: 'Answers of the payment gate',
          labelNames: ['outcome', 'reason'],
          registers: [on.registry],
        }),
      }),
      deviceTokenService(on.jwks),
    ],
    admin: [
      inviteAdminService({ ports: { invites, clock, random }, policy: () => policy().document.devices }),
      deviceAdminService({ devices, clock, presence }),
      revocationAdminService({
        control: on.revocation,
        policy: () => policy().document.attestation.statusList,
        now: () => clock.now(),
      }),
    ],
  };
}
