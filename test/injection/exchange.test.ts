import { beforeEach, describe, expect, test } from '@jest/globals';
import type { AttestedSession } from '../../src/devices/store.ts';
import { beginInjection, offerKeys } from '../../src/injection/exchange.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { START } from '../support/clock.ts';
import { activateKeySet } from '../support/enrolled.ts';
import { unwrap } from '../support/unwrap.ts';
import { InjectionTable, injectionIdOf, POLICY } from './table.ts';

let table: InjectionTable;

beforeEach(async () => {
  table = await InjectionTable.set();
});

describe('an injection', () => {
  test('ends with keys that are active until policy ends them', async () => {
    const offer = await table.offered();
    expect(await table.confirm(table.confirmationOf(offer))).toEqual({
      ok: true,
      value: { keySetId: injectionIdOf(offer), expiresAt: secondsAfter(START, 86_400), maximumTransactions: 100 },
    });
  });

  test('leaves the keys of before in use until the new ones are proven', async () => {
    const before = await activateKeySet(table.stores, table.phone.deviceId);
    const burn = (counter: number) =>
      table.stores.grants.burnCounters(
        {
          deviceId: table.phone.deviceId,
          thumbprint: table.phone.sessionKey.thumbprint,
          pinInitialKeyId: before.pinInitialKeyId,
          accountDataInitialKeyId: before.accountDataInitialKeyId,
          pinCounter: counter,
          accountDataCounter: counter,
          window: 10,
          maximumTransactions: 10,
        },
        START,
      );
    const offer = await table.offered();
    expect(await burn(2)).toMatchObject({ sequence: 1n });
    unwrap(await table.confirm(table.confirmationOf(offer)));
    expect(await burn(3)).toBe('KEYS_NOT_ACTIVE');
  });

  test.each<[string, (before: AttestedSession) => AttestedSession, Reason]>([
    ['a revoked device', (before) => ({ ...before, deviceStatus: 'revoked' }), 'DEVICE_REVOKED'],
    ['a suspended device', (before) => ({ ...before, deviceStatus: 'suspended' }), 'DEVICE_SUSPENDED'],
    ['a session that a newer one replaced', (before) => ({ ...before, current: false }), 'SESSION_UNKNOWN'],
    ['a revoked session', (before) => ({ ...before, status: 'revoked' }), 'SESSION_UNKNOWN'],
  ])('does not begin for %s', async (_what, change, reason) => {
    expect(await beginInjection(change(table.session), POLICY, table.ports)).toMatchObject({ reason });
  });
});

test.each([Buffer.alloc(0), Buffer.alloc(91, 1)])(
  'a session whose key is no P-256 key gets nothing',
  async (publicKey) => {
    const broken = { ...table.session, publicKey };
    const request = table.requestOf(await table.begun());
    expect(await offerKeys(broken, request, POLICY, table.ports)).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
    const confirmation = table.confirmationOf(await table.offered());
    expect(await table.confirm(confirmation, broken)).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
  },
);
