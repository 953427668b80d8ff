import type { Check } from '../attestation/check.ts';
import type { PinVault } from '../pin/vault.ts';
import type { PolicySource } from '../policy/source.ts';
import { type Result, refuse } from '../reasons/result.ts';
import type { ServiceMetrics } from '../server/ops/service-metrics.ts';
import { attestationService } from '../server/services/attestation.ts';
import { injectionService } from '../server/services/injection.ts';
import { pinEntryService } from '../server/services/pin-entry.ts';
import { sessionService } from '../server/services/session.ts';
import type { ListenerService } from '../server/transport/service.ts';
import type { Foundations, Groundwork } from './foundations.ts';
import { adviceOf, grantPolicyOf } from './phone-policy.ts';
import type { Policy } from './policy.ts';
import { watchedAppraiser } from './shadow-verdicts.ts';

/** The services that phones call. */
export function deviceServices(on: Foundations, shared: Groundwork): readonly ListenerService[] {
  const { issuer, clock, random, policies, appraisers, stores, volatile, vault } = on;
  const { policyOf, watched, openCalls, onPublished, bearer } = shared;
  const { kills } = bearer;
  const { invites, devices } = stores;
  const current = whileCurrent(policies);
  const pinVault: PinVault = {
    shuffleLayout: () => vault.shuffleLayout(),
    signPinGrant: current((grant) => vault.signPinGrant(grant)),
    checkPinBlock: (check) => vault.checkPinBlock(check),
  };
  return [
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
  ];
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
