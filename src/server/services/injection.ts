import type { SignedBytes } from '../../encoding/signed.ts';
import {
  type InjectRequest,
  type InjectResponse,
  KeyInjectionServiceService,
} from '../../gen/tapgate/v1/key_injection_service.ts';
import { beginInjection, confirmKeys, type InjectionPorts, offerKeys } from '../../injection/exchange.ts';
import type { KeyPolicy } from '../../injection/policy.ts';
import { decodeKeyConfirmation, decodeKeyRequest, transportToWire } from '../../wire/injection.ts';
import { signedFromWire, signedToWire } from '../../wire/signed.ts';
import type { Conversation } from '../transport/exchange.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import { conversation, service } from '../transport/service.ts';
import { type BearerPorts, bearerOf } from './bearer.ts';

const BEGIN_WITHIN = 10_000;

/** What the injection service is made of. */
export interface InjectionServiceParts {
  readonly ports: InjectionPorts;
  readonly bearer: BearerPorts;
  readonly policy: () => KeyPolicy;
  /** Service keys as the anchor endorses them. */
  readonly serviceKeys: () => readonly SignedBytes[];
}

/** KeyInjectionService: begin -> challenge -> key request -> offer -> confirmation -> active. */
export function injectionService(parts: InjectionServiceParts) {
  return service(KeyInjectionServiceService, {
    inject: conversation((stream) => inject(stream, parts), { maximumMessages: 3 }),
  });
}

async function inject(
  stream: Conversation<InjectRequest, InjectResponse>,
  { ports, bearer, policy, serviceKeys }: InjectionServiceParts,
): Promise<void> {
  const begin = await expect(stream, 'begin', BEGIN_WITHIN);
  const { session } = orRefuse(await bearerOf(begin.deviceToken, bearer));
  const challenge = orRefuse(await beginInjection(session, policy(), ports));
  await stream.send({
    message: {
      $case: 'challenge',
      value: {
        nonce: challenge.nonce,
        expiresAt: challenge.expiresAt,
        allowedTransports: challenge.allowedTransports.map(transportToWire),
        serviceKeys: serviceKeys().map(signedToWire),
      },
    },
  });
  const within = policy().offerSeconds * 1000;
  const request = orRefuse(signedFromWire(await expect(stream, 'keyRequest', within), 'key_request'));
  const offer = orRefuse(await offerKeys(session, orRefuse(decodeKeyRequest(request)), policy(), ports));
  await stream.send({ message: { $case: 'offer', value: signedToWire(offer) } });
  const proof = orRefuse(signedFromWire(await expect(stream, 'confirmation', within), 'confirmation'));
  const active = orRefuse(await confirmKeys(session, orRefuse(decodeKeyConfirmation(proof)), policy(), ports));
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
