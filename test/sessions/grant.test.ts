import { beforeEach, describe, expect, test } from '@jest/globals';
import type { AttestedSession } from '../../src/devices/store.ts';
import { CONTEXT, verifySigned } from '../../src/encoding/signed.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import {
  appraiseTerms,
  type GrantPolicy,
  type GrantPorts,
  issueGrant,
  type TransactionRequest,
} from '../../src/sessions/grant.ts';
import type { CardholderVerification, TransactionTerms } from '../../src/sessions/transaction.ts';
import { decodeGrant } from '../../src/wire/transaction.ts';
import { START, TestClock } from '../support/clock.ts';
import { activateKeySet, type EnrolledPhone, enrolPhone, sessionOf } from '../support/enrolled.ts';
import { SeededRandom } from '../support/random.ts';
import { MemoryStores } from '../support/stores.ts';
import { unwrap } from '../support/unwrap.ts';
import { SigningVault } from '../support/vault.ts';
import { SESSION_POLICY } from './policy.ts';

const POLICY: GrantPolicy = {
  sessions: SESSION_POLICY,
  maximumTransactions: 100,
  transactionsPerAttestation: 1000,
  pinAllowed: true,
  repeat: { pinTries: 3, seconds: 180 },
  version: 'policy-1',
};
const TERMS: TransactionTerms = {
  type: 'sale',
  amountMinor: 1250n,
  currency: 978,
  merchant: 'shop-1',
  order: 'order-1',
};

const SHOP = { merchant: 'shop-1', acquirer: 'acquirer-a' };

describe('terms', () => {
  test.each<[string, Partial<TransactionTerms>, CardholderVerification | Reason]>([
    ['the smallest amount', { amountMinor: 1n }, 'none'],
    ['the largest amount without a PIN', { amountMinor: 5_000n }, 'none'],
    ['the smallest amount with a PIN', { amountMinor: 5_001n }, 'online-pin'],
    ['the largest amount', { amountMinor: 500_000n }, 'online-pin'],
    ['an amount over the limit', { amountMinor: 500_001n }, 'AMOUNT_OVER_LIMIT'],
    ['the largest signed 64-bit amount', { amountMinor: 2n ** 63n - 1n }, 'AMOUNT_OVER_LIMIT'],
    ['a sale of nothing', { amountMinor: 0n }, 'MALFORMED_MESSAGE'],
    ['a negative sale', { amountMinor: -1n }, 'MALFORMED_MESSAGE'],
    ['a zero amount', { type: 'zero-amount', amountMinor: 0n }, 'none'],
    ['a zero amount of something', { type: 'zero-amount', amountMinor: 1n }, 'MALFORMED_MESSAGE'],
    ['a refund', { type: 'refund' }, 'none'],
    ['a refund over the PIN limit', { type: 'refund', amountMinor: 5_001n }, 'online-pin'],
    ['a void of nothing', { type: 'void', amountMinor: 0n }, 'MALFORMED_MESSAGE'],
    ['a currency without a limit', { currency: 840 }, 'CURRENCY_NOT_ALLOWED'],
    ['no currency', { currency: 0 }, 'CURRENCY_NOT_ALLOWED'],
    ['a currency closed by its limit', { currency: 392, amountMinor: 1n }, 'AMOUNT_OVER_LIMIT'],
    [
      'a zero amount in a currency closed by its limit',
      { currency: 392, type: 'zero-amount', amountMinor: 0n },
      'none',
    ],
    ['another merchant', { merchant: 'shop-2' }, 'MERCHANT_MISMATCH'],
    ['a merchant in capitals', { merchant: 'SHOP-1' }, 'MERCHANT_MISMATCH'],
    ['no order', { order: '' }, 'MALFORMED_MESSAGE'],
    ['an order of 64 characters', { order: 'x'.repeat(64) }, 'none'],
    ['an order of 65 characters', { order: 'x'.repeat(65) }, 'MALFORMED_MESSAGE'],
    ['an order in any script', { order: 'Заказ № 12 / 注文' }, 'none'],
    ['an order with NUL, which no SQL text holds', { order: 'order\0' }, 'MALFORMED_MESSAGE'],
    ['an order that breaks the line of a log', { order: 'order\nfake' }, 'MALFORMED_MESSAGE'],
    ['an order with half a character', { order: 'order\ud800' }, 'MALFORMED_MESSAGE'],
  ])('are granted or refused by rule: %s', (_name, over, expected) => {
    const answer = appraiseTerms({ ...TERMS, ...over }, SHOP, SESSION_POLICY, START);
    expect(answer.ok ? answer.value : answer.reason).toBe(expected);
  });

  test.each([
    ['allowed', 5_000n, 'none'],
    ['allowed', 5_001n, 'device'],
    ['refused', 5_001n, 'online-pin'],
  ] as const)(
    'with devices %s in the place of a PIN, expect at %d: %s',
    (deviceVerification, amountMinor, expected) => {
      const currencies = SESSION_POLICY.currencies.map((limits) => ({ ...limits, deviceVerification }));
      const answer = appraiseTerms({ ...TERMS, amountMinor }, SHOP, { ...SESSION_POLICY, currencies }, START);
      expect(answer).toEqual({ ok: true, value: expected });
    },
  );
});

