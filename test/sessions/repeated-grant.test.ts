import { beforeEach, describe, expect, test } from '@jest/globals';
import type { AttestedSession } from '../../src/devices/store.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { type GrantPolicy, type GrantPorts, issueGrant, type TransactionRequest } from '../../src/sessions/grant.ts';
import type { ReportedOutcome } from '../../src/sessions/same-tap.ts';
import type { StoredGrant } from '../../src/sessions/store.ts';
import type { TransactionTerms } from '../../src/sessions/transaction.ts';
import { START, TestClock } from '../support/clock.ts';
import {
  activateKeySet,
  decisionOf,
  type EnrolledPhone,
  enrolPhone,
  sessionOf,
  uniqueId,
} from '../support/enrolled.ts';
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

let clock: TestClock;
let stores: MemoryStores;
let phone: EnrolledPhone;
let session: AttestedSession;
let keys: Awaited<ReturnType<typeof activateKeySet>>;
let ports: GrantPorts;

beforeEach(async () => {
  clock = new TestClock();
  stores = new MemoryStores();
  phone = await enrolPhone(stores, { merchant: 'shop-1' });
  session = await sessionOf(stores, phone);
  keys = await activateKeySet(stores, phone.deviceId);
  ports = { clock, random: new SeededRandom('repeated'), grants: stores.grants, signer: new SigningVault() };
});

const ksn = (initialKeyId: Buffer, counter: number): Buffer => {
  const tail = Buffer.alloc(4);
  tail.writeUInt32BE(counter);
  return Buffer.concat([initialKeyId, tail]);
};

const request = (counter: number, over: Partial<TransactionRequest> = {}): TransactionRequest => ({
  nonce: Buffer.alloc(16),
  terms: TERMS,
  pinKsn: ksn(keys.pinInitialKeyId, counter),
  accountDataKsn: ksn(keys.accountDataInitialKeyId, counter),
  parentGrantId: null,
  signed: phone.sessionKey.sign(CONTEXT.beginTransaction, Buffer.from('begin')),
  ...over,
});

const issue = (wanted: TransactionRequest, policy = POLICY, by = session) => issueGrant(by, wanted, policy, ports);

/** Decides a grant, and reports what became of it; answers the hash of its tap. */
async function decide(stored: StoredGrant, outcome: ReportedOutcome | null): Promise<Buffer> {
  const decision = decisionOf(stored);
  expect(await stores.decisions.commit(decision)).toBe(true);
  if (outcome !== null) await stores.outcomes.report(stored.grant.id, outcome, 'acquirer-a', START);
  return decision.facts.payment.tapHash;
}

const paid = async (outcome: ReportedOutcome | null = 'pin-required') => {
  const parent = unwrap(await issue(request(2)));
  return { parent, hash: await decide(parent, outcome) };
};

/** The next counter that may be burned: what was refused before has burned none. */
const nextSequence = async (counter = 3): Promise<bigint> => unwrap(await issue(request(counter))).grant.sequence;

