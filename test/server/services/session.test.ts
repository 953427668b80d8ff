import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { DirectiveKind } from '../../../src/gen/tapgate/v1/session_service.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { refuse } from '../../../src/reasons/result.ts';
import { codesOf } from '../../../src/wire/refusal.ts';
import { SESSION_POLICY } from '../../sessions/policy.ts';
import { START, TestClock } from '../../support/clock.ts';
import { holdCall, waitsForHeld } from '../../support/held-call.ts';
import { signingKey } from '../../support/signing-key.ts';
import { TOKEN_LIFE } from '../../support/tokens.ts';
import { Certificates } from '../transport/support/edge.ts';
import { PhoneTable, type TablePhone } from './phone-table.ts';

const {
  idleReportMilliseconds: IDLE,
  paymentReportMilliseconds: PAYMENT,
  reportGraceMilliseconds: GRACE,
} = SESSION_POLICY;

let certificates: Certificates;
let clock: TestClock;
let table: PhoneTable;
let phone: TablePhone;

beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

beforeEach(async () => {
  clock = new TestClock();
  table = new PhoneTable(clock);
  await table.serve(certificates);
  phone = await table.phone();
});
afterEach(() => table.close());

const everybody = () => true;

describe('an open session', () => {
  test('asks for a report at the pace of payments at once, when it has granted one', async () => {
    const session = await phone.opened();
    expect(session.within).toBe(IDLE);
    await session.granted();
    await session.expect('reportDue');
    expect(session.within).toBe(PAYMENT);
    await session.report();
    await session.expect('reportDue');
    expect(session.within).toBe(PAYMENT);
    clock.advance(SESSION_POLICY.grantSeconds * 1000);
    await session.report();
    expect(await session.ended()).toEqual(['REPORT_OVERDUE']);
  });

  test('takes a report over the nonce before that crossed the new one, and waits for the new one still', async () => {
    const session = await phone.opened();
    const before = session.nonce;
    await session.granted();
    await session.report(new Set(), before);
    await session.expect('reportDue');
    await session.report();
    await session.expect('reportDue');
    await session.report(new Set(), before);
    expect(await session.ended()).toEqual(['REPORT_NONCE_STALE']);
  });

  test('has a transaction wait for a report that is young enough, and grants it then', async () => {
    const session = await phone.opened();
    clock.advance(SESSION_POLICY.maximumPostureAgeMilliseconds + 1);
    await session.begin();
    await session.expect('reportDue');
    expect(session.within).toBe(PAYMENT);
    await session.report();
    await session.expect('grant');
  });

  test('refuses a transaction by the report that it waited for', async () => {
    const session = await phone.opened();
    clock.advance(SESSION_POLICY.maximumPostureAgeMilliseconds + 1);
    await session.begin();
    await session.expect('reportDue');
    await session.report(new Set(['overlay']));
    expect(await session.refused()).toEqual(['POSTURE_REFUSED']);
    await session.expect('reportDue');
  });

  test('keeps a transaction waiting where the answer is to the nonce before', async () => {
    const session = await phone.opened();
    const before = session.nonce;
    clock.advance(SESSION_POLICY.maximumPostureAgeMilliseconds + 1);
    await session.begin();
    await session.expect('reportDue');
    await session.report(new Set(), before);
    await session.report();
    await session.expect('grant');
  });

  test('lets one transaction wait, and ends where a second one comes', async () => {
    const session = await phone.opened();
    clock.advance(SESSION_POLICY.maximumPostureAgeMilliseconds + 1);
    await session.begin();
    await session.begin();
    expect(await session.ended()).toEqual(['MESSAGE_OUT_OF_ORDER']);
  });

  test('grants nothing while a report is overdue; a late one brings the phone back, the next one its grants', async () => {
    const session = await phone.opened();
    clock.advance(IDLE + GRACE + 1);
    await session.begin();
    expect(await session.refused()).toEqual(['REPORT_OVERDUE']);
    await session.report();
    await session.expect('reportDue');
    expect(session.within).toBe(PAYMENT);
    await session.begin();
    await session.report();
    await session.expect('grant');
  });

  test('ends after a longer silence', async () => {
    const session = await phone.opened();
    clock.advance(IDLE + GRACE + SESSION_POLICY.silenceMilliseconds);
    await session.report();
    expect(await session.ended()).toEqual(['REPORT_OVERDUE']);
  });

  test('ends a first one of the same phone, which is told so', async () => {
    const first = await phone.opened();
    const second = await phone.opened();
    expect(await first.ended()).toEqual(['SESSION_UNKNOWN']);
    await second.granted();
    expect(table.presence.size).toBe(1);
  });

  test('begins nothing before its first report', async () => {
    const session = await phone.session();
    await session.expect('reportDue');
    await session.begin();
    expect(await session.ended()).toEqual(['MESSAGE_OUT_OF_ORDER']);
  });

  test('refuses a transaction over a nonce that is not out, and goes on', async () => {
    const session = await phone.opened();
    await session.begin(phone.terms(), phone.nextKsns(), Buffer.alloc(16, 9));
    expect(await session.refused()).toEqual(['REPORT_NONCE_STALE']);
    await session.granted();
  });

  test('leaves when the phone closes it', async () => {
    const session = await phone.opened();
    expect(table.presence.size).toBe(1);
    session.close();
    await expect(session.next()).rejects.toThrow('ended well');
    expect(table.presence.size).toBe(0);
  });
});

