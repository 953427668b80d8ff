import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { POSTURE_SIGNS } from '../../src/devices/posture.ts';
import type { SignedBytes } from '../../src/encoding/signed.ts';
import { isOrderNumber, LARGEST_AMOUNT } from '../../src/sessions/transaction.ts';
import { decodeKeyConfirmation, decodeKeyRequest } from '../../src/wire/injection.ts';
import {
  decodePinBlock,
  decodePinEntryRequest,
  decodePinGrant,
  encodePinBlock,
  encodePinEntryRequest,
  encodePinGrant,
} from '../../src/wire/pin.ts';
import { decodePosture, decodePostureReport, encodePosture, encodePostureReport } from '../../src/wire/posture.ts';
import { decodeBeginTransaction, encodeBeginTransaction } from '../../src/wire/session.ts';
import { decodeGrant, decodeIntent, encodeGrant, encodeIntent } from '../../src/wire/transaction.ts';
import { unwrap } from '../support/unwrap.ts';

const SEED = { seed: 1, numRuns: 150 };

const exactly = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes));
const between = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((bytes) => Buffer.from(bytes));
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 16 }).filter(isOrderNumber);
const posture = fc.subarray([...POSTURE_SIGNS]).map((signs) => new Set(signs));
// Whole milliseconds, as the service's clock gives them.
const instant = fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true });

const terms = fc.record({
  type: fc.constantFrom('sale' as const, 'refund' as const, 'void' as const, 'zero-amount' as const),
  amountMinor: fc.bigInt({ min: 0n, max: LARGEST_AMOUNT }),
  currency: fc.nat(2 ** 31),
  merchant: name,
  order: name,
});
const accountData = fc.record({ ksn: exactly(12), initializationVector: exactly(12), ciphertext: between(17, 512) });
const verification = fc.constantFrom('none' as const, 'online-pin' as const, 'device' as const);

const grant = fc.record({
  id: name,
  nonce: exactly(16),
  deviceId: name,
  thumbprint: name,
  acquirer: name,
  terms,
  pinKsn: exactly(12),
  accountDataKsn: exactly(12),
  sequence: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  expectedVerification: verification,
  pinAllowed: fc.boolean(),
  issuedAt: instant,
  expiresAt: instant,
  policyVersion: name,
  sameTap: fc.option(
    fc.record({
      parentId: fc.uuid(),
      rootId: fc.uuid(),
      rootHash: fc.option(exactly(32)),
      hash: exactly(32),
      attempt: fc.integer({ min: 2, max: 9 }),
    }),
  ),
});
const intentBody = { acquirer: name, thumbprint: name, grantId: name, terms, emvData: between(0, 64), accountData };
const intent = fc.oneof(
  fc.record({ ...intentBody, claimedVerification: verification, pin: fc.constant(null) }),
  fc.record({
    ...intentBody,
    claimedVerification: fc.constant('online-pin' as const),
    pin: fc.record({ ksn: exactly(12), blockHash: exactly(32) }),
  }),
);
const pinGrant = fc.record({
  id: name,
  grantId: name,
  thumbprint: name,
  accountDataHash: exactly(32),
  pinKsn: exactly(12),
  layout: fc.shuffledSubarray([...'0123456789'], { minLength: 10 }).map((digits) => digits.join('')),
  accessibleLayout: fc.constant(false),
  minimumLength: fc.integer({ min: 4, max: 12 }),
  maximumLength: fc.integer({ min: 4, max: 12 }),
  reportIntervalMilliseconds: fc.nat(60_000),
  expiresAt: instant,
  nonce: exactly(16),
});
const pinBlock = fc.record({
  pinGrantId: name,
  grantId: name,
  pinKsn: exactly(12),
  block: exactly(16),
  accountDataHash: exactly(32),
});

const signedOf = (payload: Uint8Array): SignedBytes => ({ payload, signature: Buffer.of(1), keyId: '' });