describe('a grant', () => {
  let stores: MemoryStores;
  let vault: SigningVault;
  let phone: EnrolledPhone;
  let session: AttestedSession;
  let keys: Awaited<ReturnType<typeof activateKeySet>>;
  let effects: string[];
  let ports: GrantPorts;

  beforeEach(async () => {
    stores = new MemoryStores();
    vault = new SigningVault();
    phone = await enrolPhone(stores, { merchant: 'shop-1' });
    session = await sessionOf(stores, phone);
    keys = await activateKeySet(stores, phone.deviceId);
    effects = [];
    const told = <A extends unknown[], T>(name: string, act: (...values: A) => Promise<T>) => {
      return (...values: A): Promise<T> => {
        effects.push(name);
        return act(...values);
      };
    };
    ports = {
      clock: new TestClock(),
      random: new SeededRandom('grants'),
      grants: {
        burnCounters: told('burned', stores.grants.burnCounters),
        addGrant: told('kept', stores.grants.addGrant),
        keyWear: stores.grants.keyWear,
        paidTap: stores.grants.paidTap,
        addChildGrant: told('kept', stores.grants.addChildGrant),
      },
      signer: { signGrant: told('signed', (grant) => vault.signGrant(grant)) },
    };
  });

  const ksn = (initialKeyId: Buffer, counter: number): Buffer => {
    const tail = Buffer.alloc(4);
    tail.writeUInt32BE(counter);
    return Buffer.concat([initialKeyId, tail]);
  };

  const request = (over: Partial<TransactionRequest> = {}, counter = 2): TransactionRequest => ({
    nonce: Buffer.alloc(16),
    terms: TERMS,
    pinKsn: ksn(keys.pinInitialKeyId, counter),
    accountDataKsn: ksn(keys.accountDataInitialKeyId, counter),
    parentGrantId: null,
    signed: phone.sessionKey.sign(CONTEXT.beginTransaction, Buffer.from('begin')),
    ...over,
  });

  test('commits to the terms, the counters and the policy, under the signature of the service', async () => {
    const wanted = request();
    const { grant, signed } = unwrap(await issueGrant(session, wanted, POLICY, ports));
    expect(grant).toMatchObject({
      deviceId: phone.deviceId,
      thumbprint: phone.sessionKey.thumbprint,
      acquirer: 'acquirer-a',
      terms: TERMS,
      pinKsn: wanted.pinKsn,
      accountDataKsn: wanted.accountDataKsn,
      sequence: 1n,
      expectedVerification: 'none',
      pinAllowed: true,
      issuedAt: START,
      expiresAt: secondsAfter(START, 120),
      policyVersion: 'policy-1',
      sameTap: null,
    });
    expect(verifySigned(CONTEXT.grant, signed, vault.serviceKey.publicKey)).toBe(true);
    expect(unwrap(decodeGrant(signed.payload))).toEqual(grant);
    expect(await stores.grants.grantOf(grant.id, grant.thumbprint)).toEqual({ grant, signed });
  });

  test('burns the counters before it is signed, and is signed before it is kept', async () => {
    await issueGrant(session, request(), POLICY, ports);
    expect(effects).toEqual(['burned', 'signed', 'kept']);
  });

  test('has a nonce and an id of its own, and the next number of its session', async () => {
    const one = unwrap(await issueGrant(session, request({}, 2), POLICY, ports)).grant;
    const two = unwrap(await issueGrant(session, request({}, 3), POLICY, ports)).grant;
    expect([one.sequence, two.sequence]).toEqual([1n, 2n]);
    expect(one.id).not.toBe(two.id);
    expect(one.nonce.equals(two.nonce)).toBe(false);
  });

  test('is not made where the vault refuses, and its counters stay burned', async () => {
    vault.refuse('signGrant', 'VAULT_UNAVAILABLE');
    expect(await issueGrant(session, request(), POLICY, ports)).toMatchObject({ reason: 'VAULT_UNAVAILABLE' });
    expect(effects).toEqual(['burned', 'signed']);
    vault.recover();
    expect(await issueGrant(session, request(), POLICY, ports)).toMatchObject({ reason: 'COUNTER_NOT_HIGHER' });
    const { grant } = unwrap(await issueGrant(session, request({}, 3), POLICY, ports));
    expect(grant.sequence).toBe(2n);
  });

  test('is not answered where it could not be kept', async () => {
    const lost = new Error('store unavailable');
    const failing = { ...ports, grants: { ...ports.grants, addGrant: () => Promise.reject(lost) } };
    await expect(issueGrant(session, request(), POLICY, failing)).rejects.toBe(lost);
  });

  test('costs no counter where its terms are refused', async () => {
    const over = request({ terms: { ...TERMS, amountMinor: 500_001n } });
    expect(await issueGrant(session, over, POLICY, ports)).toMatchObject({ reason: 'AMOUNT_OVER_LIMIT' });
    expect(effects).toEqual([]);
  });

  test('over the PIN limit is refused where policy allows no PIN; below it says that none is allowed', async () => {
    const noPin = { ...POLICY, pinAllowed: false };
    const above = request({ terms: { ...TERMS, amountMinor: 5_001n } });
    expect(await issueGrant(session, above, noPin, ports)).toMatchObject({ reason: 'PIN_OFF' });
    const { grant } = unwrap(await issueGrant(session, request(), noPin, ports));
    expect(grant).toMatchObject({ pinAllowed: false, expectedVerification: 'none' });
  });

  test('over the PIN limit is refused in a session that forbids a PIN; below it says that none is allowed', async () => {
    const covered = { ...session, pinForbidden: true };
    const above = request({ terms: { ...TERMS, amountMinor: 5_001n } });
    expect(await issueGrant(covered, above, POLICY, ports)).toMatchObject({ reason: 'POSTURE_REFUSED' });
    const { grant } = unwrap(await issueGrant(covered, request(), POLICY, ports));
    expect(grant).toMatchObject({ pinAllowed: false, expectedVerification: 'none' });
  });

  test('is made for exactly one of eight requests for the same counters at once', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => issueGrant(session, request(), POLICY, ports)));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(answers.filter((answer) => !answer.ok && answer.reason === 'COUNTER_NOT_HIGHER')).toHaveLength(7);
  });

  test.each<[string, () => Promise<unknown>, Reason]>([
    ['of a revoked device', () => stores.revoke(phone.deviceId), 'SESSION_UNKNOWN'],
    ['under keys that newer ones replaced', () => activateKeySet(stores, phone.deviceId), 'KEYS_NOT_ACTIVE'],
  ])('%s is refused with the reason of the store', async (_name, happens, reason) => {
    await happens();
    expect(await issueGrant(session, request(), POLICY, ports)).toMatchObject({ reason });
    expect(effects).toEqual(['burned']);
  });
});
