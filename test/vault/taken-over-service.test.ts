import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { accountDataHash, grantHash, tapHash } from '../../src/encoding/contexts.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { p256Thumbprint } from '../../src/encoding/p256.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import type { PaymentIntent } from '../../src/gate/intent.ts';
import { KeyTransport } from '../../src/gen/tapgate/v1/key_transport.ts';
import type { SignedMessage } from '../../src/gen/tapgate/v1/signed.ts';
import type {
  AuthorizePaymentCall,
  ExchangeRequest,
  ExchangeResponse,
  OfferKeysCall,
} from '../../src/gen/tapgate/vault/v1/vault_service.ts';
import { decipherFormat4 } from '../../src/payment-crypto/pin-block/format4.ts';
import { Pan } from '../../src/payment-crypto/pin-block/pan.ts';
import type { EncryptedAccountData } from '../../src/pin/vault.ts';
import { randomUuid } from '../../src/ports/random.ts';
import type { TransactionGrant } from '../../src/sessions/transaction.ts';
import { dispatch } from '../../src/vault/dispatch.ts';
import { openGcm } from '../../src/vault/gcm.ts';
import { Custodian } from '../../src/vault/keystore/custodian.ts';
import { initialise } from '../../src/vault/keystore/initialise.ts';
import { encodePinGrant } from '../../src/wire/pin.ts';
import { accountDataToWire, encodeGrant, encodeIntent } from '../../src/wire/transaction.ts';
import {
  ACQUIRER,
  type AcquirerZone,
  clock,
  NOW,
  openZone,
  random,
  temporaryFolder,
  unwrap,
} from './support/keystore.ts';
import { testGrant } from './support/payment.ts';
import {
  CARD_TLV,
  derivedKeys,
  encipherPin,
  encryptAccountData,
  PAN,
  PIN,
  signed,
  type TestPhone,
} from './support/phone.ts';
import { testPinGrant } from './support/pin-check.ts';

// Whoever holds the service holds the vault's socket: he may call every operation with whatever is well formed. He has
// recorded what an honest phone of one acquirer sent, has the keys of his own phones, and is, or works for, another acquirer.

const RIVAL = 'acquirer-b';
const EMV_DATA = Buffer.from('8407a00000000310109f2701809f360200019f37045a5a5a5a', 'hex');
const HONEST_PIN = `PIN ${Buffer.from([...PIN].map(Number)).toString('hex')}`;
const OWN_PAN = '4111111111111111';
const OWN_CARD = Buffer.from(`5A08${OWN_PAN}5F24032912315F340101`, 'hex');

/** Grants that an intruder has signed in the vault, and what he sends with them. */
interface Injected {
  readonly phone: TestPhone;
  readonly deviceId: string;
  readonly binding: Buffer;
}

const folder = temporaryFolder();
let custodian: Custodian;
let zones: Record<'honest' | 'rival', AcquirerZone>;
let honest: Injected;
let own: Injected;
/** What went over the wire when the honest phone paid. */
let recorded: {
  readonly grant: TransactionGrant;
  readonly signedGrant: SignedMessage;
  readonly accountData: EncryptedAccountData;
  readonly block: Buffer;
  readonly intent: SignedMessage;
};

type Call = NonNullable<ExchangeRequest['call']>;
type Answer = NonNullable<ExchangeResponse['answer']>;
const ask = (call: Call): Answer | undefined =>
  dispatch({ id: 1n, call }, custodian, { random, clock }, () => undefined).answer;
const signedOrNull = (answer: Answer | undefined): SignedMessage | null =>
  answer?.$case === 'signed' ? answer.value : null;
const refusal = (answer: Answer | undefined): string => (answer?.$case === 'refused' ? answer.value : 'answered');

function sessionOf(): { readonly key: KeyObject; readonly publicKey: Buffer; readonly thumbprint: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return { key: privateKey, publicKey: spki, thumbprint: p256Thumbprint(spki) ?? '' };
}

/** Has the vault offer keys to a phone; an intruder opens the offer of his own one with its transport key. */
function offer(phone: TestPhone, deviceId: string, acquirer: string): Answer | undefined {
  const value: OfferKeysCall = {
    injectionId: randomUuid(random),
    deviceId,
    acquirer,
    sessionKeyThumbprint: phone.thumbprint,
    transport: KeyTransport.KEY_AGREEMENT,
    transportPublicKey: phone.sessionPublicKey,
    nonce: random.bytes(32),
    pinInitialKeyId: phone.pin.initialKeyId,
    accountDataInitialKeyId: phone.accountData.initialKeyId,
    expiresAt: BigInt(NOW.getTime() + 60_000),
  };
  return ask({ $case: 'offerKeys', value });
}

