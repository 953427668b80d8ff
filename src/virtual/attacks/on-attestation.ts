import type { Evidence } from '../../gen/tapgate/v1/attestation_service.ts';
import { type Attack, outcomeOf, saleOf } from './attack.ts';

/** A phone of a hostile kind tries to enrol. */
function hostilePhone(kind: string, story: string, expects: string): Attack {
  return {
    name: kind,
    story,
    expects,
    run: async (world) => {
      const phone = await world.phone(kind);
      const code = await world.invite();
      return outcomeOf(world, () => phone.attest(code));
    },
  };
}

/** Evidence that was recorded in one exchange is sent in another. */
const replayedEvidence: Attack = {
  name: 'replayed evidence',
  story: 'evidence recorded in one attestation is sent in the next',
  expects: 'CHALLENGE_MISMATCH',
  run: async (world) => {
    const victim = await world.phone();
    let recorded: Evidence | null = null;
    await victim.attest(await world.invite(), {
      evidence: (evidence) => {
        recorded = evidence;
        return evidence;
      },
    });
    const attacker = await world.phone();
    const code = await world.invite();
    return outcomeOf(world, () => attacker.attest(code, { evidence: (evidence) => recorded ?? evidence }));
  },
};

/** Google Play does not refuse a phone on which another application captures the screen; it keeps the PIN away. */
const screenCaptured: Attack = {
  name: 'play-capturing',
  story: 'Google Play sees an application that captures the screen; a PIN would be needed',
  expects: 'POSTURE_REFUSED',
  run: async (world) => {
    const phone = await world.phone('play-capturing');
    await phone.attest(await world.invite());
    await phone.injectKeys();
    return outcomeOf(world, () => phone.begin(saleOf(world, 9900n)));
  },
};

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
  screenCaptured,
  replayedEvidence,
];
