import { keyBlockProtectionInfo } from '../../encoding/contexts.ts';
import { equalBytes, sha256 } from '../../encoding/digest.ts';
import { type KeyEnvelope, KeyOffer } from '../../gen/tapgate/v1/key_injection_service.ts';
import { KeyDomain } from '../../gen/tapgate/v1/key_transport.ts';
import type { TransportName } from '../../injection/policy.ts';
import type { DerivationKey } from '../../payment-crypto/aes-dukpt/derivation.ts';
import { DukptRegisters } from '../../payment-crypto/aes-dukpt/registers.ts';
import { keyCheckValue } from '../../payment-crypto/kcv.ts';
import { agreeSharedSecret, deriveKbpk } from '../../payment-crypto/key-agreement.ts';
import { importKeyBlock } from '../../payment-crypto/key-block/import.ts';
import { InitialKeyId } from '../../payment-crypto/ksn.ts';
import { decryptOaep } from '../../payment-crypto/oaep.ts';
import type { SecretBytes } from '../../payment-crypto/secret.ts';
import { type CipherKey, SecretKey } from '../../payment-crypto/secret-key.ts';
import { decodeMessage } from '../../wire/decode.ts';
import { transportToWire } from '../../wire/injection.ts';
import { importWrappedKey } from '../keymint/imported-key.ts';
import { ServiceNotTrusted } from './refused.ts';
import type { PhoneKeys } from './registers.ts';
import type { PhoneTransportKey } from './transport-keys.ts';

/** The exchange that an offer has to belong to. */
export interface OfferExpectation {
  readonly deviceId: string;
  /** Whom the phone's payments go to; null where it does not know yet. */
  readonly acquirer: string | null;
  readonly sessionKeyThumbprint: string;
  readonly nonce: Buffer;
  /** Every transport key that was offered; the service has chosen one. */
  readonly transportKeys: readonly PhoneTransportKey[];
  readonly now: Date;
}

/** An offer whose keys are in the phone. */
export interface OpenedOffer {
  readonly injectionId: string;
  readonly acquirer: string;
  readonly transport: TransportName;
  readonly keys: PhoneKeys;
  /** Of the PIN key and the account data key as they are in the phone: hexadecimal. */
  readonly checkValues: readonly [string, string];
}

type InitialKey = CipherKey & DerivationKey & { wipe(): void };

/** Opens the envelope of one domain. */
type Opener = (name: DomainName, envelope: KeyEnvelope, initialKeyId: InitialKeyId) => InitialKey;

type DomainName = 'pin' | 'account-data';

const PROTECTION_SECRET_BYTES = 32;

/**
 * Opens an offer, the payload of which a trusted service key signed, by its transport, and fills the registers of both
 * domains; initial keys are wiped. Throws ServiceNotTrusted for an offer of another exchange, one that has expired, and
 * for whatever does not open or does not agree with its check value.
 */
export function openOffer(payload: Uint8Array, expected: OfferExpectation): OpenedOffer {
  const decoded = decodeMessage(KeyOffer, payload);
  if (!decoded.ok) throw new ServiceNotTrusted('a malformed offer');
  const offer = decoded.value;
  const chosen = expected.transportKeys.find(({ key }) => equalBytes(offer.transportKeyHash, sha256(key.publicKey)));
  const ours =
    offer.sessionKeyThumbprint === expected.sessionKeyThumbprint &&
    offer.deviceId === expected.deviceId &&
    equalBytes(offer.nonce, expected.nonce);
  if (!ours || chosen === undefined)
    throw new ServiceNotTrusted('the offer is for another phone, session or transport key');
  if (offer.acquirer !== (expected.acquirer ?? offer.acquirer))
    throw new ServiceNotTrusted('the offer is for payments to another acquirer');
  if (offer.transport !== transportToWire(chosen.transport))
    throw new ServiceNotTrusted('the offer is by another transport than its key is for');
  if (offer.expiresAt === undefined || offer.expiresAt <= expected.now)
    throw new ServiceNotTrusted('the offer has expired');
  const [first, second] = offer.envelopes;
  if (offer.envelopes.length !== 2 || first?.domain !== KeyDomain.PIN || second?.domain !== KeyDomain.ACCOUNT_DATA)
    throw new ServiceNotTrusted('the offer has not one key for each domain');
  const { open, wipe } = openerOf(offer, chosen);
  try {
    const pin = fill('pin', first, open);
    const accountData = fill('account-data', second, open);
    return {
      injectionId: offer.injectionId,
      acquirer: offer.acquirer,
      transport: chosen.transport,
      keys: { pin: pin.registers, accountData: accountData.registers },
      checkValues: [pin.checkValue, accountData.checkValue],
    };
  } finally {
    wipe();
  }
}