function inject(derivationId: number, acquirer: string): Injected {
  const { key, publicKey, thumbprint } = sessionOf();
  const { keys } = custodian;
  const phone: TestPhone = {
    sessionKey: key,
    sessionPublicKey: publicKey,
    thumbprint,
    pin: derivedKeys(keys.pinBdk, derivationId),
    accountData: derivedKeys(keys.accountDataBdk, derivationId + 64),
  };
  const deviceId = randomUuid(random);
  const answer = offer(phone, deviceId, acquirer);
  if (answer?.$case !== 'offerKeys') throw new Error(refusal(answer));
  return { phone, deviceId, binding: answer.value.keyBinding };
}

const grantOf = ({ phone, deviceId }: Injected, over: Partial<TransactionGrant> = {}): TransactionGrant => ({
  ...testGrant(phone),
  deviceId,
  ...over,
});
const signGrant = (grant: TransactionGrant, keyBinding: Buffer, parent?: SignedMessage): Answer | undefined =>
  ask({ $case: 'signGrant', value: { payload: encodeGrant(grant), keyBinding, parent } });

function intentOf(grant: TransactionGrant, accountData: EncryptedAccountData, block: Buffer | null): PaymentIntent {
  return {
    acquirer: grant.acquirer,
    thumbprint: grant.thumbprint,
    grantId: grant.id,
    terms: grant.terms,
    emvData: EMV_DATA,
    accountData,
    claimedVerification: block === null ? 'none' : 'online-pin',
    pin: block === null ? null : { ksn: grant.pinKsn, blockHash: sha256(block) },
  };
}

/** What an acquirer can read of an answer; every key of every zone is tried. */
function readByAcquirers(answer: Answer | undefined, intent: SignedMessage): string[] {
  if (answer?.$case !== 'authorizePayment') return [];
  const { zoneDataInitializationVector: iv, zoneDataCiphertext, zonePinBlock } = answer.value;
  const read: string[] = [];
  for (const { pin, data } of Object.values(zones)) {
    const clear = openGcm(data, iv, sha256(intent.payload), zoneDataCiphertext);
    if (clear !== null) read.push(clear.use((bytes) => Buffer.from(bytes).toString('hex').toUpperCase()));
    for (const number of zonePinBlock.length === 0 ? [] : [PAN, OWN_PAN]) {
      const opened = decipherFormat4(pin, zonePinBlock, unwrap(Pan.parse(Buffer.from(number))));
      if (opened.ok) read.push(opened.value.use((digits) => `PIN ${Buffer.from(digits).toString('hex')}`));
    }
  }
  return read;
}

beforeAll(() => {
  const directory = join(folder.path, 'keys');
  unwrap(initialise(directory, { random, clock }));
  zones = { honest: openZone(directory, ACQUIRER), rival: openZone(directory, RIVAL) };
  custodian = unwrap(Custodian.open(directory, { random, clock }));
  honest = inject(0x100, ACQUIRER);
  own = inject(0x1000, RIVAL);
  const grant = grantOf(honest);
  const signedGrant = signedOrNull(signGrant(grant, honest.binding));
  if (signedGrant === null) throw new Error('the honest grant');
  const accountData = encryptAccountData(honest.phone, grantHash(signedGrant.payload), 7);
  const block = encipherPin(honest.phone, 7);
  const payload = encodeIntent(intentOf(grant, accountData, block));
  const intent = signed(CONTEXT.paymentIntent, payload, honest.phone.sessionKey);
  recorded = { grant, signedGrant, accountData, block, intent };
});
afterAll(() => folder.remove());

const pay = (value: Omit<AuthorizePaymentCall, 'receiptClaims'>): Answer | undefined =>
  ask({ $case: 'authorizePayment', value: { ...value, receiptClaims: '' } });

/** Every combination of the values of each member. */
function* combinations<T extends object>(members: { readonly [K in keyof T]: readonly T[K][] }): Generator<T> {
  const names = Object.keys(members) as (keyof T)[];
  const sizes = names.map((name) => members[name].length);
  const all = sizes.reduce((product, size) => product * size, 1);
  for (let number = 0; number < all; number += 1) {
    let rest = number;
    const chosen: Partial<T> = {};
    names.forEach((name, at) => {
      const size = sizes[at] ?? 1;
      chosen[name] = members[name][rest % size]!;
      rest = Math.floor(rest / size);
    });
    yield chosen as T;
  }
}

