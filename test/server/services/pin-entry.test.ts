import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { PinEntryAbortCause } from '../../../src/gen/tapgate/v1/pin_entry_service.ts';
import { USUAL_LAYOUT } from '../../../src/pin/entry.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import type { TransactionGrant } from '../../../src/sessions/transaction.ts';
import { PIN_POLICY } from '../../pin/support.ts';
import { TestClock } from '../../support/clock.ts';
import { type HeldCall, holdCall, waitsForHeld } from '../../support/held-call.ts';
import { Certificates } from '../transport/support/edge.ts';
import { PhoneTable, reasonsOf, type TableEntry, type TablePhone } from './phone-table.ts';

const everybody = () => true;

let certificates: Certificates;
let clock: TestClock;
let table: PhoneTable;
let phone: TablePhone;
let grant: TransactionGrant;
let entry: TableEntry;

beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());

beforeEach(async () => {
  clock = new TestClock();
  table = new PhoneTable(clock);
  await table.serve(certificates);
  phone = await table.phone();
  grant = await (await phone.opened()).granted({ amountMinor: 9900n });
  entry = phone.pinEntry(grant);
});
afterEach(() => table.close());

describe('PIN entry', () => {
  test('ends with an accepted block, which is held to the end of the grant', async () => {
    const pinGrant = await entry.begin();
    await entry.report();
    expect(await entry.accepted(entry.signedBlock(pinGrant))).toEqual(grant.expiresAt);
    expect(await table.held.get(grant.id)).toMatchObject({ pinGrantId: pinGrant.id });
    expect(table.pinEntries.size).toBe(0);
  });

  test('answers the same bytes in the same way once the stream was cut, and no others', async () => {
    const pinGrant = await entry.begin();
    await entry.report();
    const block = entry.signedBlock(pinGrant);
    await entry.accepted(block);
    entry.cut();
    expect(await phone.pinEntry(grant).repeated(block)).toEqual(grant.expiresAt);
    const other = entry.signedBlock(pinGrant, Buffer.alloc(16, 0x6c));
    expect(await reasonsOf(phone.pinEntry(grant).repeated(other))).toEqual(['PIN_ALREADY_ENTERED']);
    expect(await reasonsOf(phone.pinEntry(grant).begin())).toEqual(['PIN_ENTRY_BEGUN']);
  });

  test('takes a keypad in its usual order by policy only, and says who asked for it', async () => {
    expect(await reasonsOf(phone.pinEntry(grant, new Set(), true).begin())).toEqual(['ACCESSIBLE_LAYOUT_REFUSED']);
    table.pinPolicy = { ...PIN_POLICY, accessibleLayout: 'on-request' };
    const { layout, accessibleLayout } = await phone.pinEntry(grant, new Set(), true).begin();
    expect([layout, accessibleLayout]).toEqual([USUAL_LAYOUT, true]);
    const { deviceId } = phone.enrolled;
    expect(table.log).toContainEqual(expect.objectContaining({ device: deviceId, grant: grant.id }));
  });

  test.each<[string, () => Promise<readonly [HeldCall, () => Promise<unknown>]>]>([
    ['a PIN grant is made', async () => [holdCall(table.vault, 'shuffleLayout'), () => entry.begin()]],
    [
      'a PIN block is checked',
      async () => {
        const pinGrant = await entry.begin();
        await entry.report();
        return [holdCall(table.vault, 'checkPinBlock'), () => entry.accepted(entry.signedBlock(pinGrant))];
      },
    ],
    [
      'a PIN block that was accepted is answered again',
      async () => {
        const pinGrant = await entry.begin();
        await entry.report();
        const block = entry.signedBlock(pinGrant);
        await entry.accepted(block);
        return [holdCall(table.held, 'get'), () => phone.pinEntry(grant).repeated(block)];
      },
    ],
  ])('keeps a kill switch from being in force while %s that was begun before it', async (_what, prepare) => {
    const [held, step] = await prepare();
    expect(await waitsForHeld(table.kills, held, step())).toBe(true);
  });

  test.each([
    [PinEntryAbortCause.USER, 'PIN_ABORTED_BY_CUSTOMER'],
    [PinEntryAbortCause.OVERLAY, 'PIN_ABORTED_OVERLAY'],
  ])('that the phone stops (cause %d) ends with %s', async (cause, reason) => {
    await entry.begin();
    expect(await reasonsOf(entry.abort(cause))).toEqual([reason]);
    expect(table.pinEntries.size).toBe(0);
  });

  test.each([
    ['posture in mid-PIN', () => entry.report(new Set(['focus-lost'])), 'POSTURE_REFUSED'],
    ['a nonce that is not out', () => entry.report(new Set(), Buffer.alloc(16)), 'REPORT_NONCE_STALE'],
    [
      'a message that is not due',
      () => entry.accepted({ payload: Buffer.of(0xff), signature: Buffer.of(1), keyId: '' }),
      'MALFORMED_MESSAGE',
    ],
  ])('ends at %s', async (_what, step, reason) => {
    await entry.begin();
    expect(await reasonsOf(step())).toEqual([reason]);
    expect(await table.held.get(grant.id)).toBeNull();
  });

  test.each([
    ['a report that is late', PIN_POLICY.reportMilliseconds + PIN_POLICY.reportGraceMilliseconds + 1, 'REPORT_OVERDUE'],
    ['the end of its time', PIN_POLICY.entrySeconds * 1000, 'PIN_TIMEOUT'],
  ])('ends at %s', async (_what, milliseconds, reason) => {
    await entry.begin();
    clock.advance(milliseconds);
    expect(await reasonsOf(entry.report())).toEqual([reason]);
  });

  test('under an expired grant is not begun', async () => {
    clock.set(secondsAfter(grant.issuedAt, 120));
    expect(await reasonsOf(entry.begin())).toEqual(['GRANT_EXPIRED']);
  });
});