describe('the grant of a tap that is paid again', () => {
  test('keeps the tap with its account data, takes a new PIN, and expects one whatever the amount', async () => {
    const { parent, hash } = await paid();
    expect(parent.grant).toMatchObject({ expectedVerification: 'none', sameTap: null });
    const wanted = request(3, { parentGrantId: parent.grant.id });
    const child = unwrap(await issue(wanted));
    expect(child.grant).toMatchObject({
      terms: TERMS,
      pinKsn: wanted.pinKsn,
      accountDataKsn: parent.grant.accountDataKsn,
      sequence: 2n,
      expectedVerification: 'online-pin',
      pinAllowed: true,
      sameTap: {
        parentId: parent.grant.id,
        rootId: parent.grant.id,
        rootHash: sha256(parent.signed.payload),
        hash,
        attempt: 2,
      },
    });
    expect(child.grant.accountDataKsn.equals(wanted.accountDataKsn)).toBe(false);
    expect(await stores.grants.grantOf(child.grant.id, child.grant.thumbprint)).toEqual(child);
  });

  test('is one of each payment: another one of the same is refused', async () => {
    const { parent } = await paid();
    const parentGrantId = parent.grant.id;
    unwrap(await issue(request(3, { parentGrantId })));
    expect(await issue(request(4, { parentGrantId }))).toMatchObject({ ok: false, reason: 'REPEAT_NOT_ALLOWED' });
  });

  test('may be followed by another while tries are left, and names the tap that all began with', async () => {
    const { parent, hash } = await paid();
    const second = unwrap(await issue(request(3, { parentGrantId: parent.grant.id })));
    const facts = decisionOf(second).facts;
    const decision = decisionOf(second, { facts: { ...facts, payment: { ...facts.payment, tapHash: hash } } });
    expect(await stores.decisions.commit(decision)).toBe(true);
    await stores.outcomes.report(second.grant.id, 'pin-wrong', 'acquirer-a', START);
    const third = unwrap(await issue(request(4, { parentGrantId: second.grant.id })));
    expect(third.grant.sameTap).toEqual({
      parentId: second.grant.id,
      rootId: parent.grant.id,
      rootHash: sha256(parent.signed.payload),
      hash,
      attempt: 3,
    });
    expect(third.grant.accountDataKsn).toEqual(parent.grant.accountDataKsn);
    await decide(third, 'pin-wrong');
    expect(await issue(request(5, { parentGrantId: third.grant.id }))).toMatchObject({ reason: 'REPEAT_NOT_ALLOWED' });
  });

  test.each<[string, ReportedOutcome | null, Partial<TransactionRequest>, Reason]>([
    ['nothing was reported', null, {}, 'REPEAT_NOT_ALLOWED'],
    ['the issuer approved', 'approved', {}, 'REPEAT_NOT_ALLOWED'],
    ['the issuer declined', 'declined', {}, 'REPEAT_NOT_ALLOWED'],
    ['the terms are others', 'pin-wrong', { terms: { ...TERMS, amountMinor: 1251n } }, 'INTENT_GRANT_MISMATCH'],
    ['the grant is none', 'pin-wrong', { parentGrantId: uniqueId() }, 'GRANT_UNKNOWN'],
  ])('is refused and costs no counter where %s', async (_what, outcome, over, reason) => {
    const { parent } = await paid(outcome);
    expect(await issue(request(3, { parentGrantId: parent.grant.id, ...over }))).toMatchObject({ ok: false, reason });
    expect(await nextSequence()).toBe(2n);
  });

  test('is refused where the payment is not decided, and where it is of another phone', async () => {
    const parent = unwrap(await issue(request(2)));
    const parentGrantId = parent.grant.id;
    expect(await issue(request(3, { parentGrantId }))).toMatchObject({ reason: 'GRANT_UNKNOWN' });
    await decide(parent, 'pin-required');
    const stranger = await sessionOf(stores, await enrolPhone(stores, { merchant: 'shop-1' }));
    expect(await issue(request(3, { parentGrantId }), POLICY, stranger)).toMatchObject({ reason: 'GRANT_UNKNOWN' });
  });

  test('is refused once newer keys are active: the tap is enciphered under the old ones', async () => {
    const { parent } = await paid();
    keys = await activateKeySet(stores, phone.deviceId);
    const answer = await issue(request(2, { parentGrantId: parent.grant.id }));
    expect(answer).toMatchObject({ ok: false, reason: 'KEYS_NOT_ACTIVE' });
    expect(await nextSequence(2)).toBe(2n);
  });

  test.each<[string, Partial<GrantPolicy>]>([
    ['the policy allows no PIN', { pinAllowed: false }],
    ['the policy gives one try', { repeat: { pinTries: 1, seconds: 180 } }],
  ])('is refused where %s', async (_what, over) => {
    const { parent } = await paid();
    const answer = await issue(request(3, { parentGrantId: parent.grant.id }), { ...POLICY, ...over });
    expect(answer).toMatchObject({ ok: false, reason: 'REPEAT_NOT_ALLOWED' });
  });

  test('is refused where the session forbids a PIN', async () => {
    const { parent } = await paid();
    const covered = { ...session, pinForbidden: true };
    const answer = await issue(request(3, { parentGrantId: parent.grant.id }), POLICY, covered);
    expect(answer).toMatchObject({ ok: false, reason: 'REPEAT_NOT_ALLOWED' });
  });

  test.each<[number, object]>([
    [179.999, { ok: true }],
    [180, { ok: false, reason: 'REPEAT_NOT_ALLOWED' }],
  ])('comes in time: %d seconds after the decision', async (seconds, answer) => {
    const { parent } = await paid();
    clock.set(secondsAfter(START, seconds));
    expect(await issue(request(3, { parentGrantId: parent.grant.id }))).toMatchObject(answer);
  });
});

test('an attestation carries so many grants and no more', async () => {
  const policy = { ...POLICY, transactionsPerAttestation: 2 };
  expect(await issue(request(2), policy)).toMatchObject({ ok: true });
  expect(await issue(request(3), policy)).toMatchObject({ ok: true });
  expect(await issue(request(4), policy)).toMatchObject({ ok: false, reason: 'ATTESTATION_DUE' });
});
