import { keyProofInput, transportChallenge } from '../../encoding/contexts.ts';
import { CONTEXT, type SigningContext } from '../../encoding/signed.ts';
import {
  type InjectRequest,
  type InjectResponse,
  KeyConfirmation,
  KeyRequest,
  type KeysActive,
} from '../../gen/tapgate/v1/key_injection_service.ts';
import { KeyDomain } from '../../gen/tapgate/v1/key_transport.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { TransportName } from '../../injection/policy.ts';
import type { DukptRegisters } from '../../payment-crypto/aes-dukpt/registers.ts';
import { cmac } from '../../payment-crypto/cmac.ts';
import { transportFromWire, transportToWire } from '../../wire/injection.ts';
import { signedToWire } from '../../wire/signed.ts';
import type { GeneratedKey } from '../keymint/keymint.ts';
import type { DeviceConnection } from './connection.ts';
import { keepRegisters, type PhoneMemory, type PhoneSession, sessionOf, signFor } from './memory.ts';
import { type OpenedOffer, openOffer } from './open-offer.ts';
import { exchange, PhoneRefused, ServiceNotTrusted } from './refused.ts';
import type { PendingKeys } from './registers.ts';
import { PhoneStream } from './stream.ts';
import { makeTransportKey, type PhoneTransportKey } from './transport-keys.ts';

const STEP_WITHIN = 15_000;

/** How an injection is to be done, and how an attacker may bend it. */
export interface InjectionTampering {
  /** The transports that the phone offers a key for; by default the first that it can do of those that are allowed. */
  readonly transports?: readonly TransportName[];
  /** Size of RSA transport keys, in the place of the least that the service takes. */
  readonly rsaBits?: number;
  /** A man in the middle plants another offer. */
  readonly offer?: (offer: SignedMessage) => SignedMessage;
  /** The attacker brings a transport key of his own. */
  readonly transportKey?: (challenge: Buffer) => GeneratedKey;
  /** The attacker confirms something else. */
  readonly confirmation?: (confirmation: KeyConfirmation) => KeyConfirmation;
}

/** Keys that are active. */
export interface InjectedKeys extends KeysActive {
  /** What was seen of a new offer; null where an earlier injection was finished. */
  readonly opened: Pick<OpenedOffer, 'transport' | 'checkValues'> | null;
}

type InjectionStream = PhoneStream<InjectRequest, InjectResponse>;
type Response = NonNullable<InjectResponse['message']>;
type ResponseValue<K extends Response['$case']> = Extract<Response, { $case: K }>['value'];

/** Refusals that say that pending keys will never be active. */
const NEVER_ACTIVE: ReadonlySet<string> = new Set([
  'OFFER_UNKNOWN',
  'KEY_PROOF_INVALID',
  'BASE_KEY_RETIRED',
  'BASE_KEY_COMPROMISED',
]);

/**
 * Gets new initial keys into the phone. The ones before stay in use until the service says that these are active; both
 * are kept until then. Where an earlier injection was cut off after its offer, that one is finished instead, if the
 * service still knows it.
 */
export async function injectKeys(
  connection: DeviceConnection,
  memory: PhoneMemory,
  now: () => Date,
  tampering: InjectionTampering = {},
): Promise<InjectedKeys> {
  const { pending } = memory;
  if (pending !== null) {
    try {
      return { ...(await resumeInjection(connection, memory, pending)), opened: null };
    } catch (error) {
      const given = error instanceof PhoneRefused && error.reasons.some((reason) => NEVER_ACTIVE.has(reason));
      if (!given) throw error;
    }
  }
  return inStream(connection, memory, async (stream) => {
    const session = sessionOf(memory);
    await stream.send({ message: { $case: 'begin', value: { deviceToken: session.token } } });
    const { nonce, serviceKeys, allowedTransports, minimumRsaBits } = await next(stream, 'challenge');
    memory.trust.endorse(serviceKeys);
    const allowed = allowedTransports.map(transportFromWire).filter((transport) => transport !== null);
    const challenge = transportChallenge(session.key.publicKey, nonce);
    const transportKeys = transportKeysOf(memory, allowed, challenge, minimumRsaBits, tampering);
    await stream.send({ message: { $case: 'keyRequest', value: keyRequest(session, nonce, transportKeys) } });
    const offered = await next(stream, 'offer');
    const signed = memory.trust.open(CONTEXT.keyOffer, tampering.offer?.(offered) ?? offered);
    const { injectionId, acquirer, keys, ...opened } = openOffer(signed.payload, {
      deviceId: memory.deviceId ?? '',
      acquirer: memory.acquirer,
      sessionKeyThumbprint: session.thumbprint,
      nonce,
      transportKeys,
      now: now(),
    });
    memory.acquirer = acquirer;
    const pinProof = prove(keys.pin, signed.payload);
    const fresh = { ...keys, injectionId, pinProof, accountDataProof: prove(keys.accountData, signed.payload) };
    memory.pending = fresh;
    await keepRegisters(memory);
    const confirmation = confirmationOf(session, fresh, tampering);
    await stream.send({ message: { $case: 'confirmation', value: confirmation } });
    return { ...(await settle(memory, fresh, await next(stream, 'active'))), opened };
  });
}

