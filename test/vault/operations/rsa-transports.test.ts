import { constants, generateKeyPairSync, hkdfSync, type KeyObject, privateDecrypt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { canonicalBytes } from '../../../src/encoding/canonical.ts';
import { sha256 } from '../../../src/encoding/digest.ts';
import { CONTEXT, verifySigned } from '../../../src/encoding/signed.ts';
import { KeyOffer } from '../../../src/gen/tapgate/v1/key_injection_service.ts';
import { KeyTransport } from '../../../src/gen/tapgate/v1/key_transport.ts';
import type { OfferKeysCall } from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import { importKeyBlock } from '../../../src/payment-crypto/key-block/import.ts';
import { decryptOaep } from '../../../src/payment-crypto/oaep.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { parseSecureKeyWrapper, unwrapSecureKey } from '../../../src/payment-crypto/secure-key-wrapper/wrapper.ts';
import { randomUuid } from '../../../src/ports/random.ts';
import { offerKeys } from '../../../src/vault/operations/offer-keys.ts';
import {
  ACQUIRER,
  clock,
  FORGETFUL_LEDGER,
  random,
  unwrap,
  type VaultFixture,
  vaultFixture,
} from '../support/keystore.ts';
import { type TestPhone, testPhone } from '../support/phone.ts';

let vault: VaultFixture;
let phone: TestPhone;
let transport: { readonly privateKey: KeyObject; readonly spki: Buffer };

function rsaKey(modulusLength: number, publicExponent = 0x10001): { privateKey: KeyObject; spki: Buffer } {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent });
  return { privateKey, spki: publicKey.export({ format: 'der', type: 'spki' }) };
}

beforeAll(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
  transport = rsaKey(3072);
});
afterAll(() => vault.remove());

const offerCall = (over: Partial<OfferKeysCall>): OfferKeysCall => ({
  injectionId: randomUuid(random),
  deviceId: 'device-1',
  acquirer: ACQUIRER,
  sessionKeyThumbprint: phone.thumbprint,
  transport: KeyTransport.RSA,
  transportPublicKey: transport.spki,
  nonce: random.bytes(32),
  pinInitialKeyId: phone.pin.initialKeyId,
  accountDataInitialKeyId: phone.accountData.initialKeyId,
  expiresAt: 1_770_000_000_123n,
  ...over,
});

function offered(call: OfferKeysCall): KeyOffer {
  const { offer: message } = unwrap(offerKeys(call, vault.keys, { random, clock }, FORGETFUL_LEDGER));
  if (message === undefined) throw new Error('no offer');
  expect(verifySigned(CONTEXT.keyOffer, message, vault.keys.grant.publicKey)).toBe(true);
  expect(message.payload.length).toBeLessThan(4096);
  return KeyOffer.decode(message.payload);
}

const domains = () =>
  [
    ['pin', phone.pin],
    ['account-data', phone.accountData],
  ] as const;

