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
import type { BaseDerivationKey, KeyDomain as VaultDomain, VaultKeys } from '../keys.ts';
import type { VaultPorts } from '../ports.ts';
import { signAsService } from '../signing.ts';
import { type LocatedInitialKey, locateInitialKey } from '../working-key.ts';
import { isThumbprint } from './thumbprint.ts';

/** Initial key: derivation key of AES DUKPT, not to be exported again (X9.143:2021 6.3). */
const INITIAL_KEY = { usage: 'B1', algorithm: 'A', modeOfUse: 'X', keyVersion: '00', exportability: 'N' } as const;
const NONCE_BYTES = 32;
/** For so long after a rotation offers from the base key before are still made: replicas hear of it one by one. */
const OFFER_GRACE_MILLISECONDS = 30_000;
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

/** An initial key of the active base derivation key, or of the one before it where that was active a moment ago. */
function offered(
  bytes: Uint8Array,
  domain: VaultDomain,
  keys: VaultKeys,
  { clock }: VaultPorts,
): LocatedInitialKey | null {
  const located = locateInitialKey(bytes, domain, keys);
  if (!located.ok) return null;
  const other = keys.otherBdks.get(located.value.bdk.id.toString('hex').toUpperCase());
  if (other === undefined) return located.value;
  return clock.now().getTime() - other.since.getTime() < OFFER_GRACE_MILLISECONDS ? located.value : null;
}

/**
 * Makes a key offer and signs it: for each domain the initial key of its BDK, wrapped under a KBPK of ephemeral-static
 * agreement with the phone's transport key. The ephemeral key serves this offer and is dropped.
 *
 * Refuses with MALFORMED_MESSAGE (also where an initial key id is none of the domain's active BDK, or the transport key no P-256
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
  const pinKey = offered(call.pinInitialKeyId, 'pin', keys, ports);
  if (pinKey === null) return refuse('MALFORMED_MESSAGE', 'pin_initial_key_id');
  const accountDataKey = offered(call.accountDataInitialKeyId, 'account-data', keys, ports);
  if (accountDataKey === null) return refuse('MALFORMED_MESSAGE', 'account_data_initial_key_id');
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
    const pin = { domain: KeyDomain.PIN, ...pinKey, kbpk: kbpkOf('pin') };
    const accountData = {
      domain: KeyDomain.ACCOUNT_DATA,
      ...accountDataKey,
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
