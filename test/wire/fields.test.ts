import { describe, expect, test } from '@jest/globals';
import { KeyConfirmation, KeyRequest } from '../../src/gen/tapgate/v1/key_injection_service.ts';
import { KeyDomain, KeyTransport } from '../../src/gen/tapgate/v1/key_transport.ts';
import { PinBlock, PinEntryRequest, PinGrant } from '../../src/gen/tapgate/v1/pin_entry_service.ts';
import { Posture, PostureReport } from '../../src/gen/tapgate/v1/posture.ts';
import { BeginTransaction } from '../../src/gen/tapgate/v1/session_service.ts';
import {
  CardholderVerification,
  PaymentIntent,
  TransactionGrant,
  type TransactionTerms,
  TransactionType,
} from '../../src/gen/tapgate/v1/transaction.ts';
import {
  decodeKeyConfirmation,
  decodeKeyRequest,
  transportFromWire,
  transportToWire,
} from '../../src/wire/injection.ts';
import { decodePinBlock, decodePinEntryRequest, decodePinGrant } from '../../src/wire/pin.ts';
import { decodePosture, decodePostureReport } from '../../src/wire/posture.ts';
import { decodeBeginTransaction } from '../../src/wire/session.ts';
import { signedFromWire, signedToWire } from '../../src/wire/signed.ts';
import { decodeGrant, decodeIntent } from '../../src/wire/transaction.ts';
import { START } from '../support/clock.ts';
import { unwrap } from '../support/unwrap.ts';

const bytes = (length: number): Buffer => Buffer.alloc(length, 0x5a);
const TERMS: TransactionTerms = {
  type: TransactionType.SALE,
  amountMinor: 1250n,
  currency: 978,
  merchant: 'shop-1',
  order: 'order-1',
};
const ACCOUNT_DATA = { ksn: bytes(12), initializationVector: bytes(12), ciphertext: bytes(17) };
const CLEAN = Posture.create({ foreground: true, windowFocused: true });
const CLAIMED = CardholderVerification;

/** A message, how it is read, and what refuses it: the changed fields, and the name that the refusal gives. */
interface Case<T> {
  readonly codec: { encode(message: T): { finish(): Uint8Array } };
  readonly good: T;
  readonly read: (signed: { payload: Uint8Array; signature: Uint8Array; keyId: string }) => {
    readonly ok: boolean;
    readonly reason?: string;
    readonly detail?: string;
  };
  readonly bad: readonly [string, Partial<T>, string][];
}

function fieldsOf<T extends object>(what: string, { codec, good, read, bad }: Case<T>): void {
  const readMessage = (message: T) =>
    read({ payload: codec.encode(message).finish(), signature: bytes(70), keyId: '' });
  describe(what, () => {
    test('is read', () => expect(readMessage(good)).toMatchObject({ ok: true }));

    test.each(bad)('is refused with %s, and the field is named', (_name, change, field) => {
      const refused = readMessage({ ...good, ...change });
      expect(refused).toMatchObject({ ok: false, reason: 'MALFORMED_MESSAGE', detail: expect.stringContaining(field) });
    });
  });
}

const badTerms: readonly [string, { terms?: TransactionTerms | undefined }, string][] = [
  ['no terms', { terms: undefined }, 'terms'],
  ['no type', { terms: { ...TERMS, type: TransactionType.UNSPECIFIED } }, 'terms.type'],
  ['no order', { terms: { ...TERMS, order: '' } }, 'terms.order'],
  ['an order of 65 characters', { terms: { ...TERMS, order: 'x'.repeat(65) } }, 'terms.order'],
  ['an order that no database keeps', { terms: { ...TERMS, order: 'a\0b' } }, 'terms.order'],
  ['no merchant', { terms: { ...TERMS, merchant: '' } }, 'terms.merchant'],
  ['a merchant of 65 characters', { terms: { ...TERMS, merchant: 'x'.repeat(65) } }, 'terms.merchant'],
  ['a merchant that no database keeps', { terms: { ...TERMS, merchant: 'shop\0' } }, 'terms.merchant'],
  ['a merchant of two lines', { terms: { ...TERMS, merchant: 'shop\n1' } }, 'terms.merchant'],
  ['less than nothing', { terms: { ...TERMS, amountMinor: -1n } }, 'terms.amount_minor'],
  ['more than a card can state', { terms: { ...TERMS, amountMinor: 1_000_000_000_000n } }, 'terms.amount_minor'],
];

