import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { keyProofInput } from '../../../src/encoding/contexts.ts';
import { sha256 } from '../../../src/encoding/digest.ts';
import { type KeyEnvelope, KeyOffer } from '../../../src/gen/tapgate/v1/key_injection_service.ts';
import { KeyDomain } from '../../../src/gen/tapgate/v1/key_transport.ts';
import type { TransportName } from '../../../src/injection/policy.ts';
import type { DukptRegisters } from '../../../src/payment-crypto/aes-dukpt/registers.ts';
import { cmac } from '../../../src/payment-crypto/cmac.ts';
import { randomUuid } from '../../../src/ports/random.ts';
import { offerKeys } from '../../../src/vault/operations/offer-keys.ts';
import { verifyKeyProof } from '../../../src/vault/operations/verify-key-proof.ts';
import { createVirtualFactory } from '../../../src/virtual/keymint/factory.ts';
import type { VirtualKeyMint } from '../../../src/virtual/keymint/keymint.ts';
import { honestProfiles } from '../../../src/virtual/keymint/profiles.ts';
import { openOffer } from '../../../src/virtual/phone/open-offer.ts';
import { makeTransportKey, type PhoneTransportKey, TRANSPORTS } from '../../../src/virtual/phone/transport-keys.ts';
import { transportToWire } from '../../../src/wire/injection.ts';
import {
  ACQUIRER,
  clock,
  FORGETFUL_LEDGER,
  random,
  unwrap,
  type VaultFixture,
  vaultFixture,
} from '../../vault/support/keystore.ts';
import { type TestPhone, testPhone } from '../../vault/support/phone.ts';

let vault: VaultFixture;
let phone: TestPhone;
let keymint: VirtualKeyMint;
const transportKeys = new Map<TransportName, PhoneTransportKey>();
const nonce = random.bytes(32);
const now = clock.now();

beforeAll(() => {
  vault = vaultFixture();
  phone = testPhone(vault);
  keymint = createVirtualFactory({ now: () => now }).provision(honestProfiles(now).tee);
  for (const name of TRANSPORTS) transportKeys.set(name, makeTransportKey(keymint, [name], Buffer.alloc(32), 2048));
});
afterAll(() => vault.remove());

const keyOf = (transport: TransportName): PhoneTransportKey => {
  const key = transportKeys.get(transport);
  if (key === undefined) throw new Error(transport);
  return key;
};

function offerOf(transport: TransportName, keys = phone, key = keyOf(transport)): KeyOffer {
  const call = {
    injectionId: randomUuid(random),
    deviceId: 'device-1',
    acquirer: ACQUIRER,
    sessionKeyThumbprint: phone.thumbprint,
    transport: transportToWire(transport),
    transportPublicKey: key.key.publicKey,
    nonce,
    pinInitialKeyId: keys.pin.initialKeyId,
    accountDataInitialKeyId: keys.accountData.initialKeyId,
    expiresAt: BigInt(now.getTime() + 60_000),
  };
  const { offer } = unwrap(offerKeys(call, vault.keys, { random, clock }, FORGETFUL_LEDGER));
  return KeyOffer.decode(offer?.payload ?? Buffer.alloc(0));
}

const payloadOf = (offer: KeyOffer): Buffer => Buffer.from(KeyOffer.encode(offer).finish());

const opened = (offer: KeyOffer, over: Partial<Parameters<typeof openOffer>[1]> = {}) =>
  openOffer(payloadOf(offer), {
    deviceId: 'device-1',
    acquirer: ACQUIRER,
    sessionKeyThumbprint: phone.thumbprint,
    nonce,
    transportKeys: [...transportKeys.values()],
    now,
    ...over,
  });

const proofOf = (registers: DukptRegisters, payload: Buffer): Buffer => {
  const transaction = unwrap(registers.advance());
  expect(transaction.ksn.counter).toBe(1);
  return cmac(unwrap(transaction.workingKey('macGeneration', 'AES128')), keyProofInput(payload));
};

