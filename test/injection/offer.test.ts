import { beforeEach, describe, expect, test } from '@jest/globals';
import type { AttestedSession } from '../../src/devices/store.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { offerKeys } from '../../src/injection/exchange.ts';
import { InitialKeyIdSource } from '../../src/injection/initial-key-ids.ts';
import type { OfferRequest } from '../../src/injection/vault.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { refuse } from '../../src/reasons/result.ts';
import type { Attestation } from '../support/appraiser.ts';
import { enrolPhone, sessionOf } from '../support/enrolled.ts';
import { PLATFORM } from '../support/facts.ts';
import { unwrap } from '../support/unwrap.ts';
import { BDK_IDS, InjectionTable, injectionIdOf, POLICY, transportKey } from './table.ts';

let table: InjectionTable;

beforeEach(async () => {
  table = await InjectionTable.set();
});

describe('an offer', () => {
  test('is made once for a nonce', async () => {
    const request = table.requestOf(await table.begun());
    const answers = [
      await offerKeys(table.session, request, POLICY, table.ports),
      await offerKeys(table.session, request, POLICY, table.ports),
    ];
    expect(answers).toMatchObject([{ ok: true }, { reason: 'CHALLENGE_UNKNOWN' }]);
    expect(table.vault.calls).toEqual(['offerKeys']);
  });

  test('is made until the very instant at which the nonce expires', async () => {
    const [first, second] = [await table.begun(), await table.begun()];
    table.clock.advance(59_999);
    expect(await offerKeys(table.session, table.requestOf(first), POLICY, table.ports)).toMatchObject({ ok: true });
    table.clock.advance(1);
    expect(await offerKeys(table.session, table.requestOf(second), POLICY, table.ports)).toMatchObject({
      reason: 'CHALLENGE_UNKNOWN',
    });
  });

  test('is not made for the nonce of another session, nor for one that was never given', async () => {
    const other = await enrolPhone(table.stores);
    const theirs = await table.begun(await sessionOf(table.stores, other));
    for (const nonce of [theirs, Buffer.alloc(32, 7)]) {
      expect(await offerKeys(table.session, table.requestOf(nonce), POLICY, table.ports)).toMatchObject({
        reason: 'CHALLENGE_UNKNOWN',
      });
    }
  });

  test('uses nothing up where the session key did not sign the request', async () => {
    const request = table.requestOf(await table.begun());
    for (const signed of [
      transportKey.sign(CONTEXT.keyRequest, request.nonce),
      table.phone.sessionKey.sign(CONTEXT.keyConfirmation, request.nonce),
    ]) {
      const answer = await offerKeys(table.session, { ...request, signed }, POLICY, table.ports);
      expect(answer).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
    }
    expect(await offerKeys(table.session, request, POLICY, table.ports)).toMatchObject({ ok: true });
  });

  const otherPhone = { ...PLATFORM, osVersion: 150_000 };
  test.each<[string, Partial<Attestation>, Reason]>([
    ['for another session or nonce', { challenge: Buffer.alloc(32) }, 'TRANSPORT_KEY_NOT_BOUND'],
    ['of another phone', { platform: otherPhone }, 'TRANSPORT_KEY_DISAGREES'],
    ['that may sign', { purpose: 'sign' }, 'KEY_PROPERTIES_NOT_ALLOWED'],
    ['with a revoked chain', { refused: 'CHAIN_REVOKED' }, 'CHAIN_REVOKED'],
  ])('is not made to a transport key %s, and costs no key', async (_what, over, reason) => {
    expect(
      await offerKeys(table.session, table.requestOf(await table.begun(), over), POLICY, table.ports),
    ).toMatchObject({ reason });
    expect(table.vault.calls).toEqual([]);
    expect(await table.stores.keySets.leaseDerivationIds(BDK_IDS.pin, 1)).toBe(0);
  });

  test('is not made by a transport that policy does not allow', async () => {
    const request = table.requestOf(await table.begun());
    const answer = await offerKeys(table.session, request, { ...POLICY, transports: ['rsa'] }, table.ports);
    expect(answer).toMatchObject({ reason: 'TRANSPORT_NOT_SUPPORTED' });
  });

  test('is made no more often in an hour than policy allows, whatever became of the ones before', async () => {
    const policy = { ...POLICY, offersPerHour: 3 };
    const ask = async (over: Partial<Attestation> = {}) =>
      offerKeys(table.session, table.requestOf(await table.begun(), over), policy, table.ports);
    expect(await ask()).toMatchObject({ ok: true });
    expect(await ask({ refused: 'CHAIN_REVOKED' })).toMatchObject({ reason: 'CHAIN_REVOKED' });
    expect(await ask()).toMatchObject({ ok: true });
    expect(await ask()).toMatchObject({ reason: 'KEY_OFFERS_EXHAUSTED' });
    expect(await table.stores.keySets.leaseDerivationIds(BDK_IDS.pin, 1)).toBe(64);
    const other = await enrolPhone(table.stores);
    const theirs = await sessionOf(table.stores, other);
    expect(
      await offerKeys(theirs, table.requestOf(await table.begun(theirs), {}, other), policy, table.ports),
    ).toMatchObject({
      ok: true,
    });
    table.clock.advance(20 * 60_000);
    expect(await ask()).toMatchObject({ ok: true });
    expect(await ask()).toMatchObject({ reason: 'KEY_OFFERS_EXHAUSTED' });
  });

  test.each<[string, (before: AttestedSession) => AttestedSession, Reason]>([
    ['suspended meanwhile', (before) => ({ ...before, deviceStatus: 'suspended' }), 'DEVICE_SUSPENDED'],
    ['replaced meanwhile', (before) => ({ ...before, current: false }), 'SESSION_UNKNOWN'],
  ])('is not made to a session that was %s', async (_what, change, reason) => {
    const request = table.requestOf(await table.begun());
    expect(await offerKeys(change(table.session), request, POLICY, table.ports)).toMatchObject({ reason });
    expect(table.vault.calls).toEqual([]);
  });

  test('is not made while the vault does not answer, nor where a BDK has no ids left', async () => {
    table.vault.refuse('offerKeys', 'VAULT_UNAVAILABLE');
    expect(await offerKeys(table.session, table.requestOf(await table.begun()), POLICY, table.ports)).toMatchObject({
      reason: 'VAULT_UNAVAILABLE',
    });
    table.vault.recover();
    await table.stores.keySets.leaseDerivationIds(Buffer.alloc(4, 9), 2 ** 32);
    const spent = { ...BDK_IDS, accountData: Buffer.alloc(4, 9) };
    const without = { ...table.ports, initialKeyIds: new InitialKeyIdSource(table.stores.keySets, () => spent) };
    expect(await offerKeys(table.session, table.requestOf(await table.begun()), POLICY, without)).toMatchObject({
      reason: 'SERVICE_UNAVAILABLE',
    });
  });

  const refusingFirst = (times: number, reason: Reason = 'DERIVATION_ID_USED') => {
    const asked: string[] = [];
    const refusing = {
      ...table.ports,
      vault: {
        verifyKeyProof: table.vault.verifyKeyProof.bind(table.vault),
        offerKeys: (request: OfferRequest) => {
          asked.push(request.initialKeyIds.pin.toString('hex', 4));
          return asked.length > times ? table.vault.offerKeys(request) : Promise.resolve(refuse(reason));
        },
      },
    };
    return { asked, refusing };
  };

  test('is not tried with other identifiers where the vault refuses it for another reason', async () => {
    const { asked, refusing } = refusingFirst(1, 'VAULT_UNAVAILABLE');
    expect(await offerKeys(table.session, table.requestOf(await table.begun()), POLICY, refusing)).toMatchObject({
      reason: 'VAULT_UNAVAILABLE',
    });
    expect(asked).toEqual(['00000000']);
  });

  test('that the vault makes ends a row of refusals: the next one passes no lease over', async () => {
    const asked: number[] = [];
    const refusing = {
      ...table.ports,
      vault: {
        verifyKeyProof: table.vault.verifyKeyProof.bind(table.vault),
        offerKeys: (request: OfferRequest) => {
          asked.push(request.initialKeyIds.pin.readUInt32BE(4));
          return asked.length % 2 === 0
            ? table.vault.offerKeys(request)
            : Promise.resolve(refuse('DERIVATION_ID_USED'));
        },
      },
    };
    for (let count = 0; count < 3; count += 1) {
      unwrap(await offerKeys(table.session, table.requestOf(await table.begun()), POLICY, refusing));
    }
    expect(asked).toEqual([0, 64, 65, 128, 129, 192]);
  });

  test('is made of identifiers of another range where the vault takes the first ones for used', async () => {
    const { asked, refusing } = refusingFirst(1);
    const offer = unwrap(await offerKeys(table.session, table.requestOf(await table.begun()), POLICY, refusing));
    expect(asked).toEqual(['00000000', '00000040']);
    const kept = await table.stores.keySets.offered(injectionIdOf(offer), table.phone.deviceId);
    expect(kept?.pin.toString('hex')).toBe('0a0a0a0a00000040');
    unwrap(await table.confirm(table.confirmationOf(offer)));
  });

  test('is tried twice, not more often; the next request goes on', async () => {
    const { asked, refusing } = refusingFirst(2);
    expect(await offerKeys(table.session, table.requestOf(await table.begun()), POLICY, refusing)).toMatchObject({
      reason: 'DERIVATION_ID_USED',
    });
    expect(asked).toEqual(['00000000', '00000040']);
    unwrap(await offerKeys(table.session, table.requestOf(await table.begun()), POLICY, refusing));
    expect(asked).toHaveLength(3);
  });

  test('never names an initial key twice', async () => {
    const ids: string[] = [];
    const recording = {
      ...table.ports,
      keySets: {
        ...table.stores.keySets,
        addOffered: async (...[set, now]: Parameters<typeof table.stores.keySets.addOffered>) => {
          ids.push(set.pinInitialKeyId.toString('hex'), set.accountDataInitialKeyId.toString('hex'));
          return table.stores.keySets.addOffered(set, now);
        },
      },
    };
    for (let count = 0; count < 3; count += 1) {
      unwrap(await offerKeys(table.session, table.requestOf(await table.begun()), POLICY, recording));
    }
    expect(ids).toEqual(['00', '01', '02'].flatMap((id) => [`0a0a0a0a000000${id}`, `0b0b0b0b000000${id}`]));
  });
});