describe('a transaction is appraised as its phone stands now', () => {
  test.each([
    ['revoked', () => table.stores.revoke(phone.enrolled.deviceId), 'DEVICE_REVOKED'],
    ['suspended', () => table.stores.suspend(phone.enrolled.deviceId), 'DEVICE_SUSPENDED'],
    ['re-appraised', () => table.stores.endSessions(phone.enrolled.deviceId), 'SESSION_UNKNOWN'],
  ])('and refused where it was %s since', async (_what, change, reason) => {
    const session = await phone.opened();
    await change();
    await session.begin();
    expect(await session.refused()).toEqual([reason]);
  });

  test('and refused from the instant at which its token expires', async () => {
    const session = await phone.opened();
    for (let passed = 0; passed + 100_000 < TOKEN_LIFE.lifetimeSeconds * 1000; passed += 100_000) {
      clock.advance(100_000);
      await session.report();
      while ((await session.next()).$case !== 'reportDue');
    }
    clock.set(secondsAfter(START, TOKEN_LIFE.lifetimeSeconds));
    await session.report();
    while ((await session.next()).$case !== 'reportDue');
    await session.begin();
    await session.expectPastDirectives('reportDue');
    await session.report();
    const { refusal } = await session.expectPastDirectives('transactionRefused');
    expect(codesOf(refusal)).toEqual(['TOKEN_INVALID']);
  });

  test('and refused under a kill switch', async () => {
    const session = await phone.opened();
    table.kills.close();
    await session.begin();
    expect(await session.refused()).toEqual(['SERVICE_UNAVAILABLE']);
  });

  test('and a kill switch is not in force while a grant is made that was begun before it', async () => {
    const session = await phone.opened();
    const held = holdCall(table.stores.grants, 'burnCounters');
    await session.begin();
    expect(await waitsForHeld(table.kills, held, session.expect('grant'))).toBe(true);
  });

  test('and refused beyond the transactions that one attestation is good for', async () => {
    table.policy = { ...table.policy, transactionsPerAttestation: 1 };
    const session = await phone.opened();
    await session.granted();
    await session.expect('reportDue');
    await session.begin();
    expect(await session.refused()).toEqual(['ATTESTATION_DUE']);
  });

  test('by the policy of that moment', async () => {
    const session = await phone.opened();
    table.policy = { ...table.policy, pinAllowed: false };
    expect(await session.granted()).toMatchObject({ pinAllowed: false });
    await session.expect('reportDue');
    await session.begin(phone.terms({ amountMinor: 9900n }));
    expect(await session.refused()).toEqual(['PIN_OFF']);
  });
});