describe('an offer to an RSA key', () => {
  /** The key block protection key as the document has it, by node:crypto alone. */
  const kbpkOf = (offer: KeyOffer, secret: Uint8Array, domain: string): SecretKey => {
    const info = canonicalBytes(
      'tapgate/v1/key-block-protection',
      offer.injectionId,
      domain,
      offer.sessionKeyThumbprint,
      sha256(transport.spki),
    );
    return unwrap(SecretKey.parse('AES', new Uint8Array(hkdfSync('sha256', secret, offer.nonce, info, 32))));
  };

  test('brings each domain its initial key, under a secret that the key alone opens', () => {
    const offer = offered(offerCall({}));
    expect(offer).toMatchObject({ transport: KeyTransport.RSA, ephemeralPublicKey: Buffer.alloc(0) });
    expect(offer.transportKeyHash).toEqual(sha256(transport.spki));
    const secret = unwrap(decryptOaep(transport.privateKey, offer.encryptedProtectionSecret));
    expect(secret.length).toBe(32);
    for (const [index, [name, keys]] of domains().entries()) {
      const { keyBlock, keyCheckValue, initialKeyId, secureKeyWrapper } = offer.envelopes[index]!;
      const kbpk = secret.use((bytes) => kbpkOf(offer, bytes, name));
      const { key, header } = unwrap(importKeyBlock(keyBlock, kbpk, { tolerate: new Set() }));
      expect(key.equals(keys.initialKey)).toBe(true);
      expect(header).toMatchObject({ version: 'D', usage: 'B1', algorithm: 'A', modeOfUse: 'X', exportability: 'N' });
      expect(initialKeyId).toEqual(keys.initialKeyId);
      expect(keyCheckValue).toHaveLength(5);
      expect(secureKeyWrapper).toHaveLength(0);
    }
  });

  test("has MGF1 with SHA-1 as Android's, not with SHA-256", () => {
    const offer = offered(offerCall({}));
    const bySha256 = {
      key: transport.privateKey,
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: 'sha256',
    };
    expect(() => privateDecrypt(bySha256, offer.encryptedProtectionSecret)).toThrow();
  });

  test('opens for the injection, session, domain and nonce that it was made for', () => {
    const offer = offered(offerCall({}));
    const secret = unwrap(decryptOaep(transport.privateKey, offer.encryptedProtectionSecret));
    const opens = (bent: Partial<KeyOffer>, domain = 'pin') => {
      const kbpk = secret.use((bytes) => kbpkOf({ ...offer, ...bent }, bytes, domain));
      return importKeyBlock(offer.envelopes[0]!.keyBlock, kbpk).ok;
    };
    expect(opens({})).toBe(true);
    expect(opens({}, 'account-data')).toBe(false);
    expect(opens({ injectionId: randomUuid(random) })).toBe(false);
    expect(opens({ sessionKeyThumbprint: 'A'.repeat(43) })).toBe(false);
    expect(opens({ nonce: Buffer.alloc(32) })).toBe(false);
  });

  test('has a new secret each time', () => {
    const call = offerCall({});
    const secrets = [1, 2].map(() => {
      const secret = unwrap(decryptOaep(transport.privateKey, offered(call).encryptedProtectionSecret));
      return secret.use((bytes) => Buffer.from(bytes).toString('hex'));
    });
    expect(secrets[0]).not.toBe(secrets[1]);
  });
});

describe('an offer by secure import', () => {
  test("brings each initial key in Android's wrapper, to encipher in ECB and nothing else", () => {
    const offer = offered(offerCall({ transport: KeyTransport.SECURE_IMPORT }));
    expect(offer).toMatchObject({
      transport: KeyTransport.SECURE_IMPORT,
      ephemeralPublicKey: Buffer.alloc(0),
      encryptedProtectionSecret: Buffer.alloc(0),
    });
    for (const [index, [, keys]] of domains().entries()) {
      const { secureKeyWrapper, keyBlock, keyCheckValue } = offer.envelopes[index]!;
      const wrapper = unwrap(parseSecureKeyWrapper(secureKeyWrapper));
      expect(wrapper.keyDescription).toEqual({
        keyFormat: 3,
        // KeyMint: purpose ENCRYPT, AES, 128 bits, ECB, no padding.
        authorizations: {
          purpose: [0],
          algorithm: 32,
          keySize: 128,
          blockMode: [1],
          padding: [1],
          noAuthRequired: true,
        },
        otherTags: [],
      });
      const key = unwrap(unwrapSecureKey(wrapper, { wrappingKey: transport.privateKey }));
      expect(key.equals(keys.initialKey)).toBe(true);
      expect(keyBlock).toBe('');
      expect(keyCheckValue).toHaveLength(5);
    }
  });
});

describe.each([KeyTransport.RSA, KeyTransport.SECURE_IMPORT])('over transport %s', (which) => {
  test.each<[string, () => Buffer]>([
    ['a P-256 key', () => phone.sessionPublicKey],
    ['no key', () => Buffer.alloc(300)],
    ['nothing', () => Buffer.alloc(0)],
    ['RSA of 1024 bits', () => rsaKey(1024).spki],
    ['RSA with exponent 3', () => rsaKey(2048, 3).spki],
  ])('%s is no transport key', (_what, spki) => {
    const call = offerCall({ transport: which, transportPublicKey: spki() });
    expect(offerKeys(call, vault.keys, { random, clock }, FORGETFUL_LEDGER)).toEqual({
      ok: false,
      reason: 'MALFORMED_MESSAGE',
      detail: 'transport_public_key',
    });
  });

  test.each([2048, 4096])('RSA of %s bits is one', (bits) => {
    const { spki } = rsaKey(bits);
    expect(offered(offerCall({ transport: which, transportPublicKey: spki })).transportKeyHash).toEqual(sha256(spki));
  });
});