/** Every grant that the intruder gets signed out of what he has, and how often he was refused. */
function everyGrant(): { readonly grants: [TransactionGrant, SignedMessage][]; readonly refused: Map<string, number> } {
  const { accountData, grant, signedGrant } = recorded;
  const { ksn, initializationVector, ciphertext } = accountData;
  const hash = tapHash(EMV_DATA, ksn, initializationVector, ciphertext);
  const rootHash = grantHash(signedGrant.payload);
  const sameTap = { parentId: grant.id, rootId: grant.id, rootHash, hash, attempt: 2 };
  const grants: [TransactionGrant, SignedMessage][] = [];
  const refused = new Map<string, number>();
  const tries = combinations<
    Pick<
      TransactionGrant,
      'id' | 'acquirer' | 'thumbprint' | 'deviceId' | 'pinKsn' | 'accountDataKsn' | 'terms' | 'sameTap'
    > & { readonly binding: Buffer; readonly parent: SignedMessage | undefined }
  >({
    id: [grant.id, randomUuid(random)],
    acquirer: [ACQUIRER, RIVAL],
    thumbprint: [honest.phone.thumbprint, own.phone.thumbprint],
    deviceId: [honest.deviceId, own.deviceId],
    pinKsn: [honest.phone.pin.ksn(7), honest.phone.pin.ksn(8), own.phone.pin.ksn(7)],
    accountDataKsn: [honest.phone.accountData.ksn(7), own.phone.accountData.ksn(7)],
    terms: [grant.terms, { ...grant.terms, amountMinor: 1n }],
    sameTap: [null, sameTap],
    binding: [honest.binding, own.binding],
    parent: [undefined, signedGrant],
  });
  for (const { binding, parent, ...over } of tries) {
    const wanted = { ...grant, ...over };
    const answer = signGrant(wanted, binding, parent);
    const message = signedOrNull(answer);
    if (message !== null) grants.push([wanted, message]);
    else refused.set(refusal(answer), (refused.get(refusal(answer)) ?? 0) + 1);
  }
  return { grants, refused };
}

test('the honest payment is read by its acquirer, and by it alone', () => {
  const { signedGrant, intent, block } = recorded;
  const answer = pay({ intent, sessionPublicKey: honest.phone.sessionPublicKey, grant: signedGrant, pinBlock: block });
  expect(readByAcquirers(answer, intent)).toEqual([CARD_TLV.toString('hex').toUpperCase(), HONEST_PIN]);
});

