import { beforeEach, describe, expect, test } from '@jest/globals';
import { CONTEXT } from '../../src/encoding/signed.ts';
import type { KeyConfirmation } from '../../src/injection/exchange.ts';
import { enrolPhone, sessionOf } from '../support/enrolled.ts';
import { unwrap } from '../support/unwrap.ts';
import { InjectionTable, transportKey } from './table.ts';

let table: InjectionTable;

beforeEach(async () => {
  table = await InjectionTable.set();
});

describe('a proof', () => {
  test.each<[string, (honest: KeyConfirmation) => Partial<KeyConfirmation>]>([
    ['of the PIN key alone', () => ({ accountDataCmac: Buffer.alloc(16) })],
    ['of the account data key alone', () => ({ pinCmac: Buffer.alloc(16) })],
    [
      'with the domains exchanged',
      ({ pinCmac, accountDataCmac }) => ({ pinCmac: accountDataCmac, accountDataCmac: pinCmac }),
    ],
  ])('%s is refused, and uses the offer up', async (_what, bend) => {
    const honest = table.confirmationOf(await table.offered());
    expect(await table.confirm({ ...honest, ...bend(honest) })).toMatchObject({ reason: 'KEY_PROOF_INVALID' });
    expect(await table.confirm(honest)).toMatchObject({ reason: 'OFFER_UNKNOWN' });
  });

  test('has one answer, however often it comes, at once and later', async () => {
    const confirmation = table.confirmationOf(await table.offered());
    const answers = await Promise.all(Array.from({ length: 8 }, () => table.confirm(confirmation)));
    expect(answers.every(({ ok }) => ok)).toBe(true);
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    table.clock.advance(3_600_000);
    expect(await table.confirm(confirmation)).toEqual(answers[0]);
  });

  test('that was answered to nobody is answered to the session after, once the device attests anew', async () => {
    const confirmation = table.confirmationOf(await table.offered());
    const first = unwrap(await table.confirm(confirmation));
    const again = { ...table.session, thumbprint: 'another session', publicKey: transportKey.spki };
    const signed = transportKey.sign(CONTEXT.keyConfirmation, Buffer.from('again'));
    expect(unwrap(await table.confirm({ ...confirmation, signed }, again))).toEqual(first);
  });

  test('of an offer to the session before is not taken', async () => {
    const confirmation = table.confirmationOf(await table.offered());
    const again = { ...table.session, thumbprint: 'another session', publicKey: transportKey.spki };
    const signed = transportKey.sign(CONTEXT.keyConfirmation, Buffer.from('again'));
    expect(await table.confirm({ ...confirmation, signed }, again)).toMatchObject({ reason: 'OFFER_UNKNOWN' });
  });

  test('of a session that was suspended or replaced meanwhile is not judged', async () => {
    const confirmation = table.confirmationOf(await table.offered());
    expect(await table.confirm(confirmation, { ...table.session, deviceStatus: 'suspended' })).toMatchObject({
      reason: 'DEVICE_SUSPENDED',
    });
    expect(await table.confirm(confirmation, { ...table.session, current: false })).toMatchObject({
      reason: 'SESSION_UNKNOWN',
    });
    expect(await table.confirm(confirmation)).toMatchObject({ ok: true });
  });

  test('comes in time, to the millisecond', async () => {
    const [first, second] = [await table.offered(), await table.offered()];
    table.clock.advance(59_999);
    expect(await table.confirm(table.confirmationOf(first))).toMatchObject({ ok: true });
    table.clock.advance(1);
    expect(await table.confirm(table.confirmationOf(second))).toMatchObject({ reason: 'OFFER_UNKNOWN' });
  });

  test('from another session is refused and does not use the offer up', async () => {
    const confirmation = table.confirmationOf(await table.offered());
    const thief = await enrolPhone(table.stores);
    const stolen = { ...confirmation, signed: thief.sessionKey.sign(CONTEXT.keyConfirmation, Buffer.from('proof')) };
    expect(await table.confirm(stolen, await sessionOf(table.stores, thief))).toMatchObject({
      reason: 'OFFER_UNKNOWN',
    });
    expect(await table.confirm(stolen)).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
    expect(await table.confirm(confirmation)).toMatchObject({ ok: true });
  });

  test('for keys that a newer injection retired is refused, and not judged', async () => {
    const [older, newer] = [await table.offered(), await table.offered()];
    expect(await table.confirm(table.confirmationOf(newer))).toMatchObject({ ok: true });
    const calls = table.vault.calls.length;
    expect(await table.confirm(table.confirmationOf(older))).toMatchObject({ reason: 'OFFER_UNKNOWN' });
    expect(table.vault.calls).toHaveLength(calls);
  });

  test('that is taken leaves no offer behind', async () => {
    const confirmation = table.confirmationOf(await table.offered());
    expect(await table.ports.offers.get(confirmation.injectionId)).not.toBeNull();
    unwrap(await table.confirm(confirmation));
    expect(await table.ports.offers.get(confirmation.injectionId)).toBeNull();
  });

  test('of a device that was revoked meanwhile activates nothing', async () => {
    const confirmation = table.confirmationOf(await table.offered());
    await table.stores.revoke(table.phone.deviceId);
    expect(await table.confirm(confirmation)).toMatchObject({ reason: 'OFFER_UNKNOWN' });
  });

  test('is not judged while the vault does not answer: the phone confirms again', async () => {
    const confirmation = table.confirmationOf(await table.offered());
    table.vault.refuse('verifyKeyProof', 'VAULT_UNAVAILABLE');
    expect(await table.confirm(confirmation)).toMatchObject({ reason: 'VAULT_UNAVAILABLE' });
    table.vault.recover();
    expect(await table.confirm(confirmation)).toMatchObject({ ok: true });
  });
});