function fill(
  name: DomainName,
  envelope: KeyEnvelope,
  open: Opener,
): { readonly registers: DukptRegisters; readonly checkValue: string } {
  const initialKeyId = InitialKeyId.parse(envelope.initialKeyId);
  if (!initialKeyId.ok) throw new ServiceNotTrusted(`${name}: no initial key id`);
  const key = open(name, envelope, initialKeyId.value);
  const checkValue = keyCheckValue(key);
  if (key.bits === 128 && equalBytes(checkValue, envelope.keyCheckValue)) {
    const registers = DukptRegisters.load(key, initialKeyId.value);
    return { registers, checkValue: checkValue.toString('hex').toUpperCase() };
  }
  key.wipe();
  throw new ServiceNotTrusted(`${name}: wrong check value`);
}

function openerOf(
  offer: KeyOffer,
  { transport, key }: PhoneTransportKey,
): { readonly open: Opener; readonly wipe: () => void } {
  if (transport === 'secure-import') {
    const open: Opener = (name, { secureKeyWrapper }) => {
      const imported = importWrappedKey(secureKeyWrapper, key);
      if (!imported.ok) throw new ServiceNotTrusted(`the ${name} key is not imported: ${imported.reason}`);
      return imported.value;
    };
    return { open, wipe: () => {} };
  }
  const secret: { readonly ok: true; readonly value: SecretBytes } | { readonly ok: false } =
    transport === 'rsa'
      ? decryptOaep(key.privateKey, offer.encryptedProtectionSecret)
      : agreeSharedSecret(key.privateKey, offer.ephemeralPublicKey);
  if (!secret.ok || secret.value.length !== PROTECTION_SECRET_BYTES)
    throw new ServiceNotTrusted('the offer does not open with the transport key');
  return { open: keyBlockOpener(offer, secret.value), wipe: () => secret.value.wipe() };
}

/** Opens X9.143 blocks, with no departure from the standard, under the KBPK that the secret gives for each domain. */
function keyBlockOpener(offer: KeyOffer, secret: SecretBytes): Opener {
  return (name, envelope, initialKeyId) => {
    const info = keyBlockProtectionInfo(offer.injectionId, name, offer.sessionKeyThumbprint, offer.transportKeyHash);
    const kbpk = deriveKbpk(secret, offer.nonce, info);
    const imported = importKeyBlock(envelope.keyBlock, kbpk, { tolerate: new Set() });
    kbpk.wipe();
    if (!imported.ok) throw new ServiceNotTrusted(`the ${name} key block does not open: ${imported.reason}`);
    const { key, header, optional } = imported.value;
    const stated = optional.find((content) => content.id === 'IK');
    const isInitialKey =
      header.version === 'D' && header.usage === 'B1' && header.algorithm === 'A' && header.modeOfUse === 'X';
    const isNamed = stated?.id === 'IK' && stated.initialKeyId.equals(initialKeyId);
    if (key instanceof SecretKey && isInitialKey && isNamed) return key;
    key.wipe();
    throw new ServiceNotTrusted(`${name}: another key than an initial key of that id`);
  };
}
