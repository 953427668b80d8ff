import { beforeEach, describe, expect, test } from '@jest/globals';
import type { AttestedSession } from '../../src/devices/store.ts';
import { transportChallenge } from '../../src/encoding/contexts.ts';
import { CONTEXT, type SignedBytes } from '../../src/encoding/signed.ts';
import {
  beginInjection,
  confirmKeys,
  type InjectionPorts,
  type KeyConfirmation,
  type KeyRequest,
  offerKeys,
  type PendingOffer,
} from '../../src/injection/exchange.ts';
import { InitialKeyIdSource } from '../../src/injection/initial-key-ids.ts';
import type { KeyPolicy, TransportName } from '../../src/injection/policy.ts';
import type { TransportKeyClaim } from '../../src/injection/transport-key.ts';
import type { OfferRequest } from '../../src/injection/vault.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { refuse } from '../../src/reasons/result.ts';
import { MemoryVolatileStore } from '../../src/store/volatile/memory.ts';
import { MemoryRateLimit } from '../../src/store/volatile/memory-rate-limit.ts';
import { type Attestation, attestationChain, chainAppraiser, type KeyProperties } from '../support/appraiser.ts';
import { START, TestClock } from '../support/clock.ts';
import { activateKeySet, type EnrolledPhone, enrolPhone, sessionOf } from '../support/enrolled.ts';
import { PLATFORM } from '../support/facts.ts';
import { SeededRandom } from '../support/random.ts';
import { signingKey } from '../support/signing-key.ts';
import { MemoryStores } from '../support/stores.ts';
import { unwrap } from '../support/unwrap.ts';
import { keyProof, SigningVault } from '../support/vault.ts';

const POLICY: KeyPolicy = {
  transports: ['key-agreement', 'rsa', 'secure-import'],
  minimumRsaBits: 3072,
  offersPerHour: 20,
  offerSeconds: 60,
  maximumAgeHours: 24,
  maximumTransactions: 100,
};
const BDK_IDS = { pin: Buffer.from('0a0a0a0a', 'hex'), accountData: Buffer.from('0b0b0b0b', 'hex') };

let clock: TestClock;
let stores: MemoryStores;
let vault: SigningVault;
let phone: EnrolledPhone;
let session: AttestedSession;
let ports: InjectionPorts;
const transportKey = signingKey();

beforeEach(async () => {
  clock = new TestClock();
  stores = new MemoryStores();
  vault = new SigningVault();
  phone = await enrolPhone(stores);
  session = await sessionOf(stores, phone);
  ports = {
    clock,
    random: new SeededRandom('injection'),
    keySets: stores.keySets,
    initialKeyIds: new InitialKeyIdSource(stores.keySets, () => BDK_IDS),
    vault,
    nonces: new MemoryVolatileStore<string>(clock, 100),
    offers: new MemoryVolatileStore<PendingOffer>(clock, 100),
    appraiser: chainAppraiser,
    limit: new MemoryRateLimit(clock, new SeededRandom('limit'), 100),
  };
});

const begun = async (by = session): Promise<Buffer> => unwrap(await beginInjection(by, POLICY, ports)).nonce;

const PURPOSES = { 'key-agreement': 'agree', rsa: 'decrypt', 'secure-import': 'wrap' } as const;
const RSA: KeyProperties = { keyAlgorithm: 'rsa', keySize: 3072, digests: [4], paddings: [2], mgfDigests: [2] };

/** A key for a transport, as the phone's hardware attests it. */
const keyFor = (
  transport: TransportName,
  nonce: Buffer,
  over: Partial<Attestation> = {},
  by = phone,
): TransportKeyClaim => ({
  transport,
  chain: attestationChain({
    key: transportKey.spki,
    challenge: transportChallenge(by.sessionKey.spki, nonce),
    purpose: PURPOSES[transport],
    ...(transport === 'key-agreement' ? {} : { properties: RSA }),
    ...over,
  }),
});

const requestOf = (nonce: Buffer, over: Partial<Attestation> = {}, by = phone): KeyRequest => ({
  nonce,
  transportKeys: [keyFor('key-agreement', nonce, over, by)],
  signed: by.sessionKey.sign(CONTEXT.keyRequest, nonce),
});

