import { NAME_FORM } from '../../certs/uri-name.ts';
import { sha256 } from '../../encoding/digest.ts';
import { CONTEXT } from '../../encoding/signed.ts';
import { type KeyEnvelope, KeyOffer } from '../../gen/tapgate/v1/key_injection_service.ts';
import { KeyDomain } from '../../gen/tapgate/v1/key_transport.ts';
import type { OfferKeysAnswer, OfferKeysCall } from '../../gen/tapgate/vault/v1/vault_service.ts';
import { deriveInitialKey } from '../../payment-crypto/aes-dukpt/host.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import { isUuid } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { InitialKeyIdLedger, LedgerFault } from '../derivation-ids/ledger.ts';
import { keyBinding } from '../key-binding.ts';
import type { KeyDomain as VaultDomain, VaultKeys } from '../keys.ts';
import type { VaultPorts } from '../ports.ts';
import { signAsService } from '../signing.ts';
import { type LocatedInitialKey, locateInitialKey } from '../working-key.ts';
import { type KeySealer, keySealer } from './key-envelopes.ts';
import { isThumbprint } from './thumbprint.ts';

const WIRE_DOMAINS = {
  pin: KeyDomain.PIN,
  'account-data': KeyDomain.ACCOUNT_DATA,
} as const satisfies Record<VaultDomain, KeyDomain>;
const NONCE_BYTES = 32;
/** For so long after a rotation offers from the base key before are still made: replicas hear of it one by one. */
const OFFER_GRACE_MILLISECONDS = 30_000;
/** Last millisecond of the year 9999: a later time is none that a timestamp can state. */
const MAX_TIME = 253_402_300_799_999n;

/** Name of the first field that is not of its form, or null. */
function malformedField(call: OfferKeysCall): string | null {
  if (!isUuid(call.injectionId)) return 'injection_id';
  if (call.deviceId.length === 0 || call.deviceId.length > 64) return 'device_id';
  if (!NAME_FORM.test(call.acquirer)) return 'acquirer';
  if (!isThumbprint(call.sessionKeyThumbprint)) return 'session_key_thumbprint';
  if (call.nonce.length !== NONCE_BYTES) return 'nonce';
  return call.expiresAt > 0n && call.expiresAt <= MAX_TIME ? null : 'expires_at';
}

/** Derives an initial key and seals it for the phone. The key is wiped. */
function makeEnvelope(domain: VaultDomain, { bdk, initialKeyId }: LocatedInitialKey, sealer: KeySealer): KeyEnvelope {
  const key = deriveInitialKey(bdk.key, initialKeyId);
  try {
    return {
      domain: WIRE_DOMAINS[domain],
      initialKeyId: initialKeyId.toBytes(),
      keyCheckValue: keyCheckValue(key),
      ...sealer.seal(domain, initialKeyId, key),
    };
  } finally {
    key.wipe();
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
 * Makes a key offer and signs it: for each domain the initial key of its BDK, sealed for the phone's transport key as the
 * transport asks. The signature covers all of it: acquirer, transport, hash of the transport key, envelopes, check values,
 * expiry. With it comes the one binding that there is of these keys, without which no grant for them is signed.
 *
 * Refuses with MALFORMED_MESSAGE (also where an initial key id is none of the domain's active BDK, or the transport key is
 * none of the transport's), TRANSPORT_NOT_SUPPORTED and SERVICE_KEY_EXPIRED; with DERIVATION_ID_USED where an initial key
 * was offered before, to whomever, and with VAULT_UNAVAILABLE where that cannot be told.
 */
export function offerKeys(
  call: OfferKeysCall,
  keys: VaultKeys,
  ports: VaultPorts,
  ledger: InitialKeyIdLedger,
): Result<OfferKeysAnswer, 'MALFORMED_MESSAGE' | 'TRANSPORT_NOT_SUPPORTED' | 'SERVICE_KEY_EXPIRED' | LedgerFault> {
  const field = malformedField(call);
  if (field !== null) return refuse('MALFORMED_MESSAGE', field);
  const pinKey = offered(call.pinInitialKeyId, 'pin', keys, ports);
  if (pinKey === null) return refuse('MALFORMED_MESSAGE', 'pin_initial_key_id');
  const accountDataKey = offered(call.accountDataInitialKeyId, 'account-data', keys, ports);
  if (accountDataKey === null) return refuse('MALFORMED_MESSAGE', 'account_data_initial_key_id');
  const { injectionId, deviceId, acquirer, sessionKeyThumbprint, transport, transportPublicKey, nonce } = call;
  const transportKeyHash = sha256(transportPublicKey);
  const terms = { injectionId, sessionKeyThumbprint, transport, transportKey: transportPublicKey, nonce };
  const sealer = keySealer({ ...terms, transportKeyHash }, ports.random);
  if (!sealer.ok) return sealer;
  // Before anything is derived: an id is used up by what might have been answered, not by what was.
  const claimed = ledger.claim([pinKey.initialKeyId, accountDataKey.initialKeyId]);
  if (!claimed.ok) {
    sealer.value.wipe();
    return claimed;
  }
  let envelopes: KeyEnvelope[];
  try {
    envelopes = [makeEnvelope('pin', pinKey, sealer.value), makeEnvelope('account-data', accountDataKey, sealer.value)];
  } finally {
    sealer.value.wipe();
  }
  const { ephemeralPublicKey, encryptedProtectionSecret } = sealer.value;
  const offer: KeyOffer = {
    injectionId,
    deviceId,
    acquirer,
    sessionKeyThumbprint,
    transport,
    transportKeyHash,
    ephemeralPublicKey,
    encryptedProtectionSecret,
    nonce,
    envelopes,
    expiresAt: new Date(Number(call.expiresAt)),
  };
  const signed = signAsService(CONTEXT.keyOffer, Buffer.from(KeyOffer.encode(offer).finish()), keys, ports);
  if (!signed.ok) return signed;
  const { pinInitialKeyId, accountDataInitialKeyId } = call;
  const bound = { pinInitialKeyId, accountDataInitialKeyId, deviceId, acquirer };
  return ok({ offer: signed.value, keyBinding: keyBinding(bound, keys) });
}