const badAccountData: readonly [string, { accountData?: typeof ACCOUNT_DATA | undefined }, string][] = [
  ['no account data', { accountData: undefined }, 'account_data'],
  ['a KSN of 13 bytes', { accountData: { ...ACCOUNT_DATA, ksn: bytes(13) } }, 'account_data.ksn'],
  ['an IV of 16 bytes', { accountData: { ...ACCOUNT_DATA, initializationVector: bytes(16) } }, 'initialization_vector'],
  ['a tag without a ciphertext', { accountData: { ...ACCOUNT_DATA, ciphertext: bytes(16) } }, 'ciphertext'],
  ['a ciphertext of 513 bytes', { accountData: { ...ACCOUNT_DATA, ciphertext: bytes(513) } }, 'ciphertext'],
];

fieldsOf('the beginning of a transaction', {
  codec: BeginTransaction,
  good: BeginTransaction.create({ nonce: bytes(16), terms: TERMS, pinKsn: bytes(12), accountDataKsn: bytes(12) }),
  read: decodeBeginTransaction,
  bad: [
    ['a nonce of 15 bytes', { nonce: bytes(15) }, 'nonce'],
    ['no PIN counter', { pinKsn: bytes(8) }, 'pin_ksn'],
    ['no account data counter', { accountDataKsn: bytes(0) }, 'account_data_ksn'],
    ...badTerms,
  ],
});

fieldsOf('a grant', {
  codec: TransactionGrant,
  good: TransactionGrant.create({
    nonce: bytes(16),
    terms: TERMS,
    pinKsn: bytes(12),
    accountDataKsn: bytes(12),
    expectedVerification: CLAIMED.NONE,
    issuedAt: START,
    expiresAt: START,
  }),
  read: ({ payload }) => decodeGrant(payload),
  bad: [
    ['a PIN counter of 11 bytes', { pinKsn: bytes(11) }, 'pin_ksn'],
    ['an account data counter of 13 bytes', { accountDataKsn: bytes(13) }, 'account_data_ksn'],
    ['no verification', { expectedVerification: CLAIMED.UNSPECIFIED }, 'expected_verification'],
    ['no beginning', { issuedAt: undefined }, 'issued_at'],
    ['no end', { expiresAt: undefined }, 'expires_at'],
    ['an identifier that no database keeps', { grantId: 'a\0' }, 'grant_id'],
    ['a device that no database keeps', { deviceId: 'a\0' }, 'device_id'],
    ['a session that no database keeps', { sessionKeyThumbprint: 'a\0' }, 'session_key_thumbprint'],
    ['an acquirer that no database keeps', { acquirer: 'a\0' }, 'acquirer'],
    ['a policy version that no database keeps', { policyVersion: 'a\0' }, 'policy_version'],
    ...badTerms,
  ],
});