const offered = async (): Promise<SignedBytes> =>
  unwrap(await offerKeys(session, requestOf(await begun()), POLICY, ports));

/** The injection's id stands first in what the vault of the tests offers, after its length. */
const injectionIdOf = ({ payload }: SignedBytes): string => Buffer.from(payload).subarray(4, 40).toString();

const confirmationOf = (offer: SignedBytes, over: Partial<KeyConfirmation> = {}): KeyConfirmation => ({
  injectionId: injectionIdOf(offer),
  pinCmac: keyProof(offer.payload, 'pin'),
  accountDataCmac: keyProof(offer.payload, 'account-data'),
  signed: phone.sessionKey.sign(CONTEXT.keyConfirmation, Buffer.from('proof')),
  ...over,
});

const confirm = (confirmation: KeyConfirmation, by = session) => confirmKeys(by, confirmation, POLICY, ports);

describe('an injection', () => {
  test('ends with keys that are active until policy ends them', async () => {
    const offer = await offered();
    expect(await confirm(confirmationOf(offer))).toEqual({
      ok: true,
      value: { keySetId: injectionIdOf(offer), expiresAt: secondsAfter(START, 86_400), maximumTransactions: 100 },
    });
  });

  test('leaves the keys of before in use until the new ones are proven', async () => {
    const before = await activateKeySet(stores, phone.deviceId);
    const burn = (counter: number) =>
      stores.grants.burnCounters(
        {
          deviceId: phone.deviceId,
          thumbprint: phone.sessionKey.thumbprint,
          pinInitialKeyId: before.pinInitialKeyId,
          accountDataInitialKeyId: before.accountDataInitialKeyId,
          pinCounter: counter,
          accountDataCounter: counter,
          window: 10,
          maximumTransactions: 10,
        },
        START,
      );
    const offer = await offered();
    expect(await burn(2)).toBe(1n);
    unwrap(await confirm(confirmationOf(offer)));
    expect(await burn(3)).toBe('KEYS_NOT_ACTIVE');
  });

  test.each<[string, (before: AttestedSession) => AttestedSession, Reason]>([
    ['a revoked device', (before) => ({ ...before, deviceStatus: 'revoked' }), 'DEVICE_REVOKED'],
    ['a suspended device', (before) => ({ ...before, deviceStatus: 'suspended' }), 'DEVICE_SUSPENDED'],
    ['a session that a newer one replaced', (before) => ({ ...before, current: false }), 'SESSION_UNKNOWN'],
    ['a revoked session', (before) => ({ ...before, status: 'revoked' }), 'SESSION_UNKNOWN'],
  ])('does not begin for %s', async (_what, change, reason) => {
    expect(await beginInjection(change(session), POLICY, ports)).toMatchObject({ reason });
  });
});

