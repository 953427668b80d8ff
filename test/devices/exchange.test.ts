import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Check } from '../../src/attestation/appraise.ts';
import { integrityNotAsked } from '../../src/attestation/play-integrity/appraise.ts';
import { baselineOf, continuityChecks } from '../../src/devices/continuity.ts';
import type { Identity } from '../../src/devices/evidence.ts';
import { attestationTranscript } from '../../src/encoding/contexts.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { verifyDeviceToken } from '../../src/tokens/verify.ts';
import { START } from '../support/clock.ts';
import { PLATFORM } from '../support/facts.ts';
import { holdCall, waitsForHeld } from '../support/held-call.ts';
import { type SigningKey, signingKey } from '../support/signing-key.ts';
import { unwrap } from '../support/unwrap.ts';
import { AttestationTable, byDevice, byInvite, foreignDeviceKey, ISSUER } from './support.ts';

const CONTINUITY_CODES = continuityChecks(baselineOf(PLATFORM), PLATFORM).map(({ code }) => code);

const withoutPlay = (checks: readonly Check[]) => checks.filter(({ code }) => !code.startsWith('PLAY_'));

let table: AttestationTable;
let deviceKey: SigningKey;
beforeEach(() => {
  table = new AttestationTable();
  deviceKey = signingKey();
});

const stranger = signingKey();

describe('an attested phone', () => {
  test('is enrolled with its invite, and has a token that names its session key', async () => {
    const sessionKey = signingKey();
    const attested = unwrap(
      await table.attest(byInvite(await table.invite()), deviceKey, (draft) => {
        draft.sessionKey = sessionKey;
      }),
    );
    const expected = { issuer: ISSUER, keys: table.vault.tokenKeys, audience: 'acquirer-a', now: START };
    expect(unwrap(verifyDeviceToken(attested.token, expected))).toMatchObject({
      sub: attested.deviceId,
      cnf: { jkt: sessionKey.thumbprint },
      merchant: 'shop-1',
      submods: { phone: { 'ear.appraisal-policy-id': 'policy-1' } },
    });
    expect(attested.expiresAt).toEqual(secondsAfter(START, 600));
    expect(withoutPlay(attested.checks).map(({ code, status }) => [code, status])).toEqual([
      ['CHAIN_WELL_FORMED', 'pass'],
      ['CHAIN_WELL_FORMED', 'pass'],
      ['ATTESTATION_KEY_UNSHARED', 'skipped'],
      ['ATTESTATION_KEY_OF_ONE_MODEL', 'skipped'],
      ['MERCHANT_DEVICES_BELOW_LIMIT', 'pass'],
    ]);
    expect(await table.stores.devices.device(attested.deviceId)).toMatchObject({
      status: 'active',
      deviceKey: deviceKey.spki,
      attested: { packageName: 'org.example.softpos', appVersion: 7n, osPatchLevel: '202602' },
    });
    const session = await table.stores.devices.session(sessionKey.thumbprint);
    expect(session).toMatchObject({ publicKey: sessionKey.spki, current: true, platform: PLATFORM });
  });

  test('may have its device key in StrongBox, and its session key in the TEE', async () => {
    const strongBox = { attestationSecurityLevel: 'STRONG_BOX', keySecurityLevel: 'STRONG_BOX' } as const;
    const attested = await table.attest(byInvite(await table.invite()), deviceKey, (draft) => {
      draft.devicePlatform = { ...PLATFORM, ...strongBox };
    });
    expect(attested).toMatchObject({ ok: true });
  });

  test('renews its session with the pinned key alone', async () => {
    const { deviceId } = await table.enrolled(deviceKey);
    const pending = unwrap(await table.challenge(byDevice(deviceId)));
    expect(pending.party).toMatchObject({ kind: 'device', deviceKey: deviceKey.spki });
    const renewed = unwrap(
      await table.conclude(
        pending,
        table.evidence(pending, () => {}, deviceKey),
      ),
    );
    expect(renewed.deviceId).toBe(deviceId);
    expect(withoutPlay(renewed.checks).map(({ code }) => code)).toEqual([
      'CHAIN_WELL_FORMED',
      ...CONTINUITY_CODES,
      'ATTESTATION_KEY_UNSHARED',
      'ATTESTATION_KEY_OF_ONE_MODEL',
    ]);
  });
});

