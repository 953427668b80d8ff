import { keyBlockProtectionInfo } from '../../encoding/contexts.ts';
import { sha256 } from '../../encoding/digest.ts';
import { CONTEXT } from '../../encoding/signed.ts';
import { type KeyEnvelope, KeyOffer } from '../../gen/tapgate/v1/key_injection_service.ts';
import { KeyDomain, KeyTransport } from '../../gen/tapgate/v1/key_transport.ts';
import type { SignedMessage } from '../../gen/tapgate/v1/signed.ts';
import type { OfferKeysCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { deriveInitialKey } from '../../payment-crypto/aes-dukpt/host.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import { agreeSharedSecret, deriveKbpk, generateEphemeralKeyPair } from '../../payment-crypto/key-agreement.ts';
import { exportKeyBlock } from '../../payment-crypto/key-block/export.ts';
import type { InitialKeyId } from '../../payment-crypto/ksn.ts';
import type { SecretKey } from '../../payment-crypto/secret-key.ts';
import { isUuid } from '../../ports/random.ts';
import { type Result, refuse } from '../../reasons/result.ts';
import type { BaseDerivationKey, VaultKeys } from '../keys.ts';
import type { VaultPorts } from '../ports.ts';
import { signAsService } from '../signing.ts';
import { initialKeyIdOf } from '../working-key.ts';
import { isThumbprint } from './thumbprint.ts';

/** Initial key: derivation key of AES DUKPT, not to be exported again (X9.143:2021 6.3). */
const INITIAL_KEY = { usage: 'B1', algorithm: 'A', modeOfUse: 'X', keyVersion: '00', exportability: 'N' } as const;
const NONCE_BYTES = 32;
/** Last millisecond of the year 9999: a later time is none that a timestamp can state. */
const MAX_TIME = 253_402_300_799_999n;

interface EnvelopeRequest {
  readonly domain: KeyDomain;
  readonly bdk: BaseDerivationKey;
  readonly initialKeyId: InitialKeyId;
  readonly kbpk: SecretKey;
}

/** Name of the first field that is not of its form, or null. */
function malformedField(call: OfferKeysCall): string | null {
  if (!isUuid(call.injectionId)) return 'injection_id';
  if (call.deviceId.length === 0 || call.deviceId.length > 64) return 'device_id';
  if (!isThumbprint(call.sessionKeyThumbprint)) return 'session_key_thumbprint';
  if (call.nonce.length !== NONCE_BYTES) return 'nonce';
  return call.expiresAt > 0n && call.expiresAt <= MAX_TIME ? null : 'expires_at';
}

/** Derives an initial key and wraps it: X9.143 version D under the domain's KBPK. Both keys are wiped. */
function makeEnvelope({ domain, bdk, initialKeyId, kbpk }: EnvelopeRequest, ports: VaultPorts): KeyEnvelope {
  const key = deriveInitialKey(bdk.key, initialKeyId);
  try {
    const content = { version: 'D', attributes: INITIAL_KEY, key, optional: [{ id: 'IK', initialKeyId }] } as const;
    const block = exportKeyBlock(content, kbpk, ports.random);
    if (!block.ok) throw new TypeError(`an initial key's block: ${block.reason}`);
    return { domain, initialKeyId: initialKeyId.toBytes(), keyBlock: block.value, keyCheckValue: keyCheckValue(key) };
  } finally {
    key.wipe();
    kbpk.wipe();
  }
}

/**
 * Makes a key offer and signs it: for each domain the initial key of its BDK, wrapped under a KBPK of ephemeral-static
 * agreement with the phone's transport key. The ephemeral key serves this offer and is dropped.
 *
 * Refuses with MALFORMED_MESSAGE (also where an initial key id is none of the domain's BDK, or the transport key no P-256
 * key), TRANSPORT_NOT_SUPPORTED and SERVICE_KEY_EXPIRED.
 */
export function offerKeys(
  call: OfferKeysCall,
  keys: VaultKeys,
  ports: VaultPorts,
): Result<SignedMessage, 'MALFORMED_MESSAGE' | 'TRANSPORT_NOT_SUPPORTED' | 'SERVICE_KEY_EXPIRED'> {
  if (call.transport !== KeyTransport.KEY_AGREEMENT) return refuse('TRANSPORT_NOT_SUPPORTED');
  const field = malformedField(call);
  if (field !== null) return refuse('MALFORMED_MESSAGE', field);
  const pinId = initialKeyIdOf(call.pinInitialKeyId, keys.pinBdk);
  if (pinId === null) return refuse('MALFORMED_MESSAGE', 'pin_initial_key_id');
  const accountDataId = initialKeyIdOf(call.accountDataInitialKeyId, keys.accountDataBdk);
  if (accountDataId === null) return refuse('MALFORMED_MESSAGE', 'account_data_initial_key_id');
  const ephemeral = generateEphemeralKeyPair();
  const shared = agreeSharedSecret(ephemeral.privateKey, call.transportPublicKey);
  if (!shared.ok) return refuse('MALFORMED_MESSAGE', 'transport_public_key');
  const transportKeyHash = sha256(call.transportPublicKey);
  const { injectionId, deviceId, sessionKeyThumbprint, transport, nonce } = call;
  const kbpkOf = (domain: 'pin' | 'account-data'): SecretKey =>
    deriveKbpk(
      shared.value,
      nonce,
      keyBlockProtectionInfo(injectionId, domain, sessionKeyThumbprint, transportKeyHash),
    );
  let envelopes: KeyEnvelope[];
  try {
    const pin = { domain: KeyDomain.PIN, bdk: keys.pinBdk, initialKeyId: pinId, kbpk: kbpkOf('pin') };
    const accountData = {
      domain: KeyDomain.ACCOUNT_DATA,
      bdk: keys.accountDataBdk,
      initialKeyId: accountDataId,
      kbpk: kbpkOf('account-data'),
    };
    envelopes = [makeEnvelope(pin, ports), makeEnvelope(accountData, ports)];
  } finally {
    shared.value.wipe();
  }
  const offer: KeyOffer = {
    injectionId,
    deviceId,
    sessionKeyThumbprint,
    transport,
    transportKeyHash,
    ephemeralPublicKey: ephemeral.publicKey,
    nonce,
    envelopes,
    expiresAt: new Date(Number(call.expiresAt)),
  };
  return signAsService(CONTEXT.keyOffer, Buffer.from(KeyOffer.encode(offer).finish()), keys, ports);
}
