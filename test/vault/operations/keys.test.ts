import { createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { canonicalBytes } from '../../../src/encoding/canonical.ts';
import { sha256 } from '../../../src/encoding/digest.ts';
import { p256Thumbprint } from '../../../src/encoding/p256.ts';
import { isEndorsed, trustedAnchors } from '../../../src/encoding/published-key.ts';
import { CONTEXT, verifySigned } from '../../../src/encoding/signed.ts';
import { KeyOffer } from '../../../src/gen/tapgate/v1/key_injection_service.ts';
import { KeyDomain, KeyTransport } from '../../../src/gen/tapgate/v1/key_transport.ts';
import { ServiceKey } from '../../../src/gen/tapgate/v1/signed.ts';
import {
  type OfferKeysCall,
  SigningPurpose,
  type VerifyKeyProofCall,
} from '../../../src/gen/tapgate/vault/v1/vault_service.ts';
import { DukptRegisters } from '../../../src/payment-crypto/aes-dukpt/registers.ts';
import { cmac } from '../../../src/payment-crypto/cmac.ts';
import { importKeyBlock } from '../../../src/payment-crypto/key-block/import.ts';
import { InitialKeyId } from '../../../src/payment-crypto/ksn.ts';
import { SecretKey } from '../../../src/payment-crypto/secret-key.ts';
import { randomUuid } from '../../../src/ports/random.ts';
import { ok, refuse } from '../../../src/reasons/result.ts';
import type { InitialKeyIdLedger } from '../../../src/vault/derivation-ids/ledger.ts';
import { renewAnchor } from '../../../src/vault/keystore/anchor-renewal.ts';
import { describeKeys } from '../../../src/vault/operations/describe-keys.ts';
import { offerKeys } from '../../../src/vault/operations/offer-keys.ts';
import { verifyKeyProof } from '../../../src/vault/operations/verify-key-proof.ts';
import {
  ACQUIRER,
  clock,
  FORGETFUL_LEDGER,
  random,
  turn,
  unwrap,
  type VaultFixture,
  vaultFixture,
} from '../support/keystore.ts';
import { type TestPhone, testPhone } from '../support/phone.ts';

let vault: VaultFixture;
let phone: TestPhone;
let transport: { readonly privateKey: KeyObject; readonly spki: Buffer };
beforeAll(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  transport = { privateKey, spki: publicKey.export({ format: 'der', type: 'spki' }) };
});
afterAll(() => vault.remove());

const ports = { random, clock };
const offerCall = (bend: Partial<OfferKeysCall> = {}): OfferKeysCall => ({
  injectionId: randomUuid(random),
  deviceId: 'device-1',
  acquirer: ACQUIRER,
  sessionKeyThumbprint: phone.thumbprint,
  transport: KeyTransport.KEY_AGREEMENT,
  transportPublicKey: transport.spki,
  nonce: random.bytes(32),
  pinInitialKeyId: phone.pin.initialKeyId,
  accountDataInitialKeyId: phone.accountData.initialKeyId,
  expiresAt: 1_770_000_000_123n,
  ...bend,
});

const offerOf = (call: OfferKeysCall): KeyOffer => {
  const { offer } = unwrap(offerKeys(call, vault.keys, ports, FORGETFUL_LEDGER));
  return KeyOffer.decode(offer?.payload ?? Buffer.alloc(0));
};

