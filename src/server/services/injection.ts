import type { Appraiser } from '../../attestation/appraiser.ts';
import type { AttestedSession } from '../../devices/store.ts';
import type { SignedBytes } from '../../encoding/signed.ts';
import {
  type InjectRequest,
  type InjectResponse,
  KeyInjectionServiceService,
} from '../../gen/tapgate/v1/key_injection_service.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import {
  type ActiveKeys,
  beginInjection,
  confirmKeys,
  type InjectionPorts,
  offerKeys,
} from '../../injection/exchange.ts';
import type { KeyPolicy } from '../../injection/policy.ts';
import type { PolicySubject } from '../../policy/resolve.ts';
import { subjectOf } from '../../sessions/subject.ts';
import { decodeKeyConfirmation, decodeKeyRequest, transportToWire } from '../../wire/injection.ts';
import { signedFromWire, signedToWire } from '../../wire/signed.ts';
import type { Conversation } from '../transport/exchange.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import { conversation, service } from '../transport/service.ts';
import { type BearerPorts, bearerOf } from './bearer.ts';

const BEGIN_WITHIN = 10_000;

/** What the injection service is made of. */
export interface InjectionServiceParts {
  readonly ports: Omit<InjectionPorts, 'appraiser'>;
  /** Appraises transport keys by the policy that holds for the phone. */
  readonly appraiser: (subject: PolicySubject) => Appraiser;
  readonly bearer: BearerPorts;
  /** The policy that holds for a phone, asked for anew each time. */
  readonly policy: (subject: PolicySubject) => KeyPolicy;
  /** Service keys as the anchor endorses them. */
  readonly serviceKeys: () => readonly SignedBytes[];
}

/** KeyInjectionService: begin -> challenge -> key request -> offer -> confirmation -> active, or resume -> active. */
export function injectionService(parts: InjectionServiceParts) {
  return service(KeyInjectionServiceService, {
    inject: conversation((stream) => inject(stream, parts), { maximumMessages: 3 }),
  });
}

async function inject(
  stream: Conversation<InjectRequest, InjectResponse>,
  parts: InjectionServiceParts,
): Promise<void> {
  const first = (await stream.next({ withinMilliseconds: BEGIN_WITHIN }))?.message;
  const active = await activate(stream, first, parts);
  await stream.send({
    message: {
      $case: 'active',
      value: {
        keySetId: active.keySetId,
        expiresAt: active.expiresAt,
        maximumTransactions: BigInt(active.maximumTransactions),
      },
    },
  });
}

/** Keys that are active in the end: of a new offer, or of one that an earlier stream made. */
async function activate(
  stream: Conversation<InjectRequest, InjectResponse>,
  first: Step | undefined,
  parts: InjectionServiceParts,
): Promise<ActiveKeys> {
  if (first?.$case === 'resume') {
    const { session } = orRefuse(await bearerOf(first.value.deviceToken, parts.bearer));
    return confirm(session, first.value.confirmation, parts);
  }
  if (first?.$case !== 'begin') throw new CallRefused(['MESSAGE_OUT_OF_ORDER'], 'begin or resume is due');
  const { policy, bearer, serviceKeys } = parts;
  const { session } = orRefuse(await bearerOf(first.value.deviceToken, bearer));
  const ports = portsFor(session, parts);
  const challenge = orRefuse(await beginInjection(session, policy(session), ports));
  await stream.send({
    message: {
      $case: 'challenge',
      value: {
        nonce: challenge.nonce,
        expiresAt: challenge.expiresAt,
        allowedTransports: challenge.allowedTransports.map(transportToWire),
        minimumRsaBits: challenge.minimumRsaBits,
        serviceKeys: serviceKeys().map(signedToWire),
      },
    },
  });
  const within = policy(session).offerSeconds * 1000;
  const signed = orRefuse(signedFromWire(await expect(stream, 'keyRequest', within), 'key_request'));
  const request = orRefuse(decodeKeyRequest(signed));
  const standing = await asItStands(session, bearer);
  const offered = await bearer.kills.within(subjectOf(standing), 'any', () =>
    offerKeys(standing, request, policy(session), ports),
  );
  const offer = orRefuse(offered);
  await stream.send({ message: { $case: 'offer', value: signedToWire(offer) } });
  const confirmation = await expect(stream, 'confirmation', within);
  return confirm(await asItStands(session, bearer), confirmation, parts);
}

/** The ports of one phone's injection. */
function portsFor(session: AttestedSession, { ports, appraiser }: InjectionServiceParts): InjectionPorts {
  return { ...ports, appraiser: appraiser(session) };
}

/** The session as it stands now: the phone took its time, and may have been suspended meanwhile. */
async function asItStands({ thumbprint }: AttestedSession, { devices }: BearerPorts): Promise<AttestedSession> {
  const session = await devices.session(thumbprint);
  if (session === null) throw new CallRefused(['SESSION_UNKNOWN']);
  return session;
}

async function confirm(
  session: AttestedSession,
  message: SignedMessage | undefined,
  parts: InjectionServiceParts,
): Promise<ActiveKeys> {
  const signed = orRefuse(signedFromWire(message, 'confirmation'));
  const confirmation = orRefuse(decodeKeyConfirmation(signed));
  const confirmed = await parts.bearer.kills.within(subjectOf(session), 'any', () =>
    confirmKeys(session, confirmation, parts.policy(session), portsFor(session, parts)),
  );
  return orRefuse(confirmed);
}

type Step = NonNullable<InjectRequest['message']>;
type StepValue<K extends Step['$case']> = Extract<Step, { $case: K }>['value'];

/** The next message, which must be of this step. */
async function expect<K extends Step['$case']>(
  stream: Conversation<InjectRequest, InjectResponse>,
  step: K,
  withinMilliseconds: number,
): Promise<StepValue<K>> {
  const message = (await stream.next({ withinMilliseconds }))?.message;
  if (message?.$case !== step) throw new CallRefused(['MESSAGE_OUT_OF_ORDER'], `${step} is due`);
  return message.value as StepValue<K>;
}
