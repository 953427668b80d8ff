import type { Evidence } from '../../gen/tapgate/v1/attestation_service.ts';
import { type Attack, outcomeOf, saleOf } from './attack.ts';
import { phoneOfKind } from './hostile-phone.ts';

/** A phone of a hostile kind tries to enrol. */
function hostilePhone(kind: string, story: string, expects: string): Attack {
  return {
    name: kind,
    number: 29,
    story,
    expects,
    run: async (target) => {
      const phone = await phoneOfKind(target, kind);
      const code = await target.invite();
      return outcomeOf(target, () => phone.attest(code));
    },
  };
}

/** Evidence that was recorded in one exchange is sent in another. */
const replayedEvidence: Attack = {
  name: 'replayed evidence',
  story: 'evidence recorded in one attestation is sent in the next',
  expects: 'CHALLENGE_MISMATCH',
  run: async (target) => {
    const victim = await target.phone();
    let recorded: Evidence | null = null;
    await victim.attest(await target.invite(), {
      evidence: (evidence) => {
        recorded = evidence;
        return evidence;
      },
    });
    const attacker = await target.phone();
    const code = await target.invite();
    return outcomeOf(target, () => attacker.attest(code, { evidence: (evidence) => recorded ?? evidence }));
  },
};

/** Google Play does not refuse a phone on which another application watches; its word keeps the PIN away. */
function watched(kind: string, story: string): Attack {
  return {
    name: kind,
    number: 29,
    story,
    expects: 'POSTURE_REFUSED',
    run: async (target) => {
      const phone = await phoneOfKind(target, kind);
      await phone.attest(await target.invite());
      await phone.injectKeys();
      return outcomeOf(target, () => phone.begin(saleOf(target, 9900n)));
    },
  };
}

/** Attacks on attestation. */
export const ATTESTATION_ATTACKS: readonly Attack[] = [
  hostilePhone('unlocked', 'a phone with its boot loader unlocked', 'BOOT_UNLOCKED'),
  hostilePhone('unverified-boot', 'a phone that started an unverified system', 'BOOT_NOT_VERIFIED'),
  hostilePhone('self-signed-os', "a phone with its owner's own system", 'BOOT_NOT_VERIFIED'),
  hostilePhone('software-only', 'keys attested by software, not by hardware', 'ATTESTATION_SOFTWARE'),
  hostilePhone('emulator', 'an emulator', 'ATTESTATION_SOFTWARE'),
  hostilePhone('repackaged-app', 'the app, changed and signed anew', 'ATTESTATION_REFUSED (APP_SIGNER_NOT_ALLOWED)'),
  hostilePhone('stale-patch', 'a phone without security updates for years', 'PATCH_TOO_OLD'),
  hostilePhone('unknown-patch', 'a phone that does not tell its patch level', 'PATCH_UNKNOWN'),
  hostilePhone('expired-rkp', 'an attestation key whose remote certificate has expired', 'CHAIN_EXPIRED'),
  hostilePhone('revoked-keybox', 'a keybox that leaked and was revoked', 'ATTESTATION_REFUSED (CHAIN_REVOKED)'),
  hostilePhone('suspended-keybox', 'a keybox that is suspended', 'ATTESTATION_REFUSED (CHAIN_REVOKED)'),
  hostilePhone(
    'attest-key',
    'a chain through an attestation key of the app, which policy does not allow',
    'ATTEST_KEY_CHAIN_NOT_ALLOWED',
  ),
  hostilePhone(
    'fake-issuer',
    "a chain under a root of the attacker, with the anchor's name",
    'CHAIN_SIGNATURE_INVALID',
  ),
  hostilePhone('grafted-root', "the attacker's chain with the genuine root put on top", 'CHAIN_SIGNATURE_INVALID'),
  hostilePhone(
    'forged-extension',
    'a forged key description below a genuine key',
    'ATTESTATION_REFUSED (CHAIN_FORGED_EXTENSION)',
  ),
  hostilePhone('replayed-chain', 'a chain that was made for another challenge', 'CHALLENGE_MISMATCH'),
  hostilePhone('swapped-challenge', 'the challenge written into a signed certificate', 'CHAIN_SIGNATURE_INVALID'),
  hostilePhone('play-missing', 'no word of Google Play', 'PLAY_INTEGRITY_MISSING'),
  hostilePhone(
    'play-another-package',
    'Google Play speaks of another package',
    'ATTESTATION_REFUSED (PLAY_INTEGRITY_APP_MISMATCH)',
  ),
  hostilePhone(
    'play-another-transcript',
    'Google Play was asked in another exchange',
    'PLAY_INTEGRITY_REQUEST_MISMATCH',
  ),
  hostilePhone('play-unrecognized-app', 'Google Play does not know this build', 'PLAY_INTEGRITY_APP_UNRECOGNIZED'),
  hostilePhone(
    'play-testing-response',
    'an answer made up in the Play Console',
    'ATTESTATION_REFUSED (PLAY_INTEGRITY_TESTING_RESPONSE)',
  ),
  hostilePhone(
    'play-another-signer',
    'Google Play saw the package under another signer',
    'ATTESTATION_REFUSED (PLAY_INTEGRITY_APP_MISMATCH)',
  ),
  hostilePhone('play-unlicensed', 'the account has not got the app from Google Play', 'PLAY_INTEGRITY_NOT_LICENSED'),
  hostilePhone('play-basic-integrity', 'Google Play vouches for basic integrity only', 'PLAY_INTEGRITY_DEVICE_REFUSED'),
  hostilePhone('play-no-integrity', 'Google Play does not vouch for the phone', 'PLAY_INTEGRITY_DEVICE_REFUSED'),
  hostilePhone('play-emulator', 'Google Play sees an emulator', 'PLAY_INTEGRITY_DEVICE_REFUSED'),
  hostilePhone(
    'play-device-farm',
    'Google Play has been asked about this phone far too often',
    'ATTESTATION_REFUSED (PLAY_INTEGRITY_ACTIVITY_TOO_HIGH)',
  ),
  hostilePhone('play-play-protect-off', 'Google Play Protect is off', 'PLAY_INTEGRITY_PLAY_PROTECT'),
  hostilePhone('play-expired', "Google Play's word is hours old", 'PLAY_INTEGRITY_STALE'),
  hostilePhone(
    'play-forged',
    "Google Play's word is signed by somebody else",
    'ATTESTATION_REFUSED (PLAY_INTEGRITY_TOKEN_INVALID)',
  ),
  hostilePhone(
    'play-foreign',
    "Google Play's word is enciphered for another application",
    'ATTESTATION_REFUSED (PLAY_INTEGRITY_TOKEN_INVALID)',
  ),
  hostilePhone('play-cut', "Google Play's word is cut off", 'PLAY_INTEGRITY_MALFORMED'),
  watched('play-capturing', 'Google Play sees an application that captures the screen; a PIN would be needed'),
  watched('play-overlays', 'Google Play sees an application that may draw over others; a PIN would be needed'),
  watched('play-controlling', 'Google Play sees an application that may control the phone; a PIN would be needed'),
  replayedEvidence,
];
