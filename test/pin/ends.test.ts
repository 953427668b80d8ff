import { beforeEach, describe, expect, test } from '@jest/globals';
import type { PostureSign } from '../../src/devices/posture.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import type { PinBlockCheck, PinGrant } from '../../src/pin/vault.ts';
import { signingKey } from '../support/signing-key.ts';
import { PIN_POLICY, PinTable } from './support.ts';

const DUE = PIN_POLICY.reportMilliseconds + PIN_POLICY.reportGraceMilliseconds;

let table: PinTable;
beforeEach(async () => {
  table = await PinTable.lay();
});

describe('a report that ends the entry says why', () => {
  const stale = Buffer.alloc(16, 9);
  const signed = (nonce: Buffer) => ({
    ...table.report(nonce),
    signed: table.key.sign(CONTEXT.beginTransaction, nonce),
  });

  test.each<[string, string, ({ nonce }: PinGrant) => ReturnType<PinTable['report']>]>([
    ['another key signed it', 'SESSION_KEY_MISMATCH', ({ nonce }) => table.report(nonce, [], signingKey())],
    ['it is signed for another purpose', 'SESSION_KEY_MISMATCH', ({ nonce }) => signed(nonce)],
    ['it answers another nonce', 'REPORT_NONCE_STALE', () => table.report(stale)],
    ['something covers the pad', 'POSTURE_REFUSED', ({ nonce }) => table.report(nonce, ['overlay'])],
  ])('%s: %s', async (_why, reason, report) => {
    const { entry, pinGrant } = await table.begun();
    expect(entry.report(report(pinGrant))).toMatchObject({ ok: false, reason });
    expect(entry.report(table.report(pinGrant.nonce))).toMatchObject({ ok: false, reason: 'PIN_ABORTED' });
    expect(await entry.accept(table.block(pinGrant))).toMatchObject({ ok: false, reason: 'PIN_ABORTED' });
  });

  test('several signs are told in the order of the catalogue', async () => {
    const signs: readonly PostureSign[] = ['accessibility-service', 'overlay', 'developer-options'];
    const { entry, pinGrant } = await table.begun();
    expect(entry.report(table.report(pinGrant.nonce, signs))).toMatchObject({
      detail: 'overlay,accessibility-service',
    });
    const begun = await PinTable.lay();
    expect(await begun.begin(begun.request({ posture: new Set(signs) }))).toMatchObject({
      reason: 'POSTURE_REFUSED',
      detail: 'overlay,accessibility-service',
    });
  });
});

describe('a report that is due', () => {
  test.each<[number, object]>([
    [0, { ok: true }],
    [1, { ok: false, reason: 'REPORT_OVERDUE' }],
  ])('is taken or not, %d ms after it was', async (late, answer) => {
    const { entry, pinGrant } = await table.begun();
    expect(entry.millisecondsToReport()).toBe(DUE);
    table.clock.advance(DUE + late);
    expect(entry.millisecondsToReport()).toBe(0);
    expect(entry.report(table.report(pinGrant.nonce))).toMatchObject(answer);
  });

  test.each<[number, object]>([
    [0, { ok: true }],
    [1, { ok: false, reason: 'REPORT_OVERDUE' }],
  ])('leaves the block its time: %d ms after the next one was due', async (late, answer) => {
    const { entry, pinGrant } = await table.ready();
    table.clock.advance(DUE + late);
    expect(await entry.accept(table.block(pinGrant))).toMatchObject(answer);
  });

  test('is asked for within the interval, with a nonce of its own', async () => {
    const { entry, pinGrant, nonce } = await table.ready();
    expect(nonce).toHaveLength(16);
    expect(nonce.equals(pinGrant.nonce)).toBe(false);
    expect(entry.report(table.report(nonce))).toMatchObject({
      value: { withinMilliseconds: PIN_POLICY.reportMilliseconds },
    });
  });
});

describe('an entry that heard nothing', () => {
  test.each<[string, number, string]>([
    ['before the report is due', 0, 'REPORT_OVERDUE'],
    ['when the report is overdue', DUE + 1, 'REPORT_OVERDUE'],
    ['a millisecond before its time is over', PIN_POLICY.entrySeconds * 1000 - 1, 'REPORT_OVERDUE'],
    ['when its time is over', PIN_POLICY.entrySeconds * 1000, 'PIN_TIMEOUT'],
  ])('%s is over for its reason', async (_when, milliseconds, reason) => {
    const { entry } = await table.begun();
    table.clock.advance(milliseconds);
    expect(entry.overdue).toBe(reason);
  });
});

describe('the account data of a block', () => {
  const checkedGrant = async (): Promise<Uint8Array | undefined> => {
    const checks: PinBlockCheck[] = [];
    const { checkPinBlock } = table.vault;
    table.vault.checkPinBlock = (check) => {
      checks.push(check);
      return checkPinBlock.call(table.vault, check);
    };
    const { entry, pinGrant } = await table.ready();
    expect(await entry.accept(table.block(pinGrant))).toMatchObject({ ok: true });
    expect(checks).toMatchObject([{ accountData: table.accountData }]);
    return checks[0]?.grant.payload;
  };

  test('is checked with the very bytes of the grant, which say what it is bound to', async () => {
    const stored = await table.stores.grants.grantOf(table.grant.id, table.grant.thumbprint);
    expect(await checkedGrant()).toEqual(stored?.signed.payload);
  });
});
