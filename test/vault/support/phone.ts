import { createCipheriv, generateKeyPairSync, KeyObject, sign } from 'node:crypto';
import { accountDataContext } from '../../../src/encoding/contexts.ts';
import { p256Thumbprint } from '../../../src/encoding/p256.ts';
import { type SigningContext, signingInput } from '../../../src/encoding/signed.ts';
import type { SignedMessage } from '../../../src/gen/tapgate/v1/signed.ts';
import { deriveInitialKey, workingKeyFromInitialKey } from '../../../src/payment-crypto/aes-dukpt/host.ts';
import type { WorkingKeyUsage } from '../../../src/payment-crypto/aes-dukpt/key-type.ts';
import { AesKsn, InitialKeyId } from '../../../src/payment-crypto/ksn.ts';
import { ClearPin } from '../../../src/payment-crypto/pin-block/clear-pin.ts';
import { encipherFormat4 } from '../../../src/payment-crypto/pin-block/format4.ts';
import { Pan } from '../../../src/payment-crypto/pin-block/pan.ts';
import type { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import type { EncryptedAccountData } from '../../../src/pin/vault.ts';
import type { BaseDerivationKey } from '../../../src/vault/keys.ts';
import type { SigningKey } from '../../../src/vault/keystore/signing-key.ts';
import { random, unwrap, type VaultFixture } from './keystore.ts';

/** A card of the tests: its PAN has a check digit that holds. */
export const PAN = '4761739001010010';
/** Twelve digits, so that its text does not turn up anywhere by chance. */
export const PIN = '428915370624';
/** 57, 5A, 5F24, 5F34. */
export const CARD_TLV = Buffer.from(`5711${PAN}D2912201123456789F5A08${PAN}5F24032912315F340101`, 'hex');

/** A phone with a session key and an initial key of each domain. */
export interface TestPhone {
  readonly sessionKey: KeyObject;
  /** SubjectPublicKeyInfo, DER. */
  readonly sessionPublicKey: Buffer;
  readonly thumbprint: string;
  readonly pin: DerivedKeys;
  readonly accountData: DerivedKeys;
}

/** Working keys of one domain. */
export interface DerivedKeys {
  readonly initialKeyId: Buffer;
  readonly initialKey: SecretKey;
  ksn(counter: number): Buffer;
  key(counter: number, usage: WorkingKeyUsage): SecretKey;
}

/** Keys of a derivation id under a base derivation key, as whoever was offered them has them. */
export function derivedKeys(bdk: BaseDerivationKey, derivationId: number): DerivedKeys {
  const tail = Buffer.alloc(4);
  tail.writeUInt32BE(derivationId);
  const id = unwrap(InitialKeyId.parse(Buffer.concat([bdk.id, tail])));
  const initialKey = deriveInitialKey(bdk.key, id);
  const ksn = (counter: number): AesKsn => unwrap(AesKsn.of(id, counter));
  return {
    initialKeyId: id.toBytes(),
    initialKey,
    ksn: (counter) => ksn(counter).toBytes(),
    key: (counter, usage) => unwrap(workingKeyFromInitialKey(initialKey, ksn(counter), usage, 'AES128')),
  };
}

export function testPhone({ keys }: VaultFixture): TestPhone {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const sessionPublicKey = publicKey.export({ format: 'der', type: 'spki' });
  return {
    sessionKey: privateKey,
    sessionPublicKey,
    thumbprint: p256Thumbprint(sessionPublicKey) ?? '',
    pin: derivedKeys(keys.pinBdk, 0x101),
    accountData: derivedKeys(keys.accountDataBdk, 0x202),
  };
}

/** Signs bytes under a context with a P-256 key: a phone's, or one of the vault. */
export function signed(
  context: SigningContext,
  payload: Buffer,
  key: KeyObject | Pick<SigningKey, 'sign'>,
  keyId = '',
): SignedMessage {
  const input = signingInput(context, payload);
  return { payload, signature: key instanceof KeyObject ? sign('sha256', input, key) : key.sign(input), keyId };
}

/** Account data as a phone encrypts it for a grant, given by its `grantHash`. */
export function encryptAccountData(
  phone: TestPhone,
  boundTo: Uint8Array,
  counter: number,
  tlv: Uint8Array = CARD_TLV,
): EncryptedAccountData {
  const ksn = phone.accountData.ksn(counter);
  const key = phone.accountData.key(counter, 'dataEncryptionEncrypt');
  const initializationVector = random.bytes(12);
  const cipher = createCipheriv('aes-128-gcm', key.keyObject, initializationVector);
  cipher.setAAD(accountDataContext(boundTo, ksn));
  return {
    ksn,
    initializationVector,
    ciphertext: Buffer.concat([cipher.update(tlv), cipher.final(), cipher.getAuthTag()]),
  };
}

/** A PIN block as a phone enciphers it. */
export function encipherPin(phone: TestPhone, counter: number, pin = PIN, pan = PAN): Buffer {
  const key = phone.pin.key(counter, 'pinEncryption');
  return unwrap(
    encipherFormat4(key, unwrap(ClearPin.parse(Buffer.from(pin))), unwrap(Pan.parse(Buffer.from(pan))), random),
  );
}