describe('what Google Play says', () => {
  const check = { code: 'TEST', status: 'fail', reason: 'PLAY_INTEGRITY_STALE' } as const;
  const facts = { forbidsPin: true, verdict: null };

  test('is asked of the transcript that both keys sign, and only once they did', async () => {
    const sessionKey = signingKey();
    let challenge: Buffer = Buffer.alloc(0);
    await table.attest(byInvite(await table.invite()), deviceKey, (draft) => {
      draft.sessionKey = sessionKey;
      ({ challenge } = draft);
    });
    expect(table.asked).toEqual([
      {
        token: 'integrity token',
        transcript: attestationTranscript(challenge, sessionKey.spki),
        at: START,
        application: PLATFORM.applicationId,
      },
    ]);
    await table.attest(byInvite(await table.invite()), deviceKey, foreignDeviceKey);
    expect(table.asked).toHaveLength(1);
  });

  test.each(['PLAY_INTEGRITY_STALE', 'PLAY_INTEGRITY_UNAVAILABLE'] as const)(
    'refuses, with every check told: %s',
    async (reason) => {
      const code = await table.invite();
      table.integrity = { verdict: 'refused', reasons: [reason], checks: [check], facts };
      const refused = await table.attest(byInvite(code), deviceKey);
      expect(refused).toMatchObject({ ok: false, reason, reasons: [reason], checks: expect.arrayContaining([check]) });
      table.integrity = integrityNotAsked();
      expect(await table.attest(byInvite(code), deviceKey)).toMatchObject({ ok: true });
    },
  );

  test.each([true, false])('may forbid the PIN for the whole session: %s', async (forbidsPin) => {
    table.integrity = { verdict: 'accepted', reasons: [], checks: [], facts: { ...facts, forbidsPin } };
    const sessionKey = signingKey();
    await table.attest(byInvite(await table.invite()), deviceKey, (draft) => {
      draft.sessionKey = sessionKey;
    });
    const session = await table.stores.devices.session(sessionKey.thumbprint);
    expect(session).toMatchObject({ pinForbidden: forbidsPin });
  });
});

describe('an enrolment that was cut off', () => {
  test('after it was committed is found again by invite and device key, as the same device', async () => {
    const code = await table.invite();
    table.vault.refuse('signDeviceToken', 'VAULT_UNAVAILABLE');
    expect(await table.attest(byInvite(code), deviceKey)).toMatchObject({ reason: 'VAULT_UNAVAILABLE' });
    table.vault.recover();
    const devices = await table.stores.devicesOf('shop-1');
    const found = unwrap(await table.attest(byInvite(code, sha256(deviceKey.spki)), deviceKey));
    expect(devices.map(({ id }) => id)).toEqual([found.deviceId]);
    expect(await table.stores.devicesOf('shop-1')).toHaveLength(1);
  });

  test.each<[string, () => Uint8Array]>([
    ['no device key', () => Buffer.alloc(0)],
    ['another device key', () => sha256(stranger.spki)],
    ['a part of the hash', () => sha256(deviceKey.spki).subarray(0, 31)],
  ])('is not found by %s', async (_what, hash) => {
    const { code } = await table.enrolled(deviceKey);
    expect(await table.challenge(byInvite(code, hash()))).toMatchObject({ reason: 'INVITE_INVALID' });
  });

  test('is found by who knows invite and hash, but is nothing without the key', async () => {
    const { code } = await table.enrolled(deviceKey);
    const thief = await table.attest(byInvite(code, sha256(deviceKey.spki)), stranger);
    expect(thief).toMatchObject({ reason: 'DEVICE_KEY_MISMATCH' });
  });

  test('of a device that was revoked since is refused as revoked', async () => {
    const { code, deviceId } = await table.enrolled(deviceKey);
    await table.stores.revoke(deviceId);
    const answer = await table.challenge(byInvite(code, sha256(deviceKey.spki)));
    expect(answer).toMatchObject({ reason: 'DEVICE_REVOKED' });
  });
});

describe('a kill switch is not in force while', () => {
  /** Evidence of a phone that is enrolled, or becomes so. */
  async function attesting(identity: Identity) {
    const pending = unwrap(await table.challenge(identity));
    const evidence = table.evidence(pending, () => {}, deviceKey);
    return () => table.conclude(pending, evidence);
  }

  test.each([
    ['a phone is enrolled', 'enrol'],
    ['a session is renewed', 'renew'],
  ] as const)('%s, as was begun before it', async (_what, method) => {
    const identity =
      method === 'enrol' ? byInvite(await table.invite()) : byDevice((await table.enrolled(deviceKey)).deviceId);
    const conclude = await attesting(identity);
    const held = holdCall(table.stores.devices, method);
    expect(await waitsForHeld(table.kills, held, conclude())).toBe(true);
  });

  test('the token is signed, as was begun before it', async () => {
    const conclude = await attesting(byInvite(await table.invite()));
    const held = holdCall(table.vault, 'signDeviceToken');
    expect(await waitsForHeld(table.kills, held, conclude())).toBe(true);
  });
});