/** The initial key of an envelope as a phone opens it, by node:crypto alone up to the key block. */
function openEnvelope(
  offer: KeyOffer,
  domain: 'pin' | 'account-data',
): { key: SecretKey; ikid: string; header: string } {
  const wire = domain === 'pin' ? KeyDomain.PIN : KeyDomain.ACCOUNT_DATA;
  const envelope = offer.envelopes.find((candidate) => candidate.domain === wire);
  if (envelope === undefined) throw new Error(domain);
  const publicKey = createPublicKey({ key: offer.ephemeralPublicKey, format: 'der', type: 'spki' });
  const shared = diffieHellman({ privateKey: transport.privateKey, publicKey });
  const info = canonicalBytes(
    'tapgate/v1/key-block-protection',
    offer.injectionId,
    domain,
    phone.thumbprint,
    sha256(transport.spki),
  );
  const kbpk = unwrap(SecretKey.parse('AES', new Uint8Array(hkdfSync('sha256', shared, offer.nonce, info, 32))));
  const { key, optional, header } = unwrap(importKeyBlock(envelope.keyBlock, kbpk, { tolerate: new Set() }));
  const ik = optional.find((content) => content.id === 'IK');
  if (!(key instanceof SecretKey) || ik?.id !== 'IK') throw new Error('not an initial key');
  expect(envelope.keyCheckValue).toEqual(cmac(key, Buffer.alloc(16)).subarray(0, 5));
  expect(envelope.initialKeyId.toString('hex').toUpperCase()).toBe(ik.initialKeyId.toString());
  const { version, usage, algorithm, modeOfUse, exportability } = header;
  return { key, ikid: ik.initialKeyId.toString(), header: version + usage + algorithm + modeOfUse + exportability };
}

describe('an offer of keys', () => {
  test('brings each domain its initial key, wrapped for this phone alone', () => {
    const call = offerCall();
    const { offer: message } = unwrap(offerKeys(call, vault.keys, ports, FORGETFUL_LEDGER));
    if (message === undefined) throw new Error('no offer');
    expect(verifySigned(CONTEXT.keyOffer, message, vault.keys.grant.publicKey)).toBe(true);
    const offer = KeyOffer.decode(message.payload);
    expect(offer).toMatchObject({
      injectionId: call.injectionId,
      deviceId: 'device-1',
      sessionKeyThumbprint: phone.thumbprint,
      transport: KeyTransport.KEY_AGREEMENT,
      transportKeyHash: sha256(transport.spki),
      nonce: call.nonce,
      expiresAt: new Date(1_770_000_000_123),
    });
    const pin = openEnvelope(offer, 'pin');
    const accountData = openEnvelope(offer, 'account-data');
    expect(pin.key.equals(phone.pin.initialKey)).toBe(true);
    expect(accountData.key.equals(phone.accountData.initialKey)).toBe(true);
    expect(pin.header).toBe('DB1AXN');
    expect(accountData.ikid).toBe(phone.accountData.initialKeyId.toString('hex').toUpperCase());
  });

  test('is made with a new ephemeral key each time', () => {
    const call = offerCall();
    const keys = [1, 2].map(() => offerOf(call).ephemeralPublicKey);
    expect(keys[0]).not.toEqual(keys[1]);
  });

  test.each<[string, Partial<OfferKeysCall> | (() => Partial<OfferKeysCall>)]>([
    ['injection_id', { injectionId: 'injection-1' }],
    ['device_id', { deviceId: '' }],
    ['device_id', { deviceId: 'd'.repeat(65) }],
    ['session_key_thumbprint', { sessionKeyThumbprint: 'short' }],
    ['nonce', { nonce: Buffer.alloc(31) }],
    ['expires_at', { expiresAt: 0n }],
    ['expires_at', { expiresAt: 2n ** 62n }],
    ['pin_initial_key_id', { pinInitialKeyId: Buffer.alloc(8) }],
    ['pin_initial_key_id', { pinInitialKeyId: Buffer.alloc(0) }],
    ['pin_initial_key_id', () => ({ pinInitialKeyId: phone.accountData.initialKeyId })],
    ['account_data_initial_key_id', () => ({ accountDataInitialKeyId: phone.pin.initialKeyId })],
    ['transport_public_key', { transportPublicKey: Buffer.alloc(91) }],
    ['transport_public_key', () => ({ transportPublicKey: offCurve() })],
    [
      'transport_public_key',
      () => ({
        transportPublicKey: generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({
          format: 'der',
          type: 'spki',
        }),
      }),
    ],
  ])('is refused for its %s', (field, bend) => {
    const call = offerCall(typeof bend === 'function' ? bend() : bend);
    expect(offerKeys(call, vault.keys, ports, FORGETFUL_LEDGER)).toEqual({
      ok: false,
      reason: 'MALFORMED_MESSAGE',
      detail: field,
    });
  });

  test.each([KeyTransport.UNSPECIFIED, 4 as KeyTransport])('is refused over transport %s', (other) => {
    const refused = offerKeys(offerCall({ transport: other }), vault.keys, ports, FORGETFUL_LEDGER);
    expect(refused).toEqual({ ok: false, reason: 'TRANSPORT_NOT_SUPPORTED' });
  });

  test('is refused past the life of the service key', () => {
    const late = { random, clock: { now: () => new Date(vault.keys.grant.notAfter * 1000 + 1) } };
    expect(offerKeys(offerCall(), vault.keys, late, FORGETFUL_LEDGER)).toEqual({
      ok: false,
      reason: 'SERVICE_KEY_EXPIRED',
    });
  });
});

