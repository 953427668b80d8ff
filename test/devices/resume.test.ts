import { beforeEach, describe, expect, test } from '@jest/globals';
import { POSTURE_SIGNS, type PostureSign } from '../../src/devices/posture.ts';
import {
  challengeResume,
  concludeResume,
  type PendingResume,
  type ResumeHello,
  type ResumeProof,
  releaseResume,
} from '../../src/devices/resume.ts';
import { resumeTranscript } from '../../src/encoding/contexts.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { verifyDeviceToken } from '../../src/tokens/verify.ts';
import { encodePosture } from '../../src/wire/posture.ts';
import { START } from '../support/clock.ts';
import { holdCall, waitsForHeld } from '../support/held-call.ts';
import { type SigningKey, signingKey } from '../support/signing-key.ts';
import { unwrap } from '../support/unwrap.ts';
import { AttestationTable, byDevice, byInvite, ISSUER, POLICY } from './support.ts';

const DUE_SECONDS = POLICY.devices.fullAttestationSeconds;

let table: AttestationTable;
let deviceKey: SigningKey;
let sessionKey: SigningKey;
let hello: ResumeHello;
beforeEach(async () => {
  table = new AttestationTable();
  deviceKey = signingKey();
  sessionKey = signingKey();
  const { deviceId } = unwrap(
    await table.attest(byInvite(await table.invite()), deviceKey, (draft) => {
      draft.sessionKey = sessionKey;
    }),
  );
  hello = { deviceId, thumbprint: sessionKey.thumbprint, bytes: Buffer.from(`hello of ${deviceId}`) };
});

const challenge = (over: Partial<ResumeHello> = {}) => challengeResume({ ...hello, ...over }, POLICY, table.ports);

const proofOf = (pending: PendingResume, key = sessionKey, signs: readonly PostureSign[] = []): ResumeProof => {
  const reported = new Set(signs);
  const posture = encodePosture(reported);
  const payload = Buffer.concat([resumeTranscript(pending.nonce, pending.hello.bytes), posture]);
  return { signature: key.sign(CONTEXT.resume, payload).signature, posture, reported };
};

const conclude = (pending: PendingResume, proof: ResumeProof) => concludeResume(pending, proof, POLICY, table.ports);

const resume = async (signs: readonly PostureSign[] = []) => {
  const pending = await challenge();
  return pending.ok ? conclude(pending.value, proofOf(pending.value, sessionKey, signs)) : pending;
};

describe('a session that is resumed', () => {
  test('has a new token for the same key, and the same trust vector', async () => {
    table.clock.advance(1_000_000);
    const now = table.clock.now();
    const resumed = unwrap(await resume());
    const expected = { issuer: ISSUER, keys: table.vault.tokenKeys, audience: 'acquirer-a', now };
    const claims = unwrap(verifyDeviceToken(resumed.token, expected));
    const session = await table.stores.devices.session(sessionKey.thumbprint);
    expect(claims).toMatchObject({
      sub: hello.deviceId,
      cnf: { jkt: sessionKey.thumbprint },
      merchant: 'shop-1',
      submods: { phone: { 'ear.trustworthiness-vector': session?.trustVector, 'ear.appraisal-policy-id': 'policy-1' } },
    });
    expect(resumed.expiresAt).toEqual(secondsAfter(now, 600));
    expect(session).toMatchObject({ attestedAt: START, current: true });
  });

  test('has no token that outlives its attestation', async () => {
    table.clock.set(secondsAfter(START, DUE_SECONDS - 90));
    const resumed = unwrap(await resume());
    expect(resumed.expiresAt).toEqual(secondsAfter(START, DUE_SECONDS));
    expect(resumed.refreshAfter.getTime()).toBeLessThan(resumed.expiresAt.getTime());
  });

  test.each([
    ['a second before its attestation is due', -1000, { ok: true }],
    ['less than a second before', -999, { ok: false, reason: 'ATTESTATION_DUE' }],
    ['at the instant', 0, { ok: false, reason: 'ATTESTATION_DUE' }],
  ])('%s: or not', async (_when, milliseconds, answer) => {
    table.clock.set(new Date(secondsAfter(START, DUE_SECONDS).getTime() + milliseconds));
    expect(await resume()).toMatchObject(answer);
  });

  test('keeps the age of its attestation, however often it is resumed', async () => {
    for (let hours = 1; hours < 24; hours += 1) {
      table.clock.set(secondsAfter(START, hours * 3600));
      expect(await resume()).toMatchObject({ ok: true });
    }
    table.clock.set(secondsAfter(START, 24 * 3600));
    expect(await resume()).toMatchObject({ reason: 'ATTESTATION_DUE' });
  });

  test.each(POSTURE_SIGNS)('with the sign %s is refused or not, as policy says of attestation', async (sign) => {
    const forbidden = POLICY.devices.postureForbidsAttestation.includes(sign);
    expect(await resume([sign])).toMatchObject(forbidden ? { reason: 'POSTURE_REFUSED', detail: sign } : { ok: true });
  });
});