describe.each(TRANSPORTS)('an offer by %s', (transport) => {
  const bent = (bend: (offer: KeyOffer) => Partial<KeyOffer>): KeyOffer => {
    const offer = offerOf(transport);
    return { ...offer, ...bend(offer) };
  };
  const withPin = (bend: (pin: KeyEnvelope, accountData: KeyEnvelope) => Partial<KeyEnvelope>): KeyOffer =>
    bent(({ envelopes: [pin, accountData] }) => ({
      envelopes: [{ ...pin!, ...bend(pin!, accountData!) }, accountData!],
    }));

  test('fills registers that prove both keys to the vault', () => {
    const offer = offerOf(transport);
    const { keys, checkValues, injectionId, transport: by } = opened(offer);
    expect([injectionId, by]).toEqual([offer.injectionId, transport]);
    expect(keys.pin.initialKeyId.toBytes()).toEqual(phone.pin.initialKeyId);
    expect(checkValues).toEqual(
      offer.envelopes.map(({ keyCheckValue }) => keyCheckValue.toString('hex').toUpperCase()),
    );
    const payload = payloadOf(offer);
    const proof = {
      pinInitialKeyId: phone.pin.initialKeyId,
      accountDataInitialKeyId: phone.accountData.initialKeyId,
      offer: payload,
      pinCmac: proofOf(keys.pin, payload),
      accountDataCmac: proofOf(keys.accountData, payload),
    };
    expect(verifyKeyProof(proof, vault.keys)).toEqual({ ok: true, value: { valid: true } });
  });

  test.each<[string, Partial<Parameters<typeof openOffer>[1]>]>([
    ['another phone', { deviceId: 'device-2' }],
    ['payments to another acquirer', { acquirer: 'acquirer-b' }],
    ['another session', { sessionKeyThumbprint: 'A'.repeat(43) }],
    ['another exchange', { nonce: Buffer.alloc(32, 1) }],
    ['transport keys of another exchange', { transportKeys: [] }],
    ['a time that has passed', { now: new Date(now.getTime() + 60_000) }],
  ])('for %s is refused', (_what, over) => {
    expect(() => opened(offerOf(transport), over)).toThrow('refused by the phone');
  });

  test.each<[string, () => KeyOffer]>([
    ['without an end', () => bent(() => ({ expiresAt: undefined }))],
    ['without envelopes', () => bent(() => ({ envelopes: [] }))],
    ['with one envelope', () => bent(({ envelopes }) => ({ envelopes: envelopes.slice(0, 1) }))],
    ['with a third envelope', () => bent(({ envelopes }) => ({ envelopes: [...envelopes, envelopes[0]!] }))],
    ['with one domain twice', () => bent(({ envelopes: [pin] }) => ({ envelopes: [pin!, pin!] }))],
    ['with a domain of none', () => withPin(() => ({ domain: KeyDomain.UNSPECIFIED }))],
    ['with another check value', () => withPin(() => ({ keyCheckValue: Buffer.alloc(5) }))],
    ['with no check value', () => withPin(() => ({ keyCheckValue: Buffer.alloc(0) }))],
    ['with no identifier', () => withPin(() => ({ initialKeyId: Buffer.alloc(0) }))],
    ['with no key', () => withPin(() => ({ keyBlock: '', secureKeyWrapper: Buffer.alloc(0) }))],
    [
      'with the key of the other domain',
      () => withPin((_pin, { keyBlock, secureKeyWrapper }) => ({ keyBlock, secureKeyWrapper })),
    ],
    [
      'with the key of another phone',
      () => {
        const [theirs] = offerOf(transport, testPhone(vault), keyOf(transport)).envelopes;
        return withPin(() => ({ keyBlock: theirs!.keyBlock, keyCheckValue: Buffer.alloc(5) }));
      },
    ],
    [
      'by another transport than its key is for',
      () => bent(() => ({ transport: transportToWire(transport === 'rsa' ? 'key-agreement' : 'rsa') })),
    ],
    [
      'sealed for another key',
      () => {
        const other = makeTransportKey(keymint, [transport], Buffer.alloc(32), 2048);
        const transportKeyHash = sha256(keyOf(transport).key.publicKey);
        return { ...offerOf(transport, phone, other), transportKeyHash };
      },
    ],
  ])('%s is refused', (_what, offer) => {
    expect(() => opened(offer())).toThrow('refused by the phone');
  });
});

describe.each(['key-agreement', 'rsa'] as const)('a key block by %s', (transport) => {
  test('that names another initial key than its envelope is refused', () => {
    const offer = offerOf(transport);
    const [pin, accountData] = offer.envelopes;
    const initialKeyId = Buffer.from(pin!.initialKeyId);
    initialKeyId.writeUInt8(initialKeyId.readUInt8(7) ^ 1, 7);
    const changed = { ...offer, envelopes: [{ ...pin!, initialKeyId }, accountData!] };
    expect(() => opened(changed)).toThrow('another key than an initial key of that id');
  });
});

describe('what is no offer', () => {
  test.each([Buffer.alloc(0), Buffer.alloc(40, 0xff)])('is refused', (payload) => {
    const expected = {
      deviceId: 'device-1',
      acquirer: null,
      sessionKeyThumbprint: phone.thumbprint,
      nonce,
      transportKeys: [],
      now,
    };
    expect(() => openOffer(payload, expected)).toThrow('refused by the phone');
  });
});

describe('a phone with Keymaster', () => {
  test('makes a key for the first transport that it can do, and none where it can do none', () => {
    const old = createVirtualFactory({ now: () => now }).provision(honestProfiles(now)['old-keymaster']);
    expect(makeTransportKey(old, TRANSPORTS, Buffer.alloc(32), 2048).transport).toBe('rsa');
    expect(() => makeTransportKey(old, ['key-agreement'], Buffer.alloc(32), 2048)).toThrow('no purpose agree');
    expect(() => makeTransportKey(old, [], Buffer.alloc(32), 2048)).toThrow('no transport');
  });
});