describe('an offer', () => {
  test('is made once for a nonce', async () => {
    const request = requestOf(await begun());
    const answers = [
      await offerKeys(session, request, POLICY, ports),
      await offerKeys(session, request, POLICY, ports),
    ];
    expect(answers).toMatchObject([{ ok: true }, { reason: 'CHALLENGE_UNKNOWN' }]);
    expect(vault.calls).toEqual(['offerKeys']);
  });

  test('is made until the very instant at which the nonce expires', async () => {
    const [first, second] = [await begun(), await begun()];
    clock.advance(59_999);
    expect(await offerKeys(session, requestOf(first), POLICY, ports)).toMatchObject({ ok: true });
    clock.advance(1);
    expect(await offerKeys(session, requestOf(second), POLICY, ports)).toMatchObject({ reason: 'CHALLENGE_UNKNOWN' });
  });

  test('is not made for the nonce of another session, nor for one that was never given', async () => {
    const other = await enrolPhone(stores);
    const theirs = await begun(await sessionOf(stores, other));
    for (const nonce of [theirs, Buffer.alloc(32, 7)]) {
      expect(await offerKeys(session, requestOf(nonce), POLICY, ports)).toMatchObject({ reason: 'CHALLENGE_UNKNOWN' });
    }
  });

  test('uses nothing up where the session key did not sign the request', async () => {
    const request = requestOf(await begun());
    for (const signed of [
      transportKey.sign(CONTEXT.keyRequest, request.nonce),
      phone.sessionKey.sign(CONTEXT.keyConfirmation, request.nonce),
    ]) {
      const answer = await offerKeys(session, { ...request, signed }, POLICY, ports);
      expect(answer).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
    }
    expect(await offerKeys(session, request, POLICY, ports)).toMatchObject({ ok: true });
  });

  const otherPhone = { ...PLATFORM, osVersion: 150_000 };
  test.each<[string, Partial<Attestation>, Reason]>([
    ['for another session or nonce', { challenge: Buffer.alloc(32) }, 'TRANSPORT_KEY_NOT_BOUND'],
    ['of another phone', { platform: otherPhone }, 'TRANSPORT_KEY_DISAGREES'],
    ['that may sign', { purpose: 'sign' }, 'KEY_PROPERTIES_NOT_ALLOWED'],
    ['with a revoked chain', { refused: 'CHAIN_REVOKED' }, 'CHAIN_REVOKED'],
  ])('is not made to a transport key %s, and costs no key', async (_what, over, reason) => {
    expect(await offerKeys(session, requestOf(await begun(), over), POLICY, ports)).toMatchObject({ reason });
    expect(vault.calls).toEqual([]);
    expect(await stores.keySets.leaseDerivationIds(BDK_IDS.pin, 1)).toBe(0);
  });

  test('is not made by a transport that policy does not allow', async () => {
    const request = requestOf(await begun());
    const answer = await offerKeys(session, request, { ...POLICY, transports: ['rsa'] }, ports);
    expect(answer).toMatchObject({ reason: 'TRANSPORT_NOT_SUPPORTED' });
  });

  test('is made no more often in an hour than policy allows, whatever became of the ones before', async () => {
    const policy = { ...POLICY, offersPerHour: 3 };
    const ask = async (over: Partial<Attestation> = {}) =>
      offerKeys(session, requestOf(await begun(), over), policy, ports);
    expect(await ask()).toMatchObject({ ok: true });
    expect(await ask({ refused: 'CHAIN_REVOKED' })).toMatchObject({ reason: 'CHAIN_REVOKED' });
    expect(await ask()).toMatchObject({ ok: true });
    expect(await ask()).toMatchObject({ reason: 'KEY_OFFERS_EXHAUSTED' });
    expect(await stores.keySets.leaseDerivationIds(BDK_IDS.pin, 1)).toBe(64);
    const other = await enrolPhone(stores);
    const theirs = await sessionOf(stores, other);
    expect(await offerKeys(theirs, requestOf(await begun(theirs), {}, other), policy, ports)).toMatchObject({
      ok: true,
    });
    clock.advance(20 * 60_000);
    expect(await ask()).toMatchObject({ ok: true });
    expect(await ask()).toMatchObject({ reason: 'KEY_OFFERS_EXHAUSTED' });
  });

  test.each<[string, (before: AttestedSession) => AttestedSession, Reason]>([
    ['suspended meanwhile', (before) => ({ ...before, deviceStatus: 'suspended' }), 'DEVICE_SUSPENDED'],
    ['replaced meanwhile', (before) => ({ ...before, current: false }), 'SESSION_UNKNOWN'],
  ])('is not made to a session that was %s', async (_what, change, reason) => {
    const request = requestOf(await begun());
    expect(await offerKeys(change(session), request, POLICY, ports)).toMatchObject({ reason });
    expect(vault.calls).toEqual([]);
  });

  test('is not made while the vault does not answer, nor where a BDK has no ids left', async () => {
    vault.refuse('offerKeys', 'VAULT_UNAVAILABLE');
    expect(await offerKeys(session, requestOf(await begun()), POLICY, ports)).toMatchObject({
      reason: 'VAULT_UNAVAILABLE',
    });
    vault.recover();
    await stores.keySets.leaseDerivationIds(Buffer.alloc(4, 9), 2 ** 32);
    const spent = { ...BDK_IDS, accountData: Buffer.alloc(4, 9) };
    const without = { ...ports, initialKeyIds: new InitialKeyIdSource(stores.keySets, () => spent) };
    expect(await offerKeys(session, requestOf(await begun()), POLICY, without)).toMatchObject({
      reason: 'SERVICE_UNAVAILABLE',
    });
  });

  const refusingFirst = (times: number, reason: Reason = 'DERIVATION_ID_USED') => {
    const asked: string[] = [];
    const refusing = {
      ...ports,
      vault: {
        verifyKeyProof: vault.verifyKeyProof.bind(vault),
        offerKeys: (request: OfferRequest) => {
          asked.push(request.initialKeyIds.pin.toString('hex', 4));
          return asked.length > times ? vault.offerKeys(request) : Promise.resolve(refuse(reason));
        },
      },
    };
    return { asked, refusing };
  };

  test('is not tried with other identifiers where the vault refuses it for another reason', async () => {
    const { asked, refusing } = refusingFirst(1, 'VAULT_UNAVAILABLE');
    expect(await offerKeys(session, requestOf(await begun()), POLICY, refusing)).toMatchObject({
      reason: 'VAULT_UNAVAILABLE',
    });
    expect(asked).toEqual(['00000000']);
  });

  test('that the vault makes ends a row of refusals: the next one passes no lease over', async () => {
    const asked: number[] = [];
    const refusing = {
      ...ports,
      vault: {
        verifyKeyProof: vault.verifyKeyProof.bind(vault),
        offerKeys: (request: OfferRequest) => {
          asked.push(request.initialKeyIds.pin.readUInt32BE(4));
          return asked.length % 2 === 0 ? vault.offerKeys(request) : Promise.resolve(refuse('DERIVATION_ID_USED'));
        },
      },
    };
    for (let count = 0; count < 3; count += 1) {
      unwrap(await offerKeys(session, requestOf(await begun()), POLICY, refusing));
    }
    expect(asked).toEqual([0, 64, 65, 128, 129, 192]);
  });

  test('is made of identifiers of another range where the vault takes the first ones for used', async () => {
    const { asked, refusing } = refusingFirst(1);
    const offer = unwrap(await offerKeys(session, requestOf(await begun()), POLICY, refusing));
    expect(asked).toEqual(['00000000', '00000040']);
    const kept = await stores.keySets.offered(injectionIdOf(offer), phone.deviceId);
    expect(kept?.pin.toString('hex')).toBe('0a0a0a0a00000040');
    unwrap(await confirm(confirmationOf(offer)));
  });

  test('is tried twice, not more often; the next request goes on', async () => {
    const { asked, refusing } = refusingFirst(2);
    expect(await offerKeys(session, requestOf(await begun()), POLICY, refusing)).toMatchObject({
      reason: 'DERIVATION_ID_USED',
    });
    expect(asked).toEqual(['00000000', '00000040']);
    unwrap(await offerKeys(session, requestOf(await begun()), POLICY, refusing));
    expect(asked).toHaveLength(3);
  });

  test('never names an initial key twice', async () => {
    const ids: string[] = [];
    const recording = {
      ...ports,
      keySets: {
        ...stores.keySets,
        addOffered: async (...[set, now]: Parameters<typeof stores.keySets.addOffered>) => {
          ids.push(set.pinInitialKeyId.toString('hex'), set.accountDataInitialKeyId.toString('hex'));
          return stores.keySets.addOffered(set, now);
        },
      },
    };
    for (let count = 0; count < 3; count += 1) {
      unwrap(await offerKeys(session, requestOf(await begun()), POLICY, recording));
    }
    expect(ids).toEqual(['00', '01', '02'].flatMap((id) => [`0a0a0a0a000000${id}`, `0b0b0b0b000000${id}`]));
  });
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
    const honest = confirmationOf(await offered());
    expect(await confirm({ ...honest, ...bend(honest) })).toMatchObject({ reason: 'KEY_PROOF_INVALID' });
    expect(await confirm(honest)).toMatchObject({ reason: 'OFFER_UNKNOWN' });
  });

  test('has one answer, however often it comes, at once and later', async () => {
    const confirmation = confirmationOf(await offered());
    const answers = await Promise.all(Array.from({ length: 8 }, () => confirm(confirmation)));
    expect(answers.every(({ ok }) => ok)).toBe(true);
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    clock.advance(3_600_000);
    expect(await confirm(confirmation)).toEqual(answers[0]);
  });

  test('that was answered to nobody is answered to the session after, once the device attests anew', async () => {
    const confirmation = confirmationOf(await offered());
    const first = unwrap(await confirm(confirmation));
    const again = { ...session, thumbprint: 'another session', publicKey: transportKey.spki };
    const signed = transportKey.sign(CONTEXT.keyConfirmation, Buffer.from('again'));
    expect(unwrap(await confirm({ ...confirmation, signed }, again))).toEqual(first);
  });

  test('of an offer to the session before is not taken', async () => {
    const confirmation = confirmationOf(await offered());
    const again = { ...session, thumbprint: 'another session', publicKey: transportKey.spki };
    const signed = transportKey.sign(CONTEXT.keyConfirmation, Buffer.from('again'));
    expect(await confirm({ ...confirmation, signed }, again)).toMatchObject({ reason: 'OFFER_UNKNOWN' });
  });

  test('of a session that was suspended or replaced meanwhile is not judged', async () => {
    const confirmation = confirmationOf(await offered());
    expect(await confirm(confirmation, { ...session, deviceStatus: 'suspended' })).toMatchObject({
      reason: 'DEVICE_SUSPENDED',
    });
    expect(await confirm(confirmation, { ...session, current: false })).toMatchObject({ reason: 'SESSION_UNKNOWN' });
    expect(await confirm(confirmation)).toMatchObject({ ok: true });
  });

  test('comes in time, to the millisecond', async () => {
    const [first, second] = [await offered(), await offered()];
    clock.advance(59_999);
    expect(await confirm(confirmationOf(first))).toMatchObject({ ok: true });
    clock.advance(1);
    expect(await confirm(confirmationOf(second))).toMatchObject({ reason: 'OFFER_UNKNOWN' });
  });

  test('from another session is refused and does not use the offer up', async () => {
    const confirmation = confirmationOf(await offered());
    const thief = await enrolPhone(stores);
    const stolen = { ...confirmation, signed: thief.sessionKey.sign(CONTEXT.keyConfirmation, Buffer.from('proof')) };
    expect(await confirm(stolen, await sessionOf(stores, thief))).toMatchObject({ reason: 'OFFER_UNKNOWN' });
    expect(await confirm(stolen)).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
    expect(await confirm(confirmation)).toMatchObject({ ok: true });
  });

  test('for keys that a newer injection retired is refused, and not judged', async () => {
    const [older, newer] = [await offered(), await offered()];
    expect(await confirm(confirmationOf(newer))).toMatchObject({ ok: true });
    const calls = vault.calls.length;
    expect(await confirm(confirmationOf(older))).toMatchObject({ reason: 'OFFER_UNKNOWN' });
    expect(vault.calls).toHaveLength(calls);
  });

  test('that is taken leaves no offer behind', async () => {
    const confirmation = confirmationOf(await offered());
    expect(await ports.offers.get(confirmation.injectionId)).not.toBeNull();
    unwrap(await confirm(confirmation));
    expect(await ports.offers.get(confirmation.injectionId)).toBeNull();
  });

  test('of a device that was revoked meanwhile activates nothing', async () => {
    const confirmation = confirmationOf(await offered());
    await stores.revoke(phone.deviceId);
    expect(await confirm(confirmation)).toMatchObject({ reason: 'OFFER_UNKNOWN' });
  });

  test('is not judged while the vault does not answer: the phone confirms again', async () => {
    const confirmation = confirmationOf(await offered());
    vault.refuse('verifyKeyProof', 'VAULT_UNAVAILABLE');
    expect(await confirm(confirmation)).toMatchObject({ reason: 'VAULT_UNAVAILABLE' });
    vault.recover();
    expect(await confirm(confirmation)).toMatchObject({ ok: true });
  });
});