describe('an intruder who holds the service', () => {
  test('gets no grant that joins two injections, or names another acquirer or device than theirs', () => {
    const { grants, refused } = everyGrant();
    expect(grants.length).toBeGreaterThan(0);
    for (const [grant] of grants) {
      const [whose, acquirer] = grant.deviceId === honest.deviceId ? [honest, ACQUIRER] : [own, RIVAL];
      expect(grant.acquirer).toBe(acquirer);
      expect(grant.pinKsn.subarray(0, 8)).toEqual(whose.phone.pin.initialKeyId);
      expect(grant.accountDataKsn.subarray(0, 8)).toEqual(whose.phone.accountData.initialKeyId);
      if (grant.sameTap === null) continue;
      expect([grant.thumbprint, grant.terms]).toEqual([honest.phone.thumbprint, recorded.grant.terms]);
    }
    expect([...refused.keys()].toSorted()).toEqual(['KEYS_NOT_BOUND', 'MALFORMED_MESSAGE', 'REPEAT_NOT_ALLOWED']);
  });

  test("has the honest phone's card and PIN translated by nothing but the payment that it signed", () => {
    const { accountData, block, intent: theirs } = recorded;
    let translated = 0;
    for (const [grant, message] of everyGrant().grants) {
      const ownData = [grantHash(message.payload), grantHash(recorded.signedGrant.payload)].map((boundTo) =>
        encryptAccountData(own.phone, boundTo, 7, OWN_CARD),
      );
      const knownCard = encryptAccountData(own.phone, grantHash(message.payload), 7);
      const blocks = [block, encipherPin(own.phone, 7, PIN.slice(0, 4), OWN_PAN), null];
      for (const data of [accountData, ...ownData, knownCard]) {
        for (const pinBlock of blocks) {
          const payload = encodeIntent(intentOf(grant, data, pinBlock));
          const mine = signed(CONTEXT.paymentIntent, payload, own.phone.sessionKey);
          for (const { intent, sessionPublicKey } of [
            { intent: mine, sessionPublicKey: own.phone.sessionPublicKey },
            { intent: theirs, sessionPublicKey: honest.phone.sessionPublicKey },
            { intent: mine, sessionPublicKey: honest.phone.sessionPublicKey },
          ]) {
            const sent = pinBlock ?? Buffer.alloc(0);
            const answer = pay({ intent, sessionPublicKey, grant: message, pinBlock: sent });
            if (answer?.$case !== 'authorizePayment') continue;
            const asSigned = intent === theirs && message.payload.equals(recorded.signedGrant.payload);
            const read = readByAcquirers(answer, intent);
            if (asSigned) {
              expect(read[0]).toBe(CARD_TLV.toString('hex').toUpperCase());
              continue;
            }
            translated += 1;
            expect(read).not.toContain(HONEST_PIN);
            // The intruder knows this card: he sealed it himself, under his own key.
            if (data !== knownCard) expect(read.join()).not.toContain(PAN);
            expect(grant.deviceId).toBe(own.deviceId);
          }
        }
      }
    }
    // His own card, under his own keys, to his own acquirer: that is a payment like any other.
    expect(translated).toBeGreaterThan(0);
  });

  test('is offered no initial key again, so that it is bound a second time', () => {
    expect(refusal(offer(honest.phone, honest.deviceId, RIVAL))).toBe('DERIVATION_ID_USED');
    const mixed = { ...own.phone, pin: honest.phone.pin };
    expect(refusal(offer(mixed, own.deviceId, RIVAL))).toBe('DERIVATION_ID_USED');
    const fresh = {
      ...own.phone,
      pin: derivedKeys(custodian.keys.pinBdk, 0x1001),
      accountData: honest.phone.accountData,
    };
    expect(refusal(offer(fresh, own.deviceId, RIVAL))).toBe('DERIVATION_ID_USED');
  });

  test('learns nothing of the length of a PIN, whatever bounds it asks for', () => {
    const { signedGrant, grant, accountData } = recorded;
    const { ksn, initializationVector, ciphertext } = accountData;
    const bound = { accountDataHash: accountDataHash(ksn, initializationVector, ciphertext) };
    const heard = new Set<string>();
    for (let length = 4; length <= 12; length += 1) {
      const block = encipherPin(honest.phone, 7, PIN.slice(0, length));
      const answers: string[] = [];
      for (let least = 0; least <= 13; least += 1) {
        for (let most = least; most <= 13; most += 1) {
          const pinGrant = testPinGrant(grant, { ...bound, minimumLength: least, maximumLength: most });
          const asked = ask({
            $case: 'signPinGrant',
            value: { payload: encodePinGrant(pinGrant), grant: signedGrant },
          });
          const message = signedOrNull(asked);
          const value = { block, accountData: accountDataToWire(accountData), grant: signedGrant };
          answers.push(
            message === null
              ? refusal(asked)
              : refusal(ask({ $case: 'checkPinBlock', value: { ...value, pinGrant: message } })),
          );
        }
      }
      expect(answers.filter((answer) => answer === 'answered')).toHaveLength(1);
      heard.add(answers.join());
    }
    expect(heard.size).toBe(1);
  });

  test("asks about the honest phone's PIN block with no card of his own choosing", () => {
    const { block } = recorded;
    for (const [grant, message] of everyGrant().grants) {
      for (const boundTo of [grantHash(message.payload), grantHash(recorded.signedGrant.payload)]) {
        const data = encryptAccountData(own.phone, boundTo, 7);
        const hash = accountDataHash(data.ksn, data.initializationVector, data.ciphertext);
        for (const pinKsn of [grant.pinKsn, honest.phone.pin.ksn(7)]) {
          for (const forGrant of [message, recorded.signedGrant]) {
            const pinGrant = testPinGrant(grant, { accountDataHash: hash, pinKsn });
            const value = { payload: encodePinGrant(pinGrant), grant: forGrant };
            const granted = signedOrNull(ask({ $case: 'signPinGrant', value }));
            if (granted === null) continue;
            for (const under of [message, recorded.signedGrant]) {
              const check = { block, accountData: accountDataToWire(data), pinGrant: granted, grant: under };
              expect(refusal(ask({ $case: 'checkPinBlock', value: check }))).not.toBe('answered');
            }
          }
        }
      }
    }
  });
});
