import { writeFile } from 'node:fs/promises';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { createVerifiedIssuers } from '../attestation/android/verified-issuers.ts';
import { encodePem } from '../encoding/pem.ts';
import { InitialKeyIdSource } from '../injection/initial-key-ids.ts';
import { prunePastTallies } from '../jobs/past-tallies.ts';
import { REQUESTED_BY_SERVICE } from '../jobs/reappraisal/worker.ts';
import { pruneUnprovenKeys } from '../jobs/unproven-keys.ts';
import { type Around, unwatched } from '../ports/around.ts';
import { startOps } from '../server/ops/listener.ts';
import { registerReadMetrics, registerServiceMetrics, type ServiceMetrics } from '../server/ops/service-metrics.ts';
import { Arrivals } from '../sessions/arrivals.ts';
import { everyOpenCall, Presence } from '../sessions/presence.ts';
import type { WatchCall } from '../vault/client.ts';
import { openAdmission } from './admission.ts';
import { loadAnchors } from './anchors.ts';
import { appraisersOver } from './appraisers.ts';
import { openAudit } from './audit.ts';
import { startBaseKeyChange } from './base-key-change.ts';
import { buildName } from './build.ts';
import type { Config } from './config.ts';
import type { Addresses, DataFolder } from './data-folder.ts';
import { jwksDocument, publicKeysOf } from './jwks.ts';
import { openKillSwitches } from './kill-switches.ts';
import { startListeners } from './listeners.ts';
import { createLogger } from './log.ts';
import { withPermittedLengths } from './pin-lengths.ts';
import { openDecoders } from './play-integrity.ts';
import { openPolicies } from './policies.ts';
import { reachOpenCalls } from './policy-changes.ts';
import { openShadow } from './policy-shadow.ts';
import { prepareFolder } from './prepare.ts';
import { startPruning } from './pruning.ts';
import { openReappraisals } from './reappraisal.ts';
import { openRevocation } from './revocation.ts';
import { openRevocationFeed } from './revocation-feed.ts';
import { wireServices } from './services.ts';
import { openDurableStore } from './store.ts';
import { systemClock, systemRandom } from './system.ts';
import { openTracing } from './tracing.ts';
import { openVault } from './vault.ts';
import { openVolatileStores } from './volatile.ts';

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

