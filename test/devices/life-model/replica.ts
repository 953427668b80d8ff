import { pino } from 'pino';
import { Registry } from 'prom-client';
import { openAdmission } from '../../../src/app/admission.ts';
import type { Policy } from '../../../src/app/policy.ts';
import { sqlStores } from '../../../src/app/store.ts';
import { openVolatileStores } from '../../../src/app/volatile.ts';
import type { AnchorSet } from '../../../src/attestation/android/anchors.ts';
import type { StatusList } from '../../../src/attestation/android/revocation.ts';
import { createVerifiedIssuers } from '../../../src/attestation/android/verified-issuers.ts';
import { createAppraiser } from '../../../src/attestation/appraiser.ts';
import { integrityNotAsked } from '../../../src/attestation/play-integrity/appraise.ts';
import { p256Coordinates } from '../../../src/encoding/p256.ts';
import { DeviceAdminServiceClient } from '../../../src/gen/tapgate/v1/device_admin_service.ts';
import { DeviceTokenServiceClient } from '../../../src/gen/tapgate/v1/device_token_service.ts';
import { InviteAdminServiceClient } from '../../../src/gen/tapgate/v1/invite_admin_service.ts';
import { createReappraisalWorker } from '../../../src/jobs/reappraisal/worker.ts';
import { RevocationFollower } from '../../../src/jobs/revocations/follower.ts';
import { systemTimer } from '../../../src/jobs/timer.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { Random } from '../../../src/ports/random.ts';
import { registerServiceMetrics } from '../../../src/server/ops/service-metrics.ts';
import { attestationService } from '../../../src/server/services/attestation.ts';
import { deviceAdminService } from '../../../src/server/services/device-admin.ts';
import { deviceTokenService } from '../../../src/server/services/device-token.ts';
import { inviteAdminService } from '../../../src/server/services/invite-admin.ts';
import { Presence } from '../../../src/sessions/presence.ts';
import { type DatabaseAddress, SqlPool } from '../../../src/store/sql/engine/pool.ts';
import type { RedisUrl } from '../../../src/store/volatile/redis-url.ts';
import { connectProcessing, type ProcessingConnection } from '../../../src/verifier/index.ts';
import { connectDevice, type DeviceConnection } from '../../../src/virtual/phone/connection.ts';
import { type Certificates, channelTo, type Edge, startEdge } from '../../server/transport/support/edge.ts';
import { openGuard } from '../../support/kills.ts';
import type { SigningVault } from '../../support/vault.ts';

export const ISSUER = 'https://tapgate.example';
export const ACQUIRER = 'acme';

/** What both replicas share. */
export interface Shared {
  readonly database: DatabaseAddress;
  readonly redis: RedisUrl;
  readonly certificates: Certificates;
  readonly vault: SigningVault;
  readonly anchors: AnchorSet;
  readonly statusList: () => StatusList;
  readonly policy: Policy;
  readonly random: Random;
}

/** One replica of what a device's life is made of, behind real listeners; started anew, it remembers nothing. */
export class Replica {
  readonly device: DeviceConnection;
  readonly invites: InviteAdminServiceClient;
  readonly devices: DeviceAdminServiceClient;
  readonly tokens: DeviceTokenServiceClient;
  readonly processing: ProcessingConnection;
  readonly #exchanges: () => Promise<number>;
  readonly #stop: () => Promise<void>;

  private constructor(
    clients: Pick<Replica, 'device' | 'invites' | 'devices' | 'tokens' | 'processing'>,
    exchanges: () => Promise<number>,
    stop: () => Promise<void>,
  ) {
    this.device = clients.device;
    this.invites = clients.invites;
    this.devices = clients.devices;
    this.tokens = clients.tokens;
    this.processing = clients.processing;
    this.#exchanges = exchanges;
    this.#stop = stop;
  }

