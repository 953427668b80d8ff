import { beforeEach, describe, expect, test } from '@jest/globals';
import { integrityNotAsked } from '../../src/attestation/play-integrity/appraise.ts';
import { POSTURE_SIGNS } from '../../src/devices/posture.ts';
import { attestationTranscript } from '../../src/encoding/contexts.ts';
import { sha256 } from '../../src/encoding/digest.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { verifyDeviceToken } from '../../src/tokens/verify.ts';
import { START } from '../support/clock.ts';
import { PLATFORM } from '../support/facts.ts';
import { type SigningKey, signingKey } from '../support/signing-key.ts';
import { unwrap } from '../support/unwrap.ts';
import { AttestationTable, byDevice, byInvite, type EvidenceDraft, ISSUER, POLICY } from './support.ts';

let table: AttestationTable;
let deviceKey: SigningKey;
beforeEach(() => {
  table = new AttestationTable();
  deviceKey = signingKey();
});

const stranger = signingKey();

/** Enrols the phone of `deviceKey`. */
const enrolled = async () => {
  const code = await table.invite();
  const { deviceId } = unwrap(await table.attest(byInvite(code), deviceKey));
  return { code, deviceId };
};

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
    expect(attested.checks.filter(({ status }) => status === 'pass')).toHaveLength(2);
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
    const { deviceId } = await enrolled();
    const pending = unwrap(await table.challenge(byDevice(deviceId)));
    expect(pending.party).toMatchObject({ kind: 'device', deviceKey: deviceKey.spki });
    const renewed = unwrap(
      await table.conclude(
        pending,
        table.evidence(pending, () => {}, deviceKey),
      ),
    );
    expect(renewed.deviceId).toBe(deviceId);
    expect(renewed.checks.filter(({ status }) => status === 'pass')).toHaveLength(1);
  });
});

describe('a challenge', () => {
  test('is taken once, whatever came of it', async () => {
    const pending = unwrap(await table.challenge(byInvite(await table.invite())));
    const bad = table.evidence(pending, (draft) => {
      draft.sessionRefused = 'BOOT_UNLOCKED';
    });
    expect(await table.conclude(pending, bad)).toMatchObject({ reason: 'BOOT_UNLOCKED' });
    const good = table.evidence(pending, () => {});
    expect(await table.conclude(pending, good)).toMatchObject({ reason: 'CHALLENGE_UNKNOWN' });
  });

  test('is taken by one of eight that come at once', async () => {
    const pending = unwrap(await table.challenge(byInvite(await table.invite())));
    const evidence = table.evidence(pending, () => {});
    const answers = await Promise.all(Array.from({ length: 8 }, () => table.conclude(pending, evidence)));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  });

  test('is taken until the very instant at which it expires', async () => {
    const [first, second] = [await table.invite(), await table.invite()];
    const pending = [unwrap(await table.challenge(byInvite(first))), unwrap(await table.challenge(byInvite(second)))];
    expect(pending[0]?.expiresAt).toEqual(secondsAfter(START, 120));
    table.clock.advance(119_999);
    expect(
      await table.conclude(
        pending[0]!,
        table.evidence(pending[0]!, () => {}),
      ),
    ).toMatchObject({ ok: true });
    table.clock.advance(1);
    expect(
      await table.conclude(
        pending[1]!,
        table.evidence(pending[1]!, () => {}),
      ),
    ).toMatchObject({
      reason: 'CHALLENGE_UNKNOWN',
    });
  });

  test('is bound to the hello, byte for byte', async () => {
    const code = await table.invite();
    const pending = unwrap(await table.challenge(byInvite(code)));
    const evidence = table.evidence({ ...pending, hello: Buffer.concat([pending.hello, Buffer.of(0)]) }, () => {});
    expect(await table.conclude(pending, evidence)).toMatchObject({ reason: 'CHALLENGE_MISMATCH' });
  });

  test('is bound to itself: evidence for another one is refused', async () => {
    const code = await table.invite();
    const [one, other] = [unwrap(await table.challenge(byInvite(code))), unwrap(await table.challenge(byInvite(code)))];
    expect(
      await table.conclude(
        one,
        table.evidence(other, () => {}),
      ),
    ).toMatchObject({ reason: 'CHALLENGE_MISMATCH' });
  });

  test.each<[string, () => ReturnType<AttestationTable['challenge']>, Reason]>([
    ['an invite that does not exist', () => table.challenge(byInvite('000000-000000-000000-000000')), 'INVITE_INVALID'],
    ['a device that does not exist', () => table.challenge(byDevice('no-uuid')), 'DEVICE_UNKNOWN'],
    [
      'an invite that has expired',
      async () => {
        const code = await table.invite();
        table.clock.advance(3_600_000);
        return table.challenge(byInvite(code));
      },
      'INVITE_INVALID',
    ],
    [
      'a revoked device',
      async () => {
        const { deviceId } = await enrolled();
        await table.stores.devices.revoke(deviceId, 'ann', 'lost', START);
        return table.challenge(byDevice(deviceId));
      },
      'DEVICE_REVOKED',
    ],
    [
      'a suspended device',
      async () => {
        const { deviceId } = await enrolled();
        await table.stores.suspend(deviceId);
        return table.challenge(byDevice(deviceId));
      },
      'DEVICE_SUSPENDED',
    ],
  ])('is not given to %s', async (_what, challenge, reason) => {
    expect(await challenge()).toMatchObject({ ok: false, reason });
  });
});

