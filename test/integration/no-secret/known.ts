import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { keyBlockProtectionInfo } from '../../../src/encoding/contexts.ts';
import type { KeyOffer } from '../../../src/gen/tapgate/v1/key_injection_service.ts';
import { useOf } from '../../../src/keys/state.ts';
import {
  deriveInitialKey,
  deriveTransactionKey,
  deriveWorkingKey,
} from '../../../src/payment-crypto/aes-dukpt/host.ts';
import { agreeSharedSecret, deriveKbpk } from '../../../src/payment-crypto/key-agreement.ts';
import { AesKsn, type InitialKeyId } from '../../../src/payment-crypto/ksn.ts';
import { decryptOaep } from '../../../src/payment-crypto/oaep.ts';
import type { SecretBytes } from '../../../src/payment-crypto/secret.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { parseSecureKeyWrapper } from '../../../src/payment-crypto/secure-key-wrapper/wrapper.ts';
import { openKeystore } from '../../../src/vault/keystore/document.ts';
import { openSlot } from '../../../src/vault/keystore/slot.ts';
import type { VirtualAccount } from '../../../src/virtual/card/account.ts';
import type { GeneratedKey } from '../../../src/virtual/keymint/keymint.ts';
import { unwrap } from '../../support/unwrap.ts';
import type { Secret } from './secret.ts';

/** A card that no program knows of: its PAN and PIN are met nowhere by accident. */
export const ACCOUNT = {
  scheme: 'visa',
  pan: '4929041776035820',
  expiry: '4912',
  sequenceNumber: 1,
  pin: '730591648204',
} as const satisfies VirtualAccount;

/** A vault's keys, in clear. */
export interface OpenVault {
  readonly secrets: readonly Secret[];
  /** By BDK id. */
  readonly bdks: ReadonlyMap<string, SecretKey>;
  /** By acquirer. */
  readonly zonePinKeys: ReadonlyMap<string, SecretKey>;
}

const copyOf = (key: SecretBytes): Buffer => key.use((bytes) => Buffer.from(bytes));

/** Opens every key of a software vault whose master key lies in its folder. */
export function openVault(directory: string): OpenVault {
  const { slots, kek } = unwrap(openKeystore(directory));
  const secrets: Secret[] = [
    { name: 'master key', bytes: readFileSync(join(directory, 'master.key')) },
    { name: 'KEK', bytes: copyOf(kek) },
  ];
  const bdks = new Map<string, SecretKey>();
  const zonePinKeys = new Map<string, SecretKey>();
  for (const slot of slots) {
    if (slot.kind === 'kek' || !useOf(slot.state).isHeld) continue;
    const key = unwrap(openSlot(slot, kek));
    if (key instanceof SecretKey) {
      secrets.push({ name: slot.id, bytes: copyOf(key) });
      if (slot.bdkId !== undefined) bdks.set(slot.bdkId, key);
      if (slot.kind === 'zone-pin' && slot.state === 'active') zonePinKeys.set(slot.acquirer ?? '', key);
    } else secrets.push({ name: slot.id, bytes: privateScalar(copyOf(key)) });
  }
  return { secrets, bdks, zonePinKeys };
}

/** `d` of a P-256 key in PKCS#8: 32 bytes. */
function privateScalar(pkcs8: Buffer): Buffer {
  const { d = '' } = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
  return Buffer.from(d, 'base64url');
}

/** An initial key that a phone was given, and the highest counter that it has used. */
export interface GivenKey {
  readonly initialKeyId: InitialKeyId;
  readonly usedTo: number;
}

const WORKING_KEYS = ['pinEncryption', 'macGeneration', 'dataEncryptionEncrypt'] as const;

/** An initial key, and the transaction and working keys of every transaction that was made with it. */
export function secretsOfPhone({ initialKeyId, usedTo }: GivenKey, bdks: OpenVault['bdks']): Secret[] {
  const bdkId = initialKeyId.toString().slice(0, 8);
  const bdk = bdks.get(bdkId);
  if (bdk === undefined) throw new Error(`the vault holds no base derivation key ${bdkId}`);
  const initialKey = deriveInitialKey(bdk, initialKeyId);
  const secrets: Secret[] = [{ name: `initial key ${initialKeyId}`, bytes: copyOf(initialKey) }];
  for (let counter = 1; counter <= usedTo; counter += 1) {
    const ksn = unwrap(AesKsn.of(initialKeyId, counter));
    const transactionKey = deriveTransactionKey(initialKey, ksn);
    secrets.push({ name: `transaction key ${ksn}`, bytes: copyOf(transactionKey) });
    for (const usage of WORKING_KEYS) {
      const key = unwrap(deriveWorkingKey(transactionKey, ksn, usage, 'AES128'));
      secrets.push({ name: `${usage} key ${ksn}`, bytes: copyOf(key) });
    }
  }
  return secrets;
}

/** What protects the initial keys of an offer, as the phone learns it: shared secret and KBPKs, or transport keys. */
export function secretsOfOffer(offer: KeyOffer, transportKey: GeneratedKey): Secret[] {
  const { injectionId, sessionKeyThumbprint, transportKeyHash, nonce, envelopes } = offer;
  if (offer.ephemeralPublicKey.length + offer.encryptedProtectionSecret.length === 0) {
    return envelopes.map(({ secureKeyWrapper }) => {
      const { encryptedTransportKey } = unwrap(parseSecureKeyWrapper(secureKeyWrapper));
      const key = unwrap(decryptOaep(transportKey.privateKey, encryptedTransportKey));
      return { name: `wrapper's key of injection ${injectionId}`, bytes: copyOf(key) };
    });
  }
  const secret = unwrap(
    offer.ephemeralPublicKey.length > 0
      ? agreeSharedSecret(transportKey.privateKey, offer.ephemeralPublicKey)
      : decryptOaep(transportKey.privateKey, offer.encryptedProtectionSecret),
  );
  const kbpks = (['pin', 'account-data'] as const).map((domain): Secret => {
    const info = keyBlockProtectionInfo(injectionId, domain, sessionKeyThumbprint, transportKeyHash);
    return { name: `KBPK ${domain} of injection ${injectionId}`, bytes: copyOf(deriveKbpk(secret, nonce, info)) };
  });
  return [{ name: `protection secret of injection ${injectionId}`, bytes: copyOf(secret) }, ...kbpks];
}

/** PIN and PAN as text, as packed digits (the PIN field of ISO 9564-1 holds the PIN so), and as a digit a byte. */
export function secretsOfCard({ pin, pan }: VirtualAccount): Secret[] {
  return Object.entries({ PIN: pin, PAN: pan }).flatMap(([name, digits]) => [
    { name: `${name} (text)`, bytes: Buffer.from(digits, 'ascii') },
    { name: `${name} (packed)`, bytes: Buffer.from(digits, 'hex') },
    { name: `${name} (digits)`, bytes: Buffer.from(Uint8Array.from(digits, Number)) },
  ]);
}
