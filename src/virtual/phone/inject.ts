import { keyBlockProtectionInfo, keyProofInput, transportChallenge } from '../../encoding/contexts.ts';
import { equalBytes, sha256 } from '../../encoding/digest.ts';
import { CONTEXT } from '../../encoding/signed.ts';
import {
  type InjectRequest,
  type InjectResponse,
  KeyConfirmation,
  type KeyEnvelope,
  KeyOffer,
  KeyRequest,
  type KeysActive,
} from '../../gen/tapgate/v1/key_injection_service.ts';
import { KeyDomain, KeyTransport } from '../../gen/tapgate/v1/key_transport.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import { DukptRegisters } from '../../payment-crypto/aes-dukpt/registers.ts';
import { cmac } from '../../payment-crypto/cmac.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import { agreeSharedSecret, deriveKbpk } from '../../payment-crypto/key-agreement.ts';
import { importKeyBlock } from '../../payment-crypto/key-block/import.ts';
import { InitialKeyId } from '../../payment-crypto/ksn.ts';
import { SecretKey } from '../../payment-crypto/secret-key.ts';
import { signedToWire } from '../../wire/signed.ts';
import type { GeneratedKey } from '../keymint/keymint.ts';
import type { DeviceConnection } from './connection.ts';
import { type PhoneMemory, type PhoneSession, sessionOf, signFor } from './memory.ts';
import { exchange, ServiceNotTrusted } from './refused.ts';
import { PhoneStream } from './stream.ts';

const STEP_WITHIN = 15_000;

const DOMAINS = [
  { domain: KeyDomain.PIN, name: 'pin' },
  { domain: KeyDomain.ACCOUNT_DATA, name: 'account-data' },
] as const;

/** How an attacker may bend an injection. */
export interface InjectionTampering {
  /** A man in the middle plants another offer. */
  readonly offer?: (offer: SignedMessage) => SignedMessage;
  /** The attacker brings a transport key of his own. */
  readonly transportKey?: (challenge: Buffer) => GeneratedKey;
}

/** Gets new initial keys into the phone. The ones before stay in use until the service says that these are active. */
export function injectKeys(
  connection: DeviceConnection,
  memory: PhoneMemory,
  tampering: InjectionTampering = {},
): Promise<KeysActive> {
  return exchange(async () => {
    const session = sessionOf(memory);
    const stream = new PhoneStream<InjectRequest, InjectResponse>(
      connection.injection.inject(),
      'inject',
      memory.probe,
    );
    try {
      await stream.send({ message: { $case: 'begin', value: { deviceToken: session.token } } });
      const challenge = (await stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
      if (challenge?.$case !== 'challenge') throw new ServiceNotTrusted('no challenge');
      const { nonce, serviceKeys } = challenge.value;
      memory.trust.endorse(serviceKeys);
      const expected = transportChallenge(session.key.publicKey, nonce);
      const request = { purpose: 'agree', algorithm: 'EC', challenge: expected } as const;
      const transportKey = tampering.transportKey?.(expected) ?? memory.keymint.generateKey(request);
      await stream.send({ message: { $case: 'keyRequest', value: keyRequest(session, nonce, transportKey) } });
      const offered = (await stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
      if (offered?.$case !== 'offer') throw new ServiceNotTrusted('no offer');
      const offer = tampering.offer?.(offered.value) ?? offered.value;
      const { keys, confirmation } = acceptOffer(memory, session, nonce, transportKey, offer);
      await stream.send({ message: { $case: 'confirmation', value: confirmation } });
      const active = (await stream.next({ withinMilliseconds: STEP_WITHIN }))?.message;
      if (active?.$case !== 'active') throw new ServiceNotTrusted('no activation');
      memory.keys?.pin.wipe();
      memory.keys?.accountData.wipe();
      memory.keys = keys;
      return active.value;
    } finally {
      stream.cancel();
    }
  });
}

function keyRequest(session: PhoneSession, nonce: Buffer, transportKey: GeneratedKey): SignedMessage {
  const payload = KeyRequest.encode({
    nonce,
    transport: KeyTransport.KEY_AGREEMENT,
    transportKeyChain: [...transportKey.chain],
  }).finish();
  return signedToWire(signFor(CONTEXT.keyRequest, payload, session.key.privateKey));
}

/** Opens an offer that the service signed for this session and transport key, and proves both keys. */
function acceptOffer(
  memory: PhoneMemory,
  session: PhoneSession,
  nonce: Buffer,
  transportKey: GeneratedKey,
  message: SignedMessage,
): { readonly keys: { pin: DukptRegisters; accountData: DukptRegisters }; readonly confirmation: SignedMessage } {
  const signed = memory.trust.open(CONTEXT.keyOffer, message);
  const offer = KeyOffer.decode(signed.payload);
  const ours =
    offer.sessionKeyThumbprint === session.thumbprint &&
    offer.deviceId === memory.deviceId &&
    equalBytes(offer.nonce, nonce) &&
    equalBytes(offer.transportKeyHash, sha256(transportKey.publicKey));
  if (!ours) throw new ServiceNotTrusted('the offer is for another phone, session or transport key');
  const opened = DOMAINS.map(({ domain, name }) => {
    const envelope = offer.envelopes.find((candidate) => candidate.domain === domain);
    if (envelope === undefined) throw new ServiceNotTrusted(`the offer has no ${name} key`);
    return { domain, registers: openEnvelope(offer, envelope, name, transportKey) };
  });
  const proofs = opened.map(({ domain, registers }) => ({ domain, cmac: prove(registers, signed.payload) }));
  const payload = KeyConfirmation.encode({ injectionId: offer.injectionId, proofs }).finish();
  const confirmation = signedToWire(signFor(CONTEXT.keyConfirmation, payload, session.key.privateKey));
  const [pin, accountData] = opened.map(({ registers }) => registers);
  if (pin === undefined || accountData === undefined) throw new ServiceNotTrusted('the offer lacks a domain');
  return { keys: { pin, accountData }, confirmation };
}

function openEnvelope(
  offer: KeyOffer,
  envelope: KeyEnvelope,
  name: 'pin' | 'account-data',
  transportKey: GeneratedKey,
): DukptRegisters {
  const secret = agreeSharedSecret(transportKey.privateKey, offer.ephemeralPublicKey);
  const initialKeyId = InitialKeyId.parse(envelope.initialKeyId);
  if (!secret.ok || !initialKeyId.ok) throw new ServiceNotTrusted('the offer is malformed');
  const info = keyBlockProtectionInfo(offer.injectionId, name, offer.sessionKeyThumbprint, offer.transportKeyHash);
  const kbpk = deriveKbpk(secret.value, offer.nonce, info);
  const imported = importKeyBlock(envelope.keyBlock, kbpk);
  secret.value.wipe();
  kbpk.wipe();
  if (!imported.ok) throw new ServiceNotTrusted(`the ${name} key block does not open: ${imported.reason}`);
  const { key, header } = imported.value;
  if (!(key instanceof SecretKey) || header.usage !== 'B1') throw new ServiceNotTrusted(`${name}: no initial key`);
  if (!equalBytes(keyCheckValue(key), envelope.keyCheckValue))
    throw new ServiceNotTrusted(`${name}: wrong check value`);
  return DukptRegisters.load(key, initialKeyId.value);
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
