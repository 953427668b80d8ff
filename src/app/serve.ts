import { writeFile } from 'node:fs/promises';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { createVerifiedIssuers } from '../attestation/android/verified-issuers.ts';
import { createAppraiser } from '../attestation/appraiser.ts';
import { createIntegrityAppraiser } from '../attestation/play-integrity/appraiser.ts';
import { encodePem } from '../encoding/pem.ts';
import { InitialKeyIdSource } from '../injection/initial-key-ids.ts';
import { startOps } from '../server/ops/listener.ts';
import { loadAnchors } from './anchors.ts';
import type { Config } from './config.ts';
import type { Addresses, DataFolder } from './data-folder.ts';
import { deviceTokenKeys, jsonWebKeys, jwksDocument } from './jwks.ts';
import { startListeners } from './listeners.ts';
import { createLogger } from './log.ts';
import { openDecoders } from './play-integrity.ts';
import { readPolicy } from './policy.ts';
import { prepareFolder } from './prepare.ts';
import { openRevocation } from './revocation.ts';
import { wireServices } from './services.ts';
import { openEmbeddedStore } from './store.ts';
import { systemClock, systemRandom } from './system.ts';
import { openVault } from './vault.ts';
import { openVolatileStores } from './volatile.ts';

/** How long others may keep the published keys. */
const JWKS_SECONDS = 300;
const REMEMBERED_ISSUERS = 10_000;

/** What `serve` is asked for. */
export interface ServeRequest {
  readonly folder: DataFolder;
  readonly config: Config;
  /** Told of each step, for people. */
  readonly tell: (step: string) => void;
}

/** A running service. */
export interface Service {
  readonly addresses: Addresses;
  /** Drains and stops; a second call waits for the first. */
  stop(): Promise<void>;
  /** Settles once the service has stopped. */
  readonly stopped: Promise<void>;
}

/** Runs the embedded profile: database and vault as children, four listeners. Resolves once it serves. */
export async function serve({ folder, config, tell }: ServeRequest): Promise<Service> {
  await prepareFolder(folder, config, tell);
  const logger = createLogger(config.logLevel, 'tapgate');
  const policy = await readPolicy(config.policy);
  const anchors = await loadAnchors(config.trustAnchors);
  for (const { name } of config.trustAnchors) {
    logger.warn({ anchor: name }, 'an attestation root beside the published ones is trusted: never in production');
  }
  tell(`policy ${policy.version} read from ${config.policy}`);
  const undo: (() => Promise<void>)[] = [];
  const unwind = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    const vault = await openVault(folder.vault, logger);
    undo.push(() => vault.close());
    tell('vault process started');
    const durable = await openEmbeddedStore(folder.database, logger);
    undo.push(() => durable.close());
    tell('database started');
    const volatile = await openVolatileStores(config.redis, { clock: systemClock, random: systemRandom, logger });
    undo.push(() => volatile.close());
    const revocation = await openRevocation(
      config.revocation,
      folder.revocation,
      () => policy.document.revocation,
      logger,
    );
    undo.push(async () => revocation?.stop());
    const decoders = await openDecoders(config.playIntegrity);
    await writeFile(folder.serviceAnchor, encodePem('PUBLIC KEY', vault.described.anchor));
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    const published = vault.described.signingKeys;
    const jwks = jsonWebKeys(published);
    const tokenKeys = deviceTokenKeys(published);
    const services = wireServices({
      issuer: config.issuer,
      clock: systemClock,
      random: systemRandom,
      policy: () => policy,
      appraiser: createAppraiser({
        policy: () => policy.document.attestation,
        statusList: () => revocation?.current() ?? null,
        anchors,
        issuers: createVerifiedIssuers(REMEMBERED_ISSUERS),
      }),
      integrity: createIntegrityAppraiser({
        policy: () => policy.document.playIntegrity,
        decoderOf: (name) => decoders.get(name) ?? null,
      }),
      revocation,
      stores: durable.stores,
      volatile: volatile.stores,
      vault: vault.client,
      initialKeyIds: new InitialKeyIdSource(durable.stores.keySets, vault.described.bdkIds),
      tokenKeys: () => tokenKeys,
      serviceKeys: () => vault.described.serviceKeys,
      jwks: () => jwks,
      registry,
    });
    const drainMilliseconds = config.drainSeconds * 1000;
    const listeners = await startListeners(config, folder.certificates, services, { logger, registry });
    const all = Object.values(listeners);
    undo.push(async () => {
      await Promise.all(all.map((listener) => listener.drain(drainMilliseconds)));
    });
    const ops = await startOps({
      address: config.listeners.ops,
      registry,
      checks: { database: () => durable.ping(), vault: () => vault.ping(), ...volatile.checks },
      jwks: async () => jwksDocument(jwks),
      jwksMaximumAgeSeconds: JWKS_SECONDS,
      logger,
    });
    undo.push(() => ops.close(1000));
    const { device, processing, admin } = listeners;
    const addresses = {
      device: device.address,
      processing: processing.address,
      admin: admin.address,
      ops: ops.address,
    };
    await folder.announce(addresses);
    return untilStopped(addresses, unwind);
  } catch (error) {
    await unwind();
    throw error;
  }
}

/** Stops at SIGTERM or SIGINT, or when told. */
function untilStopped(addresses: Addresses, unwind: () => Promise<void>): Service {
  const { promise: stopped, resolve, reject } = Promise.withResolvers<void>();
  let stopping = false;
  const stop = (): Promise<void> => {
    if (!stopping) unwind().then(resolve, reject);
    stopping = true;
    return stopped;
  };
  // A terminal and npm both pass the signal on: a second one must not cut the drain short.
  process.on('SIGTERM', () => void stop());
  process.on('SIGINT', () => void stop());
  return { addresses, stop, stopped };
}