/** Runs the service: vault and, where none is configured, database as children; four listeners. Resolves once it serves. */
export async function serve({ folder, config, tell }: ServeRequest): Promise<Service> {
  await prepareFolder(folder, config, tell);
  const logger = createLogger(config.logLevel, 'tapgate');
  const anchors = await loadAnchors(config.trustAnchors);
  for (const { name } of config.trustAnchors) {
    logger.warn({ anchor: name }, 'an attestation root beside the published ones is trusted: never in production');
  }
  const undo: (() => Promise<void>)[] = [];
  const unwind = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    const metrics = registerServiceMetrics(registry);
    const tracing = config.tracing && openTracing(config.tracing);
    undo.push(async () => tracing?.close());
    const vault = await openVault(folder.vault, config.vault, logger, watchVault(metrics, tracing?.around('vault')));
    undo.push(() => vault.close());
    tell(config.vault.socket === undefined ? 'vault process started' : 'vault connected');
    const durable = await openDurableStore(config.database, folder.database, logger, {
      onConflict: () => metrics.storeRetries.inc(),
      ...(tracing && { aroundStatement: tracing.around('sql') }),
    });
    undo.push(() => durable.close());
    tell(config.database === undefined ? 'database started' : 'database connected');
    const policies = await openPolicies({ store: durable.stores.policies, file: config.policy, logger, tell });
    undo.push(() => policies.stop());
    const permitted = withPermittedLengths(policies.default(), config.vault);
    if (!permitted.ok) logger.error({ problem: permitted.detail }, 'THE VAULT WILL REFUSE EVERY PIN ENTRY');
    const { shadow, stop: stopShadow } = openShadow(policies, durable.stores.policyShadow, metrics, logger);
    undo.push(stopShadow);
    const unproven = startPruning('unproven keys', (now) => pruneUnprovenKeys(durable.stores.keySets, now), logger);
    undo.push(() => unproven.stop());
    const tallies = startPruning('past tallies', (now) => prunePastTallies(durable.stores.pastTallies, now), logger);
    undo.push(() => tallies.stop());
    const audit = await openAudit({
      log: durable.stores.auditLog,
      keyHistory: durable.stores.keyHistory,
      vault: vault.client,
      described: vault.described,
      config: config.audit,
      logger,
    });
    undo.push(() => audit.stop());
    const presence = new Presence('SESSION_UNKNOWN', true);
    const pinEntries = new Presence('PIN_ABORTED');
    const openCalls = everyOpenCall([presence, pinEntries]);
    const baseKeyChange = startBaseKeyChange(() => vault.described().bdkIds, durable.stores.keyUse, presence, logger);
    undo.push(() => baseKeyChange.stop());
    const killSwitches = await openKillSwitches(
      durable.stores.killReplicas,
      { sessions: presence, pinEntries },
      logger,
    );
    undo.push(() => killSwitches.stop());
    const feed = await openRevocationFeed(
      durable.stores.revocations,
      openCalls,
      () => policies.default().document.tokens,
      logger,
    );
    undo.push(() => feed.stop());
    const volatile = await openVolatileStores(config.redis, {
      clock: systemClock,
      random: systemRandom,
      logger,
      onLimitFallback: () => metrics.limitFallbacks.inc(),
      ...(tracing && { aroundCommand: tracing.around('redis') }),
    });
    undo.push(() => volatile.close());
    let revocation: Awaited<ReturnType<typeof openRevocation>> = null;
    const decoders = await openDecoders(config.playIntegrity, systemClock);
    const issuers = createVerifiedIssuers(REMEMBERED_ISSUERS);
    const appraisers = appraisersOver(
      { statusList: () => revocation?.current() ?? null, anchors, issuers },
      (name) => decoders.get(name) ?? null,
    );
    const reappraisals = openReappraisals({
      store: durable.stores.reappraisals,
      judgeOf: (subject) => {
        const { document, version } = policies.for(subject);
        return { appraiser: appraisers.appraiser(document), policyVersion: version };
      },
      policyVersion: () => policies.state().fingerprint(({ attestation }) => attestation),
      presence: openCalls,
      pace: config.reappraisal,
      logger,
    });
    undo.push(() => reappraisals.stop());
    revocation = await openRevocation(
      config.revocation,
      folder.revocation,
      () => policies.default().document.revocation,
      logger,
      () => reappraisals.request('status-list', REQUESTED_BY_SERVICE),
    );
    undo.push(async () => revocation?.stop());
    await writeFile(folder.serviceAnchor, encodePem('PUBLIC KEY', vault.described().anchor));
    const publicKeys = publicKeysOf(vault.described);
    const admission = openAdmission({
      clock: systemClock,
      phones: volatile.phoneLimit,
      partners: volatile.partnerLimit,
      policy: () => policies.default().document.admission,
      metrics,
      ...(tracing && { aroundAppraisal: tracing.around('attestation') }),
    });
    registerReadMetrics(registry, {
      revocationListFetchedAt: () => revocation?.current()?.fetchedAt ?? null,
      serviceKeyUntil: () => vault.described().serviceKeyUntil,
      now: () => systemClock.now(),
    });
    const leaveOpenCalls = reachOpenCalls({ policies, sessions: presence, pinEntries, logger });
    undo.push(async () => leaveOpenCalls());
    const services = wireServices({
      issuer: config.issuer,
      build: buildName(),
      presence,
      pinEntries,
      killSwitches,
      arrivals: new Arrivals(presence, volatile.arrivals),
      followedFeeds: feed.followed,
      clock: systemClock,
      random: systemRandom,
      policies,
      vaultConfig: config.vault,
      refreshPolicy: () => policies.refresh(),
      shadow,
      appraisers,
      requestReappraisal: (prompt, by) => reappraisals.request(prompt, by),
      revocation,
      stores: durable.stores,
      volatile: volatile.stores,
      vault: vault.client,
      phoneLimit: volatile.phoneLimit,
      bdkIds: () => vault.described().bdkIds,
      initialKeyIds: new InitialKeyIdSource(durable.stores.keySets, () => vault.described().bdkIds),
      tokenKeys: () => publicKeys().tokenKeys,
      serviceKeys: () => vault.described().serviceKeys,
      jwks: () => publicKeys().jwks,
      lookAtKeys: vault.look,
      admission: admission.attestations,
      admitPayment: (acquirer) => admission.calls.payment(acquirer),
      auditStanding: audit.standing,
      metrics,
    });
    const drainMilliseconds = config.drainSeconds * 1000;
    const listeners = await startListeners(config, folder.certificates, services, {
      logger,
      registry,
      admit: (call) => admission.calls.admit(call),
      traceCall: tracing?.traceCall,
    });
    const all = Object.values(listeners);
    undo.push(async () => {
      await Promise.all(all.map((listener) => listener.drain(drainMilliseconds)));
    });
    const ops = await startOps({
      address: config.listeners.ops,
      registry,
      checks: { database: () => durable.ping(), vault: vault.look, ...volatile.checks },
      jwks: async () => jwksDocument(publicKeys().jwks),
      jwksMaximumAgeSeconds: () => policies.default().document.keys.publishSeconds,
      logger,
    });
    undo.push(() => ops.close(1000));
    await reappraisals.start();
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

/** Times each call to the vault, and traces it where there are traces. */
function watchVault({ vaultSeconds }: ServiceMetrics, around: Around = unwatched): WatchCall {
  return async (call, work) => {
    const since = performance.now();
    const answer = await around(call, work);
    const outcome = answer.ok ? 'ok' : answer.reason;
    vaultSeconds.observe({ call, outcome }, (performance.now() - since) / 1000);
    return answer;
  };
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