describe('a directive', () => {
  test('reaches the phone at once, with reason, time and detail', async () => {
    const session = await phone.opened();
    const at = new Date('2026-07-01T00:00:00Z');
    const directive = { kind: 'enforcement-coming', reason: 'PATCH_TOO_OLD', at, detail: '202606' } as const;
    expect(table.presence.directWhere(everybody, directive)).toBe(1);
    expect(await session.expect('directive')).toEqual({
      kind: DirectiveKind.ENFORCEMENT_COMING,
      reason: 'PATCH_TOO_OLD',
      at,
      detail: '202606',
    });
  });

  test('to a phone that is not open yet waits, the latest of its kind', async () => {
    const session = await phone.session();
    await session.expect('reportDue');
    for (const detail of ['one', 'two']) table.presence.directWhere(everybody, { kind: 'policy-changed', detail });
    await session.report();
    await session.expect('opened');
    const came = [await session.next(), await session.next()];
    expect(came.map(({ $case }) => $case).sort()).toEqual(['directive', 'reportDue']);
    expect(came.find(({ $case }) => $case === 'directive')).toMatchObject({ value: { detail: 'two' } });
  });

  test('to suspend stops what begins, for its reason; the session goes on', async () => {
    const session = await phone.opened();
    table.presence.directWhere(everybody, { kind: 'suspend', reason: 'DEVICE_SUSPENDED' });
    await session.expect('directive');
    await session.begin();
    expect(await session.refused()).toEqual(['DEVICE_SUSPENDED']);
    await session.report();
    await session.expect('reportDue');
  });

  test('that policy has changed speeds up the report that is out, and brings what is announced', async () => {
    const session = await phone.opened();
    table.policy = { ...table.policy, sessions: { ...SESSION_POLICY, idleReportMilliseconds: 10_000 } };
    table.advice = [{ kind: 'enforcement-coming', detail: 'soon' }];
    table.presence.directWhere(everybody, { kind: 'policy-changed', detail: 'policy-2' });
    const came = [await session.next(), await session.next(), await session.next()];
    expect(came.filter(({ $case }) => $case === 'directive')).toHaveLength(2);
    expect(session.within).toBe(10_000);
  });

  test('of what is announced comes with the opening', async () => {
    table.advice = [{ kind: 'enforcement-coming', detail: 'soon' }];
    const session = await phone.session();
    await session.expect('reportDue');
    await session.report();
    await session.expect('opened');
    expect(await session.expect('directive')).toMatchObject({ detail: 'soon' });
  });

  test('to rotate keys comes to a phone whose base derivation key drains', async () => {
    table.bdkIds = { pin: Buffer.alloc(4, 0xee), accountData: Buffer.alloc(4, 0xee) };
    const session = await phone.session();
    await session.expect('reportDue');
    await session.report();
    await session.expect('opened');
    expect(await session.expect('directive')).toMatchObject({
      kind: DirectiveKind.ROTATE_KEYS,
      detail: 'base derivation key',
    });
  });

  test('to rotate keys comes once a grant wears them out, and once only', async () => {
    table.policy = { ...table.policy, maximumTransactions: 3 };
    const session = await phone.opened();
    const kinds: string[] = [];
    const until = async (last: string) => {
      for (let $case = ''; $case !== last; ) {
        const message = await session.next();
        ({ $case } = message);
        if (message.$case === 'directive') kinds.push(message.value.detail);
      }
    };
    for (let time = 0; time < 3; time += 1) {
      await session.begin();
      await until('grant');
    }
    await session.report();
    await until('reportDue');
    await session.report();
    await until('reportDue');
    expect(kinds).toEqual(['transactions']);
  });

  test.each([
    ['to resume', 86_400, ''],
    ['to attest with new evidence', TOKEN_LIFE.lifetimeSeconds + 1, 'ATTESTATION_DUE'],
  ])('%s comes before the token expires', async (_what, fullAttestationSeconds, reason) => {
    const session = await phone.opened();
    const at = secondsAfter(START, TOKEN_LIFE.lifetimeSeconds);
    table.policy = {
      ...table.policy,
      fullAttestationSeconds,
      sessions: { ...SESSION_POLICY, attestAgainSeconds: TOKEN_LIFE.lifetimeSeconds },
    };
    await session.report();
    await session.expect('reportDue');
    expect(await session.expect('directive')).toMatchObject({ kind: DirectiveKind.ATTEST_AGAIN, at, reason });
  });
});

describe('a session ends from outside', () => {
  test('with its reason and what the phone may know of its cause', async () => {
    const session = await phone.opened();
    expect(table.presence.endWhere(everybody, 'SESSION_ENDED', ['PATCH_TOO_OLD'])).toBe(1);
    expect(await session.ended()).toEqual(['SESSION_ENDED', 'PATCH_TOO_OLD']);
  });

  test('and by a report that another key signed', async () => {
    const session = await phone.opened();
    const { sessionKey } = phone.enrolled;
    Object.assign(phone.enrolled, { sessionKey: signingKey() });
    await session.report();
    Object.assign(phone.enrolled, { sessionKey });
    expect(await session.ended()).toEqual(['SESSION_KEY_MISMATCH']);
  });
});

test('a vault that does not answer refuses the transaction, and the session goes on', async () => {
  const session = await phone.opened();
  table.vault.refuse('signGrant', 'VAULT_UNAVAILABLE');
  await session.begin();
  expect(await session.refused()).toEqual([refuse('VAULT_UNAVAILABLE').reason]);
  table.vault.recover();
  await session.granted();
});