function offCurve(): Buffer {
  const key = Buffer.from(transport.spki);
  key.writeUInt8(key.readUInt8(90) ^ 1, 90);
  return key;
}

describe('a key proof', () => {
  const offer = Buffer.from('the payload of an offer');
  /** The proof of a phone that has filled its registers: its first transaction is counter 1. */
  const proof = (domain: 'pin' | 'accountData'): Buffer => {
    const { initialKey, initialKeyId } = phone[domain];
    const copy = initialKey.use((bytes) => unwrap(SecretKey.parse('AES', bytes)));
    const registers = DukptRegisters.load(copy, unwrap(InitialKeyId.parse(initialKeyId)));
    const transaction = unwrap(registers.advance());
    expect(transaction.ksn.counter).toBe(1);
    const key = unwrap(transaction.workingKey('macGeneration', 'AES128'));
    return cmac(key, canonicalBytes('tapgate/v1/key-proof', offer));
  };
  const verify = (bend: Partial<VerifyKeyProofCall> = {}) =>
    verifyKeyProof(
      {
        pinInitialKeyId: phone.pin.initialKeyId,
        accountDataInitialKeyId: phone.accountData.initialKeyId,
        offer,
        pinCmac: proof('pin'),
        accountDataCmac: proof('accountData'),
        ...bend,
      },
      vault.keys,
    );

  test('holds where the phone has both keys', () => {
    expect(verify()).toEqual({ ok: true, value: { valid: true } });
  });

  test.each<[string, () => Partial<VerifyKeyProofCall>]>([
    ['the PIN domain fails', () => ({ pinCmac: Buffer.alloc(16) })],
    ['the account data domain fails', () => ({ accountDataCmac: Buffer.alloc(16) })],
    ['both are exchanged', () => ({ pinCmac: proof('accountData'), accountDataCmac: proof('pin') })],
    ['it is over another offer', () => ({ offer: Buffer.from('the payload of another') })],
    [
      'it is for another initial key',
      () => ({ pinInitialKeyId: Buffer.concat([vault.keys.pinBdk.id, Buffer.from('00000999', 'hex')]) }),
    ],
  ])('does not hold where %s', (_, bend) => {
    expect(verify(bend())).toEqual({ ok: true, value: { valid: false } });
  });

  test.each<[string, () => Partial<VerifyKeyProofCall>]>([
    ['pin_cmac', () => ({ pinCmac: proof('pin').subarray(0, 8) })],
    ['account_data_cmac', () => ({ accountDataCmac: Buffer.alloc(0) })],
    ['offer', () => ({ offer: Buffer.alloc(0) })],
    ['offer', () => ({ offer: Buffer.alloc(16_385) })],
    ['pin_initial_key_id', () => ({ pinInitialKeyId: phone.accountData.initialKeyId })],
    ['account_data_initial_key_id', () => ({ accountDataInitialKeyId: Buffer.alloc(7) })],
  ])('is refused for its %s', (field, bend) => {
    expect(verify(bend())).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE', detail: field });
  });
});

