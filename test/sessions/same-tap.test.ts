import { describe, expect, test } from '@jest/globals';
import { sha256 } from '../../src/encoding/digest.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { outcomeOf, type PaidTap, repeatOf, sameTapOf } from '../../src/sessions/same-tap.ts';
import type { TransactionGrant } from '../../src/sessions/transaction.ts';
import { START } from '../support/clock.ts';

const TERMS = { type: 'sale', amountMinor: 1250n, currency: 978, merchant: 'shop', order: 'o-1' } as const;
const GRANT: TransactionGrant = {
  id: 'parent',
  nonce: Buffer.alloc(16),
  deviceId: 'device-1',
  thumbprint: 'thumbprint',
  acquirer: 'acquirer-a',
  terms: TERMS,
  pinKsn: Buffer.alloc(12),
  accountDataKsn: Buffer.alloc(12),
  sequence: 1n,
  expectedVerification: 'none',
  pinAllowed: true,
  issuedAt: START,
  expiresAt: secondsAfter(START, 120),
  policyVersion: 'policy-1',
  sameTap: null,
};
const POLICY = { pinTries: 3, seconds: 180, pinAllowed: true };
const HASH = Buffer.alloc(32, 7);
const SIGNED = { payload: Buffer.from('a grant'), signature: Buffer.alloc(70), keyId: 'service-1' };
const ROOT_HASH = Buffer.alloc(32, 8);
const PAID: PaidTap = {
  grant: GRANT,
  signed: SIGNED,
  tapHash: HASH,
  reasons: [],
  reported: 'pin-wrong',
  decidedAt: START,
};
const attempt = (count: number): TransactionGrant => {
  return { ...GRANT, sameTap: { parentId: 'p', rootId: 'root', rootHash: ROOT_HASH, hash: HASH, attempt: count } };
};

describe('a tap may be paid again', () => {
  test.each(['pin-required', 'pin-wrong', 'pin-lost'] as const)('where the outcome is %s', (outcome) => {
    expect(repeatOf(outcome, PAID, POLICY, START)).toEqual({ triesLeft: 2, until: secondsAfter(START, 180) });
  });

  test.each(['approved', 'declined'] as const)('not where the outcome is %s', (outcome) => {
    expect(repeatOf(outcome, PAID, POLICY, START)).toBeNull();
  });

  test('while tries are left', () => {
    expect(repeatOf('pin-wrong', { ...PAID, grant: attempt(2) }, POLICY, START)).toMatchObject({ triesLeft: 1 });
    expect(repeatOf('pin-wrong', { ...PAID, grant: attempt(3) }, POLICY, START)).toBeNull();
    expect(repeatOf('pin-wrong', PAID, { ...POLICY, pinTries: 1 }, START)).toBeNull();
  });

  test('until its time is over', () => {
    expect(repeatOf('pin-wrong', PAID, POLICY, secondsAfter(START, 179.999))).not.toBeNull();
    expect(repeatOf('pin-wrong', PAID, POLICY, secondsAfter(START, 180))).toBeNull();
  });

  test('not where a PIN is not allowed, by policy now or by the grant', () => {
    expect(repeatOf('pin-wrong', PAID, { ...POLICY, pinAllowed: false }, START)).toBeNull();
    expect(repeatOf('pin-wrong', { ...PAID, grant: { ...GRANT, pinAllowed: false } }, POLICY, START)).toBeNull();
  });
});

test('a PIN that the gate itself found lost needs no report; a report goes before it', () => {
  expect(outcomeOf({ reported: null, reasons: [] })).toBeNull();
  expect(outcomeOf({ reported: null, reasons: ['GRANT_EXPIRED'] })).toBeNull();
  expect(outcomeOf({ reported: null, reasons: ['PIN_LOST'] })).toBe('pin-lost');
  expect(outcomeOf({ reported: 'declined', reasons: ['PIN_LOST'] })).toBe('declined');
});

describe('the tap that is paid again', () => {
  test('names its parent, its root and what was tapped', () => {
    const value = { parentId: 'parent', rootId: 'parent', rootHash: sha256(SIGNED.payload), hash: HASH, attempt: 2 };
    expect(sameTapOf(PAID, TERMS, POLICY, START)).toEqual({ ok: true, value });
    const third = { parentId: 'parent', rootId: 'root', rootHash: ROOT_HASH, hash: HASH, attempt: 3 };
    expect(sameTapOf({ ...PAID, grant: attempt(2) }, TERMS, POLICY, START)).toEqual({ ok: true, value: third });
  });

  test.each([
    ['no such grant', null, TERMS, 'GRANT_UNKNOWN'],
    ['nothing was reported', { ...PAID, reported: null }, TERMS, 'REPEAT_NOT_ALLOWED'],
    ['the issuer approved', { ...PAID, reported: 'approved' as const }, TERMS, 'REPEAT_NOT_ALLOWED'],
    ['the tap was not kept', { ...PAID, tapHash: null }, TERMS, 'REPEAT_NOT_ALLOWED'],
    ['another amount', PAID, { ...TERMS, amountMinor: 1251n }, 'INTENT_GRANT_MISMATCH'],
    ['another order', PAID, { ...TERMS, order: 'o-2' }, 'INTENT_GRANT_MISMATCH'],
  ] as const)('is refused: %s', (_what, paid, terms, reason) => {
    expect(sameTapOf(paid, terms, POLICY, START)).toMatchObject({ ok: false, reason });
  });
});