describe('a challenge to resume', () => {
  test.each<[string, () => Promise<unknown>, Reason]>([
    ['an unknown key', () => challenge({ thumbprint: 'a'.repeat(43) }), 'SESSION_UNKNOWN'],
    [
      'the key of another device',
      () => challenge({ deviceId: '00000000-0000-4000-8000-000000000000' }),
      'SESSION_UNKNOWN',
    ],
    [
      'a session that a newer one replaced',
      async () => {
        await table.attest(byDevice(hello.deviceId), deviceKey);
        return challenge();
      },
      'SESSION_UNKNOWN',
    ],
    [
      'a suspended device',
      async () => {
        await table.stores.suspend(hello.deviceId);
        return challenge();
      },
      'DEVICE_SUSPENDED',
    ],
    [
      'a revoked device',
      async () => {
        await table.stores.revoke(hello.deviceId);
        return challenge();
      },
      'DEVICE_REVOKED',
    ],
  ])('is not given to %s', async (_what, ask, reason) => {
    expect(await ask()).toMatchObject({ ok: false, reason });
  });

  test('is taken once, whatever came of it, and by one of eight at once', async () => {
    const spoilt = unwrap(await challenge());
    expect(await conclude(spoilt, proofOf(spoilt, signingKey()))).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
    expect(await conclude(spoilt, proofOf(spoilt))).toMatchObject({ reason: 'CHALLENGE_UNKNOWN' });
    const pending = unwrap(await challenge());
    const answers = await Promise.all(Array.from({ length: 8 }, () => conclude(pending, proofOf(pending))));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  });

  test('is worth nothing once it has expired, or was given back', async () => {
    const late = unwrap(await challenge());
    table.clock.advance(POLICY.devices.challengeSeconds * 1000);
    expect(await conclude(late, proofOf(late))).toMatchObject({ reason: 'CHALLENGE_UNKNOWN' });
    const released = unwrap(await challenge());
    await releaseResume(released, table.ports);
    expect(await conclude(released, proofOf(released))).toMatchObject({ reason: 'CHALLENGE_UNKNOWN' });
  });

  test('is not one to attest, nor the other way round', async () => {
    const pending = unwrap(await challenge());
    const identity = byDevice(hello.deviceId);
    const attesting = unwrap(await table.challenge(identity));
    const asAttestation = { ...attesting, nonce: pending.nonce, hello: pending.hello.bytes };
    const evidence = table.evidence(asAttestation, () => {}, deviceKey);
    expect(await table.conclude(asAttestation, evidence)).toMatchObject({ reason: 'CHALLENGE_UNKNOWN' });
    const asResume = { ...pending, nonce: attesting.nonce, hello: { ...hello, bytes: attesting.hello } };
    expect(await conclude(asResume, proofOf(asResume))).toMatchObject({ reason: 'CHALLENGE_UNKNOWN' });
  });
});

describe('a proof', () => {
  test.each<[string, (pending: PendingResume) => ResumeProof]>([
    ['of another nonce', (pending) => proofOf({ ...pending, nonce: Buffer.alloc(32) })],
    ['of another hello', (pending) => proofOf({ ...pending, hello: { ...hello, bytes: Buffer.of(1) } })],
    ['by the device key', (pending) => proofOf(pending, deviceKey)],
    ['without a signature', (pending) => ({ ...proofOf(pending), signature: Buffer.alloc(0) })],
    ['whose posture was changed on the way', (pending) => ({ ...proofOf(pending), posture: Buffer.of(8, 1) })],
  ])('%s is refused', async (_what, bend) => {
    const pending = unwrap(await challenge());
    const calls = table.vault.calls.length;
    expect(await conclude(pending, bend(pending))).toMatchObject({ reason: 'SESSION_KEY_MISMATCH' });
    expect(table.vault.calls).toHaveLength(calls);
  });

  test('comes too late for a device that was suspended since the challenge', async () => {
    const pending = unwrap(await challenge());
    await table.stores.suspend(hello.deviceId);
    expect(await conclude(pending, proofOf(pending))).toMatchObject({ reason: 'DEVICE_SUSPENDED' });
  });

  test('gives no token where the session ends between the reading and the writing', async () => {
    const pending = unwrap(await challenge());
    const devices = { ...table.stores.devices, resume: async () => null };
    const answer = await concludeResume(pending, proofOf(pending), POLICY, { ...table.ports, devices });
    expect(answer).toMatchObject({ reason: 'SESSION_UNKNOWN' });
  });
});

describe('a kill switch', () => {
  test('that comes between challenge and proof has the resumption refused', async () => {
    const pending = unwrap(await challenge());
    table.kills.enforce(1n, [{ id: 'k', scope: 'everything', selector: { kind: 'device', deviceId: hello.deviceId } }]);
    expect(await conclude(pending, proofOf(pending))).toMatchObject({ reason: 'DEVICE_BLOCKED' });
  });

  test.each([
    ['the session is resumed', () => holdCall(table.stores.devices, 'resume')],
    ['its token is signed', () => holdCall(table.vault, 'signDeviceToken')],
  ])('is not in force while %s, as was begun before it', async (_what, hold) => {
    const pending = unwrap(await challenge());
    const held = hold();
    expect(await waitsForHeld(table.kills, held, conclude(pending, proofOf(pending)))).toBe(true);
  });

  test('that comes while the session is read has the resumption refused', async () => {
    const pending = unwrap(await challenge());
    const held = holdCall(table.stores.devices, 'session');
    const resumed = conclude(pending, proofOf(pending));
    await held.reached;
    table.kills.enforce(1n, [{ id: 'k', scope: 'everything', selector: { kind: 'acquirer', acquirer: 'acquirer-a' } }]);
    held.release();
    expect(await resumed).toMatchObject({ reason: 'DEVICE_BLOCKED' });
  });
});