describe('PIN entry is reached from outside', () => {
  test.each([
    ['an end', () => table.pinEntries.endWhere(everybody, 'DEVICE_REVOKED'), 'DEVICE_REVOKED'],
    ['PIN off', () => table.pinEntries.directWhere(everybody, { kind: 'pin-off' }), 'PIN_OFF'],
    ['suspend', () => table.pinEntries.directWhere(everybody, { kind: 'suspend' }), 'DEVICE_SUSPENDED'],
  ])('by %s, which takes the pad away', async (_what, reach, reason) => {
    await entry.begin();
    const ended = reasonsOf(entry.end());
    expect(reach()).toBe(1);
    expect(await ended).toEqual([reason]);
    expect(await table.held.get(grant.id)).toBeNull();
  });

  test('not by directives that do not concern a pad', async () => {
    const pinGrant = await entry.begin();
    for (const kind of ['attest-again', 'rotate-keys', 'policy-changed', 'enforcement-coming'] as const) {
      expect(table.pinEntries.directWhere(everybody, { kind })).toBe(1);
    }
    await entry.report();
    await entry.accepted(entry.signedBlock(pinGrant));
  });

  test('by another entry of the same phone', async () => {
    await entry.begin();
    const ended = reasonsOf(entry.end());
    const other = await (await phone.opened()).granted({ amountMinor: 9900n });
    await phone.pinEntry(other).begin();
    expect(await ended).toEqual(['PIN_ABORTED']);
  });

  test.each([
    ['a revocation elsewhere', () => table.stores.revoke(phone.enrolled.deviceId), 'DEVICE_REVOKED'],
    ['a suspension elsewhere', () => table.stores.suspend(phone.enrolled.deviceId), 'DEVICE_SUSPENDED'],
    ['a guard that is closed', () => table.kills.close(), 'SERVICE_UNAVAILABLE'],
  ])('by %s, which no call here was told of: the block is refused', async (_what, change, reason) => {
    const pinGrant = await entry.begin();
    await entry.report();
    await change();
    expect(await reasonsOf(entry.accepted(entry.signedBlock(pinGrant)))).toEqual([reason]);
    expect(await table.held.get(grant.id)).toBeNull();
  });
});
