import { beforeEach, describe, expect, test } from '@jest/globals';
import { POSTURE_SIGNS } from '../../src/devices/posture.ts';
import { attestationTranscript } from '../../src/encoding/contexts.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { PLATFORM } from '../support/facts.ts';
import { type SigningKey, signingKey } from '../support/signing-key.ts';
import { AttestationTable, byDevice, byInvite, type EvidenceDraft, foreignDeviceKey, POLICY } from './support.ts';

let table: AttestationTable;
let deviceKey: SigningKey;
beforeEach(() => {
  table = new AttestationTable();
  deviceKey = signingKey();
});

const stranger = signingKey();

/** Evidence that signs as it should but for one signature. */
const bySession = (key: SigningKey, context: 'evidence' | 'deviceKey') => (draft: EvidenceDraft) => {
  const transcript = attestationTranscript(draft.challenge, draft.sessionKey.spki);
  draft.sent = (evidence) => ({
    ...evidence,
    sessionSignature: key.sign(CONTEXT[context], Buffer.concat([transcript, evidence.posture])).signature,
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
    const { deviceId } = await table.enrolled(deviceKey);
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