/** Evidence that signs as it should but for one signature. */
const bySession = (key: SigningKey, context: 'evidence' | 'deviceKey') => (draft: EvidenceDraft) => {
  const transcript = attestationTranscript(draft.challenge, draft.sessionKey.spki);
  draft.sent = (evidence) => ({
    ...evidence,
    sessionSignature: key.sign(CONTEXT[context], Buffer.concat([transcript, evidence.posture])).signature,
  });
};

const foreignDeviceKey = (draft: EvidenceDraft): void => {
  const transcript = attestationTranscript(draft.challenge, draft.sessionKey.spki);
  draft.sent = (evidence) => ({
    ...evidence,
    deviceSignature: stranger.sign(CONTEXT.deviceKey, transcript).signature,
  });
};

describe('evidence', () => {
  test.each<[string, (draft: EvidenceDraft) => void, Reason]>([
    [
      'of a session key that is refused',
      (draft) => {
        draft.sessionRefused = 'ATTESTATION_SOFTWARE';
      },
      'ATTESTATION_SOFTWARE',
    ],
    [
      'of a device key that is refused',
      (draft) => {
        draft.deviceRefused = 'CHAIN_REVOKED';
      },
      'CHAIN_REVOKED',
    ],
    [
      'of keys of two phones',
      (draft) => {
        draft.devicePlatform = { ...PLATFORM, osVersion: 150_000 };
      },
      'DEVICE_KEY_MISMATCH',
    ],
    [
      'of one key as both',
      (draft) => {
        draft.deviceKey = draft.sessionKey;
      },
      'KEY_PROPERTIES_NOT_ALLOWED',
    ],
    ['signed by another session key', bySession(stranger, 'evidence'), 'EVIDENCE_SIGNATURE_INVALID'],
    ['signed by another device key', foreignDeviceKey, 'EVIDENCE_SIGNATURE_INVALID'],
    [
      'whose posture was changed on the way',
      (draft) => {
        draft.sent = (evidence) => ({ ...evidence, posture: Buffer.alloc(0) });
      },
      'EVIDENCE_SIGNATURE_INVALID',
    ],
    [
      'without signatures',
      (draft) => {
        draft.sent = (evidence) => ({
          ...evidence,
          sessionSignature: Buffer.alloc(0),
          deviceSignature: Buffer.alloc(0),
        });
      },
      'EVIDENCE_SIGNATURE_INVALID',
    ],
    [
      'without a device key',
      (draft) => {
        draft.sent = (evidence) => ({ ...evidence, deviceKeyChain: [] });
      },
      'CHAIN_MALFORMED',
    ],
  ])('%s enrols nobody, and the invite stays open', async (_what, bend, reason) => {
    const code = await table.invite();
    const refused = await table.attest(byInvite(code), deviceKey, bend);
    expect(refused).toMatchObject({ ok: false, reason, reasons: [reason] });
    expect(table.vault.calls).toEqual([]);
    expect(await table.attest(byInvite(code), deviceKey)).toMatchObject({ ok: true });
  });

  test('at renewal is refused where the pinned key did not sign, whoever else did', async () => {
    const { deviceId } = await enrolled();
    expect(await table.attest(byDevice(deviceId), stranger)).toMatchObject({ reason: 'DEVICE_KEY_MISMATCH' });
    expect(await table.attest(byDevice(deviceId), deviceKey)).toMatchObject({ ok: true });
  });

  test.each(POSTURE_SIGNS)('with the sign %s is refused or not, as policy says', async (sign) => {
    const answer = await table.attest(byInvite(await table.invite()), deviceKey, (draft) => {
      draft.signs = new Set([sign]);
    });
    const forbidden = POLICY.devices.postureForbidsAttestation.includes(sign);
    expect(answer).toMatchObject(forbidden ? { reason: 'POSTURE_REFUSED', detail: sign } : { ok: true });
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
    const { devices } = await table.stores.devices.list({ merchant: 'shop-1', after: null, limit: 10 });
    const found = unwrap(await table.attest(byInvite(code, sha256(deviceKey.spki)), deviceKey));
    expect(devices.map(({ id }) => id)).toEqual([found.deviceId]);
    expect((await table.stores.devices.list({ merchant: 'shop-1', after: null, limit: 10 })).devices).toHaveLength(1);
  });

  test.each<[string, () => Uint8Array]>([
    ['no device key', () => Buffer.alloc(0)],
    ['another device key', () => sha256(stranger.spki)],
    ['a part of the hash', () => sha256(deviceKey.spki).subarray(0, 31)],
  ])('is not found by %s', async (_what, hash) => {
    const { code } = await enrolled();
    expect(await table.challenge(byInvite(code, hash()))).toMatchObject({ reason: 'INVITE_INVALID' });
  });

  test('is found by who knows invite and hash, but is nothing without the key', async () => {
    const { code } = await enrolled();
    const thief = await table.attest(byInvite(code, sha256(deviceKey.spki)), stranger);
    expect(thief).toMatchObject({ reason: 'DEVICE_KEY_MISMATCH' });
  });

  test('of a device that was revoked since is refused as revoked', async () => {
    const { code, deviceId } = await enrolled();
    await table.stores.devices.revoke(deviceId, 'ann', 'lost', START);
    const answer = await table.challenge(byInvite(code, sha256(deviceKey.spki)));
    expect(answer).toMatchObject({ reason: 'DEVICE_REVOKED' });
  });
});