fieldsOf('an intent', {
  codec: PaymentIntent,
  good: PaymentIntent.create({
    terms: TERMS,
    accountData: ACCOUNT_DATA,
    claimedVerification: CLAIMED.ONLINE_PIN,
    pinKsn: bytes(12),
    pinBlockHash: bytes(32),
  }),
  read: ({ payload }) => decodeIntent(payload),
  bad: [
    ['no verification', { claimedVerification: CLAIMED.UNSPECIFIED }, 'claimed_verification'],
    ['a PIN block and no PIN', { claimedVerification: CLAIMED.NONE }, 'claimed_verification'],
    ['a PIN block without its counter', { pinKsn: bytes(0) }, 'pin_ksn'],
    ['a counter without its PIN block', { pinBlockHash: bytes(0) }, 'pin_block_hash'],
    ['a hash of 20 bytes', { pinBlockHash: bytes(20) }, 'pin_block_hash'],
    ['an acquirer that no database keeps', { acquirer: 'a\0' }, 'acquirer'],
    ['an acquirer of 129 characters', { acquirer: 'x'.repeat(129) }, 'acquirer'],
    ['a session that no database keeps', { sessionKeyThumbprint: 'a\0' }, 'session_key_thumbprint'],
    ['a grant that no database keeps', { grantId: 'a\0' }, 'grant_id'],
    ...badTerms,
    ...badAccountData,
  ],
});

fieldsOf('the beginning of PIN entry', {
  codec: PinEntryRequest,
  good: PinEntryRequest.create({ grantId: 'grant', accountData: ACCOUNT_DATA, posture: CLEAN }),
  read: decodePinEntryRequest,
  bad: [['no posture', { posture: undefined }, 'posture'], ...badAccountData],
});

fieldsOf('a PIN grant', {
  codec: PinGrant,
  good: PinGrant.create({ layout: '0123456789', expiresAt: START }),
  read: ({ payload }) => decodePinGrant(payload),
  bad: [
    ['no end', { expiresAt: undefined }, 'expires_at'],
    ['a pad without the nine', { layout: '012345678' }, 'layout'],
    ['a digit twice', { layout: '0123456788' }, 'layout'],
    ['a letter', { layout: '012345678a' }, 'layout'],
  ],
});

fieldsOf('a PIN block', {
  codec: PinBlock,
  good: PinBlock.create({ pinKsn: bytes(12), block: bytes(16), accountDataHash: bytes(32) }),
  read: decodePinBlock,
  bad: [
    ['a counter of 10 bytes', { pinKsn: bytes(10) }, 'pin_ksn'],
    ['a block of 15 bytes', { block: bytes(15) }, 'block'],
    ['a hash of 31 bytes', { accountDataHash: bytes(31) }, 'account_data_hash'],
  ],
});

fieldsOf('a posture report', {
  codec: PostureReport,
  good: PostureReport.create({ nonce: bytes(16), posture: CLEAN }),
  read: decodePostureReport,
  bad: [
    ['a nonce of 17 bytes', { nonce: bytes(17) }, 'nonce'],
    ['no posture', { posture: undefined }, 'posture'],
  ],
});

const transportKey = (transport: KeyTransport, certificates = 1) => ({
  transport,
  chain: Array.from({ length: certificates }, () => bytes(9)),
});

fieldsOf('a key request', {
  codec: KeyRequest,
  good: KeyRequest.create({
    nonce: bytes(32),
    transport: KeyTransport.KEY_AGREEMENT,
    transportKeyChain: [bytes(9)],
    alternatives: [transportKey(KeyTransport.SECURE_IMPORT), transportKey(KeyTransport.RSA)],
  }),
  read: decodeKeyRequest,
  bad: [
    ['a nonce of 16 bytes', { nonce: bytes(16) }, 'nonce'],
    ['no chain', { transportKeyChain: [] }, 'transport_key_chain'],
    [
      'a chain of 17 certificates',
      { transportKeyChain: Array.from({ length: 17 }, () => bytes(9)) },
      'transport_key_chain',
    ],
    ['an alternative without a chain', { alternatives: [transportKey(KeyTransport.RSA, 0)] }, 'transport_key_chain'],
    [
      'an alternative with a chain of 17 certificates',
      { alternatives: [transportKey(KeyTransport.RSA, 17)] },
      'transport_key_chain',
    ],
    ['a transport twice', { alternatives: [transportKey(KeyTransport.KEY_AGREEMENT)] }, 'alternatives'],
    [
      'a transport twice among the alternatives',
      { alternatives: [transportKey(KeyTransport.RSA), transportKey(KeyTransport.RSA)] },
      'alternatives',
    ],
    [
      'more alternatives than there are transports',
      { alternatives: Array.from({ length: 5 }, () => transportKey(KeyTransport.UNSPECIFIED)) },
      'alternatives',
    ],
  ],
});

