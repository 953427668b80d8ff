import { killSubjectOf } from '../devices/kill-subject.ts';
import { deviceTokenService } from '../server/services/device-token.ts';
import { gateService } from '../server/services/gate.ts';
import type { ListenerService } from '../server/transport/service.ts';
import { verifyTokenOfAnyAge } from '../tokens/verify.ts';
import { decodeIntent } from '../wire/transaction.ts';
import { auditedVault } from './audit.ts';
import type { Foundations, Groundwork } from './foundations.ts';
import { gateRulesInForce } from './phone-policy.ts';

/** The services that processing calls. */
export function processingServices(on: Foundations, shared: Groundwork): readonly ListenerService[] {
  const { issuer, clock, random, policies, stores, volatile, vault, tokenKeys } = on;
  const { policyOf, byDefault, watched, bearer } = shared;
  const { devices } = stores;
  const { kills } = bearer;
  return [
    gateService({
      ports: {
        clock,
        random,
        issuer,
        decisions: stores.decisions,
        vault: auditedVault(vault, on.auditStanding),
        held: volatile.pinBlocks,
        policy: (subject) => gateRulesInForce(policies, subject),
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
        kills,
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
  ];
}