describe('between challenge and evidence', () => {
  test('an invite may be used up by another phone: the later one is refused', async () => {
    const code = await table.invite();
    const [one, other] = [unwrap(await table.challenge(byInvite(code))), unwrap(await table.challenge(byInvite(code)))];
    expect(
      await table.conclude(
        one,
        table.evidence(one, () => {}),
      ),
    ).toMatchObject({ ok: true });
    const late = await table.conclude(
      other,
      table.evidence(other, () => {}),
    );
    expect(late).toMatchObject({ reason: 'INVITE_INVALID' });
  });

  test.each([
    ['revoked', 'DEVICE_REVOKED'],
    ['suspended', 'DEVICE_SUSPENDED'],
  ] as const)('a device may be %s: no session, no token, and the right reason', async (status, reason) => {
    const { deviceId } = await enrolled();
    const pending = unwrap(await table.challenge(byDevice(deviceId)));
    if (status === 'suspended') await table.stores.suspend(deviceId);
    else await table.stores.devices.revoke(deviceId, 'ann', 'lost', START);
    const tokens = table.vault.calls.length;
    const answer = await table.conclude(
      pending,
      table.evidence(pending, () => {}, deviceKey),
    );
    expect(answer).toMatchObject({ reason });
    expect(table.vault.calls).toHaveLength(tokens);
  });
});