function resumeInjection(connection: DeviceConnection, memory: PhoneMemory, pending: PendingKeys): Promise<KeysActive> {
  return inStream(connection, memory, async (stream) => {
    const session = sessionOf(memory);
    const confirmation = confirmationOf(session, pending);
    await stream.send({ message: { $case: 'resume', value: { deviceToken: session.token, confirmation } } });
    return settle(memory, pending, await next(stream, 'active'));
  });
}

/** The service says that these keys are active: from now on the phone uses them, and the ones before are gone. */
async function settle(memory: PhoneMemory, proven: PendingKeys, active: KeysActive): Promise<KeysActive> {
  if (active.keySetId !== proven.injectionId) throw new ServiceNotTrusted('other keys than the proven ones are active');
  const before = memory.keys;
  memory.keys = { pin: proven.pin, accountData: proven.accountData };
  memory.pending = null;
  await keepRegisters(memory);
  before?.pin.wipe();
  before?.accountData.wipe();
  return active;
}

function inStream<T>(
  connection: DeviceConnection,
  memory: PhoneMemory,
  work: (stream: InjectionStream) => Promise<T>,
): Promise<T> {
  return exchange(async () => {
    const call = connection.injection.inject();
    const stream = new PhoneStream<InjectRequest, InjectResponse>(call, 'inject', memory.probe);
    try {
      return await work(stream);
    } finally {
      stream.cancel();
    }
  });
}

/** The value of the next message, which has to be of this case. */
async function next<K extends Response['$case']>(stream: InjectionStream, step: K): Promise<ResponseValue<K>> {
  const message = (await stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
  if (message?.$case !== step) throw new ServiceNotTrusted(`no ${step}`);
  // The compiler does not follow that a case and its own value make one member of the union.
  return message.value as ResponseValue<K>;
}

function transportKeysOf(
  { keymint }: PhoneMemory,
  allowed: readonly TransportName[],
  challenge: Buffer,
  minimumRsaBits: number,
  { transports, transportKey, rsaBits = minimumRsaBits }: InjectionTampering,
): readonly PhoneTransportKey[] {
  if (transportKey !== undefined) {
    return [{ transport: transports?.[0] ?? allowed[0] ?? 'key-agreement', key: transportKey(challenge) }];
  }
  if (transports === undefined) return [makeTransportKey(keymint, allowed, challenge, rsaBits)];
  return transports.map((transport) => makeTransportKey(keymint, [transport], challenge, rsaBits));
}

function keyRequest(
  session: PhoneSession,
  nonce: Buffer,
  [first, ...others]: readonly PhoneTransportKey[],
): SignedMessage {
  if (first === undefined) throw new RangeError('a key request has a transport key');
  const payload = KeyRequest.encode({
    nonce,
    transport: transportToWire(first.transport),
    transportKeyChain: [...first.key.chain],
    alternatives: others.map(({ transport, key }) => ({
      transport: transportToWire(transport),
      chain: [...key.chain],
    })),
  }).finish();
  return signedBy(session, CONTEXT.keyRequest, payload);
}

/** The confirmation of keys, by the session that the phone has now. */
function confirmationOf(
  session: PhoneSession,
  { injectionId, pinProof, accountDataProof }: PendingKeys,
  tampering: InjectionTampering = {},
): SignedMessage {
  const honest: KeyConfirmation = {
    injectionId,
    proofs: [
      { domain: KeyDomain.PIN, cmac: pinProof },
      { domain: KeyDomain.ACCOUNT_DATA, cmac: accountDataProof },
    ],
  };
  const payload = KeyConfirmation.encode(tampering.confirmation?.(honest) ?? honest).finish();
  return signedBy(session, CONTEXT.keyConfirmation, payload);
}

function signedBy(session: PhoneSession, context: SigningContext, payload: Uint8Array): SignedMessage {
  return signedToWire(signFor(context, payload, session.key.privateKey));
}

/** CMAC over the offer at counter 1, which the proof uses up. */
function prove(registers: DukptRegisters, offer: Uint8Array): Buffer {
  const transaction = registers.advance();
  if (!transaction.ok) throw new Error(transaction.reason);
  const key = transaction.value.workingKey('macGeneration', 'AES128');
  transaction.value.wipe();
  if (!key.ok) throw new Error(key.reason);
  const proof = cmac(key.value, keyProofInput(offer));
  key.value.wipe();
  return proof;
}