describe('a key request by an app that is newer than this service', () => {
  const unknown = 9 as KeyTransport;
  const read = (transport: KeyTransport, others: readonly KeyTransport[]) => {
    const request = KeyRequest.create({
      nonce: bytes(32),
      transport,
      transportKeyChain: [bytes(9)],
      alternatives: others.map((other) => transportKey(other)),
    });
    const payload = Buffer.from(KeyRequest.encode(request).finish());
    return decodeKeyRequest({ payload, signature: bytes(70), keyId: '' });
  };

  test('is read for the transports that this service knows', () => {
    const { transportKeys } = unwrap(read(unknown, [KeyTransport.RSA]));
    expect(transportKeys.map(({ transport }) => transport)).toEqual(['rsa']);
  });

  test('is refused where it knows none of them', () => {
    expect(read(unknown, [KeyTransport.UNSPECIFIED])).toEqual({ ok: false, reason: 'TRANSPORT_NOT_SUPPORTED' });
  });
});

const proof = (domain: KeyDomain, length = 16) => ({ domain, cmac: bytes(length) });
const PROOFS = [proof(KeyDomain.PIN), proof(KeyDomain.ACCOUNT_DATA)];

fieldsOf('a key confirmation', {
  codec: KeyConfirmation,
  good: KeyConfirmation.create({ injectionId: 'id', proofs: PROOFS }),
  read: decodeKeyConfirmation,
  bad: [
    ['one proof', { proofs: PROOFS.slice(1) }, 'proofs'],
    ['two proofs of one domain', { proofs: [PROOFS[0]!, PROOFS[0]!] }, 'proofs'],
    ['three proofs', { proofs: [...PROOFS, PROOFS[0]!] }, 'proofs'],
    ['a proof cut short', { proofs: [proof(KeyDomain.PIN, 8), PROOFS[1]!] }, 'proofs.cmac'],
    ['a proof of no domain', { proofs: [PROOFS[0]!, proof(KeyDomain.UNSPECIFIED)] }, 'proofs'],
  ],
});

describe('a posture of which nothing is sent', () => {
  test('counts as in the background and without focus', () => {
    expect(unwrap(decodePosture(Buffer.alloc(0)))).toEqual(new Set(['background', 'focus-lost']));
  });
});

describe('a key transport', () => {
  test('has one wire form; what this service does not know is none', () => {
    const known = ['key-agreement', 'rsa', 'secure-import'] as const;
    expect(known.map((name) => transportFromWire(transportToWire(name)))).toEqual(known);
    const others = [KeyTransport.UNSPECIFIED, KeyTransport.UNRECOGNIZED, 9 as KeyTransport];
    expect(others.map(transportFromWire)).toEqual(others.map(() => null));
  });
});

describe('a signed message', () => {
  const message = { payload: bytes(3), signature: bytes(70), keyId: 'k1' };

  test('is read as it was written', () => {
    expect(unwrap(signedFromWire(signedToWire(message), 'intent'))).toEqual(message);
  });

  test.each([
    ['no message', undefined],
    ['no payload', { ...message, payload: bytes(0) }],
    ['no signature', { ...message, signature: bytes(0) }],
  ])('is refused with %s, and the field is named', (_what, sent) => {
    expect(signedFromWire(sent, 'intent')).toEqual({ ok: false, reason: 'MALFORMED_MESSAGE', detail: 'intent' });
  });
});