  static async start(shared: Shared, clock: Clock): Promise<Replica> {
    const { certificates, policy, random, vault } = shared;
    const logger = pino({ level: 'silent' });
    const lost = (): void => {};
    const pool = new SqlPool({
      address: shared.database,
      applicationName: 'model',
      maximumConnections: 6,
      onConnectionLost: lost,
    });
    const stores = sqlStores(pool, logger);
    const volatile = await openVolatileStores({ url: shared.redis }, { clock, random, logger });
    const follower = new RevocationFollower({
      feed: stores.revocations,
      clock,
      timer: systemTimer,
      policy: () => policy.tokens,
    });
    await follower.start();
    const presence = new Presence();
    const appraiser = createAppraiser({
      policy: () => policy.attestation,
      statusList: shared.statusList,
      anchors: shared.anchors,
      issuers: createVerifiedIssuers(100),
    });
    const worker = createReappraisalWorker({
      store: stores.reappraisals,
      judgeOf: () => ({ appraiser, policyVersion: 'policy-1' }),
      policyVersion: () => 'policy-1',
      clock,
      random,
      timer: systemTimer,
      pace: { pageSize: 3, devicesPerSecond: 10_000, leaseSeconds: 1 },
      onEnded: (deviceId, reasons) => presence.end(deviceId, 'SESSION_ENDED', reasons),
      onFinished: () => {},
      onFailure: () => {},
    });
    const metrics = registerServiceMetrics(new Registry());
    const admission = openAdmission({
      clock,
      phones: volatile.phoneLimit,
      partners: volatile.partnerLimit,
      policy: () => policy.admission,
      metrics,
    });
    const onPublished = (): void => void follower.refresh();
    const attestation = attestationService({
      ports: {
        clock,
        random,
        issuer: ISSUER,
        build: 'tapgate model',
        invites: stores.invites,
        devices: stores.devices,
        challenges: volatile.stores.challenges,
        kills: openGuard(),
        signer: vault,
      },
      appraisers: () => ({ appraiser, integrity: { appraise: async () => integrityNotAsked() } }),
      policy: () => ({ devices: policy.devices, tokens: policy.tokens, version: 'policy-1' }),
      admission: admission.attestations,
      onAppraised: () => {},
      onReplaced: onPublished,
      serviceKeys: () => [],
    });
    const point = p256Coordinates(vault.tokenKey.spki);
    if (point === null) throw new Error('the token key is no P-256 key');
    const tokenService = deviceTokenService({
      jwks: () => [{ kid: 'token-1', ...point, alg: 'ES256', tapgateUse: 'device-token' }],
      bearer: { issuer: ISSUER, clock, devices: stores.devices, tokenKeys: () => vault.tokenKeys, kills: openGuard() },
      revocations: { feed: stores.revocations, followed: follower, policy: () => policy.tokens, random },
    });
    const adminServices = [
      inviteAdminService({ ports: { invites: stores.invites, clock, random }, policy: () => policy.devices }),
      deviceAdminService({
        search: stores.search,
        standings: stores.standings,
        history: stores.history,
        reappraisals: stores.reappraisals,
        requestReappraisal: (prompt, by) => worker.request(prompt, by),
        clock,
        presence,
        onPublished,
      }),
    ];
    const device = await startEdge(certificates, 'device', [attestation]);
    const processing = await startEdge(certificates, 'processing', [tokenService]);
    const admin = await startEdge(certificates, 'admin', adminServices);
    await worker.start();
    const clients = await clientsOf({ device, processing, admin }, certificates);
    const exchanges = async (): Promise<number> => {
      const { values } = await metrics.attestations.get();
      return values.reduce((sum, { value }) => sum + value, 0);
    };
    return new Replica(clients, exchanges, async () => {
      clients.device.close();
      clients.processing.close();
      for (const client of [clients.invites, clients.devices, clients.tokens]) client.close();
      await Promise.all([device, processing, admin].map((edge) => edge.listener.drain(100)));
      await worker.stop();
      await follower.stop();
      await volatile.close();
      await pool.close();
    });
  }

  /** Resolves once nothing is under way that a phone began and left. */
  async quiet(): Promise<void> {
    while ((await this.#exchanges()) > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  /** Ends it; what was under way is cut. */
  stop(): Promise<void> {
    return this.#stop();
  }
}

async function clientsOf(edges: Readonly<Record<'device' | 'processing' | 'admin', Edge>>, certificates: Certificates) {
  const admin = await certificates.client('admin', 'admin/ada@security');
  const partner = await certificates.client('processing', `processing/${ACQUIRER}`);
  return {
    device: connectDevice(`localhost:${edges.device.listener.address.port}`, await certificates.read('device/ca.crt')),
    invites: new InviteAdminServiceClient(...channelTo(edges.admin, admin)),
    devices: new DeviceAdminServiceClient(...channelTo(edges.admin, admin)),
    tokens: new DeviceTokenServiceClient(...channelTo(edges.processing, partner)),
    processing: connectProcessing({ address: edges.processing.target, tls: partner, serverName: 'localhost' }),
  };
}