describe('the record of what was offered', () => {
  const asked: string[] = [];
  const recording = (answer: ReturnType<InitialKeyIdLedger['claim']>): InitialKeyIdLedger => ({
    claim: (ids) => {
      asked.push(ids.map(String).join(' '));
      return answer;
    },
  });
  beforeEach(() => {
    asked.length = 0;
  });

  test('is asked for both initial keys at once, and its refusal is the answer', () => {
    const both = `${phone.pin.initialKeyId.toString('hex')} ${phone.accountData.initialKeyId.toString('hex')}`;
    for (const reason of ['DERIVATION_ID_USED', 'VAULT_UNAVAILABLE'] as const)
      expect(offerKeys(offerCall(), vault.keys, ports, recording(refuse(reason)))).toEqual({ ok: false, reason });
    expect(offerKeys(offerCall(), vault.keys, ports, recording(ok(null))).ok).toBe(true);
    expect(asked.map((ids) => ids.toLowerCase())).toEqual(Array(3).fill(both.toLowerCase()));
  });

  test('is not asked for an offer that is not made', () => {
    const refused = [offerCall({ deviceId: '' }), offerCall({ transportPublicKey: Buffer.alloc(3) })];
    for (const call of refused) expect(offerKeys(call, vault.keys, ports, recording(ok(null))).ok).toBe(false);
    expect(asked).toEqual([]);
  });

  test('of a vault lets its own offer be made once', () => {
    const { ledger } = vault.custodian;
    expect(offerKeys(offerCall(), vault.keys, ports, ledger).ok).toBe(true);
    expect(offerKeys(offerCall(), vault.keys, ports, ledger)).toMatchObject({ reason: 'DERIVATION_ID_USED' });
  });
});

describe('the description of keys', () => {
  test('names public keys by purpose, BDK ids and acquirers', () => {
    const { deviceToken, receipt, audit, grant, pinBdk, accountDataBdk } = vault.keys;
    expect(describeKeys({ knownGeneration: 0n }, vault.keys)).toMatchObject({
      signingKeys: [
        { keyId: deviceToken.keyId, purpose: SigningPurpose.DEVICE_TOKEN, publicKey: deviceToken.spki },
        { keyId: receipt.keyId, purpose: SigningPurpose.RECEIPT, publicKey: receipt.spki },
        { keyId: audit?.keyId, purpose: SigningPurpose.AUDIT, publicKey: audit?.spki },
        { keyId: grant.keyId, purpose: SigningPurpose.GRANT, publicKey: grant.spki },
      ],
      pinBdkId: pinBdk.id,
      accountDataBdkId: accountDataBdk.id,
      acquirers: ['acquirer-a'],
    });
  });

  test("carries the anchor's endorsement of every key that signs, a new anchor's after its renewal", () => {
    const fixture = vaultFixture();
    const isEndorsedNow = () => {
      const { anchor, signingKeys } = describeKeys({ knownGeneration: 0n }, fixture.keys);
      const trusted = trustedAnchors([anchor]);
      const anchorId = p256Thumbprint(anchor);
      if (trusted === null || anchorId === null) throw new Error('no anchor');
      return fixture.keys.publicKeys.map(({ kind, keyId }) => {
        const told = signingKeys.find((key) => key.keyId === keyId);
        if (told === undefined) return false;
        const { publicKey, endorsement: signature } = told;
        return isEndorsed({ purpose: kind, publicKey, endorsements: [{ anchorId, signature }] }, trusted);
      });
    };
    try {
      expect(isEndorsedNow()).toEqual([true, true, true, true]);
      unwrap(fixture.custodian.generate({ kind: 'audit' }, 'ann'));
      expect(isEndorsedNow()).toEqual([true, true, true, true, true]);
      const before = fixture.keys.anchor;
      unwrap(renewAnchor(fixture.directory, turn));
      unwrap(fixture.custodian.reload());
      expect(fixture.keys.anchor).not.toEqual(before);
      expect(isEndorsedNow()).toEqual([true, true, true, true, true]);
    } finally {
      fixture.remove();
    }
  });

  test("carries the anchor's endorsement of the service key", () => {
    const { anchor, serviceKeys } = describeKeys({ knownGeneration: 0n }, vault.keys);
    const key = createPublicKey({ key: anchor, format: 'der', type: 'spki' });
    const [endorsement] = serviceKeys;
    if (endorsement === undefined) throw new Error('no endorsement');
    expect(serviceKeys).toHaveLength(1);
    expect(verifySigned(CONTEXT.serviceKey, endorsement, key)).toBe(true);
    expect(ServiceKey.decode(endorsement.payload)).toEqual({
      keyId: vault.keys.grant.keyId,
      publicKey: vault.keys.grant.spki,
      notAfter: BigInt(Math.floor(clock.now().getTime() / 1000) + 730 * 86_400),
    });
  });
});