describe('what one side writes is what the other reads', () => {
  test('a grant', () => {
    fc.assert(
      fc.property(grant, (written) => expect(unwrap(decodeGrant(encodeGrant(written)))).toEqual(written)),
      SEED,
    );
  });

  test('an intent', () => {
    fc.assert(
      fc.property(intent, (written) => expect(unwrap(decodeIntent(encodeIntent(written)))).toEqual(written)),
      SEED,
    );
  });

  test('a PIN grant', () => {
    fc.assert(
      fc.property(pinGrant, (written) => expect(unwrap(decodePinGrant(encodePinGrant(written)))).toEqual(written)),
      SEED,
    );
  });

  test('the beginning of a transaction', () => {
    const request = fc.record({
      nonce: exactly(16),
      terms,
      pinKsn: exactly(12),
      accountDataKsn: exactly(12),
      parentGrantId: fc.option(fc.uuid()),
    });
    fc.assert(
      fc.property(request, (written) => {
        const signed = signedOf(encodeBeginTransaction(written));
        expect(unwrap(decodeBeginTransaction(signed))).toEqual({ ...written, signed });
      }),
      SEED,
    );
  });

  test('the beginning of PIN entry', () => {
    fc.assert(
      fc.property(fc.record({ grantId: name, accountData, posture, accessibleLayout: fc.boolean() }), (written) => {
        const signed = signedOf(encodePinEntryRequest(written));
        expect(unwrap(decodePinEntryRequest(signed))).toEqual({ ...written, signed });
      }),
      SEED,
    );
  });

  test('a PIN block', () => {
    fc.assert(
      fc.property(pinBlock, (written) => {
        const signed = signedOf(encodePinBlock(written));
        expect(unwrap(decodePinBlock(signed))).toEqual({ ...written, signed });
      }),
      SEED,
    );
  });

  test('a posture, alone and in a report', () => {
    fc.assert(
      fc.property(posture, exactly(16), (written, nonce) => {
        expect(unwrap(decodePosture(encodePosture(written)))).toEqual(written);
        const signed = signedOf(encodePostureReport(nonce, written));
        expect(unwrap(decodePostureReport(signed))).toEqual({ nonce, posture: written, signed });
      }),
      SEED,
    );
  });
});

const DECODERS: readonly [string, (bytes: Uint8Array) => { readonly ok: boolean }][] = [
  ['a grant', decodeGrant],
  ['an intent', decodeIntent],
  ['a PIN grant', decodePinGrant],
  ['a posture', decodePosture],
  ['a posture report', (bytes) => decodePostureReport(signedOf(bytes))],
  ['the beginning of a transaction', (bytes) => decodeBeginTransaction(signedOf(bytes))],
  ['the beginning of PIN entry', (bytes) => decodePinEntryRequest(signedOf(bytes))],
  ['a PIN block', (bytes) => decodePinBlock(signedOf(bytes))],
  ['a key request', (bytes) => decodeKeyRequest(signedOf(bytes))],
  ['a key confirmation', (bytes) => decodeKeyConfirmation(signedOf(bytes))],
];

describe.each(DECODERS)('%s of hostile bytes', (_what, decode) => {
  test('is read or refused, and nothing is thrown', () => {
    const [sample] = fc.sample(intent, { seed: 1, numRuns: 1 });
    const good = encodeIntent(sample!);
    const bent = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }).map((changes) => {
      const bytes = Buffer.from(good);
      for (const [at, byte] of changes) bytes[at] = byte;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), bent), (bytes) => {
        expect(typeof decode(bytes).ok).toBe('boolean');
      }),
      { seed: 1, numRuns: 400 },
    );
  });

  test.each<[string, Buffer]>([
    ['groups within groups, 64 KiB of them', Buffer.alloc(65_536, 0x7b)],
    ['a length beyond the end', Buffer.from('0affffffff0f', 'hex')],
    ['a tag that does not end', Buffer.alloc(65_536, 0xff)],
    ['more than 64 KiB', Buffer.alloc(65_537)],
  ])('is refused: %s', (_name, bytes) => {
    expect(decode(bytes)).toMatchObject({ ok: false, reason: 'MALFORMED_MESSAGE' });
  });
});