test.each([Buffer.alloc(0), Buffer.alloc(91, 1)])(
  'a session whose key is no P-256 key gets nothing',
  async (publicKey) => {
    const broken = { ...session, publicKey };
    const request = requestOf(await begun());
    expect(await offerKeys(broken, request, POLICY, ports)).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
    const confirmation = confirmationOf(await offered());
    expect(await confirm(confirmation, broken)).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
  },
);

describe('the transport key', () => {
  const chosen = async (keys: (nonce: Buffer) => readonly TransportKeyClaim[], policy: Partial<KeyPolicy> = {}) => {
    const nonce = await begun();
    const transports: TransportName[] = [];
    const recording = {
      ...ports,
      vault: {
        verifyKeyProof: vault.verifyKeyProof.bind(vault),
        offerKeys: (request: OfferRequest) => {
          transports.push(request.transport);
          return vault.offerKeys(request);
        },
      },
    };
    const request = { ...requestOf(nonce), transportKeys: keys(nonce) };
    const answer = await offerKeys(session, request, { ...POLICY, ...policy }, recording);
    return answer.ok ? transports : answer.reason;
  };

  test('is of the transport that policy names first, whichever the phone names first', async () => {
    const all = (nonce: Buffer) => [
      keyFor('secure-import', nonce),
      keyFor('rsa', nonce),
      keyFor('key-agreement', nonce),
    ];
    expect(await chosen(all)).toEqual(['key-agreement']);
    expect(await chosen(all, { transports: ['secure-import', 'rsa'] })).toEqual(['secure-import']);
    expect(await chosen((nonce) => [keyFor('secure-import', nonce)])).toEqual(['secure-import']);
  });

  test.each<[string, Partial<Attestation>]>([
    ['in software', { refused: 'ATTESTATION_SOFTWARE' }],
    ['for another purpose', { purpose: 'sign' }],
  ])('of a weaker transport is taken where the stronger one is %s', async (_what, over) => {
    const keys = (nonce: Buffer) => [keyFor('key-agreement', nonce, over), keyFor('rsa', nonce)];
    expect(await chosen(keys)).toEqual(['rsa']);
  });

  test.each<[string, Partial<Attestation>, Reason]>([
    ['revoked', { refused: 'CHAIN_REVOKED' }, 'CHAIN_REVOKED'],
    ['of another phone', { platform: { ...PLATFORM, osVersion: 150_000 } }, 'TRANSPORT_KEY_DISAGREES'],
    ['for another session', { challenge: Buffer.alloc(32) }, 'TRANSPORT_KEY_NOT_BOUND'],
  ])('that is %s is not passed over for another', async (_what, over, reason) => {
    const keys = (nonce: Buffer) => [keyFor('key-agreement', nonce, over), keyFor('rsa', nonce)];
    expect(await chosen(keys)).toBe(reason);
  });

  test('is refused for what is wrong with the strongest one', async () => {
    const keys = (nonce: Buffer) => [
      keyFor('rsa', nonce, { properties: { ...RSA, keySize: 2048 } }),
      keyFor('key-agreement', nonce, { refused: 'ATTESTATION_SOFTWARE' }),
    ];
    expect(await chosen(keys)).toBe('ATTESTATION_SOFTWARE');
  });

  test.each<[string, KeyProperties, Reason]>([
    ['shorter than policy asks', { keySize: 2048 }, 'TRANSPORT_KEY_TOO_WEAK'],
    ['of no stated size', { keySize: null }, 'TRANSPORT_KEY_TOO_WEAK'],
    ['without OAEP', { paddings: [] }, 'KEY_PROPERTIES_NOT_ALLOWED'],
    ['with PKCS #1 v1.5 beside OAEP', { paddings: [2, 4] }, 'KEY_PROPERTIES_NOT_ALLOWED'],
    ['without SHA-256', { digests: [2] }, 'KEY_PROPERTIES_NOT_ALLOWED'],
    ['without SHA-1 for MGF1', { mgfDigests: [4] }, 'KEY_PROPERTIES_NOT_ALLOWED'],
  ])('of RSA is refused %s', async (_what, properties, reason) => {
    for (const transport of ['rsa', 'secure-import'] as const) {
      expect(await chosen((nonce) => [keyFor(transport, nonce, { properties: { ...RSA, ...properties } })])).toBe(
        reason,
      );
    }
  });

  test.each<[string, KeyProperties, Partial<KeyPolicy>]>([
    ['of 2048 bits where policy allows them', { keySize: 2048 }, { minimumRsaBits: 2048 }],
    ['longer than policy asks', { keySize: 4096 }, {}],
    ['of Keymaster, which states nothing of MGF1', { mgfDigests: [] }, {}],
    ['that may use either digest', { digests: [2, 4], mgfDigests: [2, 4] }, {}],
  ])('of RSA is taken %s', async (_what, properties, policy) => {
    const keys = (nonce: Buffer) => [keyFor('rsa', nonce, { properties: { ...RSA, ...properties } })];
    expect(await chosen(keys, policy)).toEqual(['rsa']);
  });
});
