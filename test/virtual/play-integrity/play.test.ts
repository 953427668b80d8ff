import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { createIntegrityAppraiser } from '../../../src/attestation/play-integrity/appraiser.ts';
import { classicTokenKeys, createClassicDecoder } from '../../../src/attestation/play-integrity/classic-token.ts';
import { playIntegrityPolicySchema } from '../../../src/attestation/play-integrity/policy.ts';
import { VIRTUAL_APPLICATION } from '../../../src/virtual/keymint/profiles.ts';
import {
  createVirtualPlay,
  INTEGRITY_BEHAVIOURS,
  type IntegrityBehaviour,
  loadVirtualPlay,
  type VirtualPlay,
} from '../../../src/virtual/play-integrity/play.ts';

const AT = new Date('2026-06-15T12:00:00Z');
const TRANSCRIPT = Buffer.alloc(32, 0x31);
const ATTESTED = {
  packages: [{ name: VIRTUAL_APPLICATION.packageName, version: VIRTUAL_APPLICATION.version }],
  signers: [VIRTUAL_APPLICATION.signerDigest],
};
const play = createVirtualPlay();

async function appraise(behaviour: IntegrityBehaviour, of: VirtualPlay = play) {
  const keys = classicTokenKeys(play.console);
  if (!keys.ok) throw new Error(keys.reason);
  const decoder = createClassicDecoder(keys.value);
  const policy = playIntegrityPolicySchema.parse({ mode: 'required' });
  const token = await of.token({ application: VIRTUAL_APPLICATION, transcript: TRANSCRIPT, at: AT }, behaviour);
  const appraiser = createIntegrityAppraiser({ policy: () => policy, decoderOf: () => decoder });
  return appraiser.appraise({ token, transcript: TRANSCRIPT, at: AT, application: ATTESTED });
}

/** What a service says of each phone; the PIN is forbidden to all but the honest one. */
const EXPECTED: Readonly<Record<IntegrityBehaviour, readonly string[]>> = {
  honest: [],
  'another-package': ['PLAY_INTEGRITY_APP_MISMATCH'],
  'another-signer': ['PLAY_INTEGRITY_APP_MISMATCH'],
  'another-transcript': ['PLAY_INTEGRITY_REQUEST_MISMATCH'],
  'unrecognized-app': ['PLAY_INTEGRITY_APP_UNRECOGNIZED'],
  unlicensed: ['PLAY_INTEGRITY_NOT_LICENSED'],
  'basic-integrity': ['PLAY_INTEGRITY_DEVICE_REFUSED'],
  'no-integrity': ['PLAY_INTEGRITY_DEVICE_REFUSED'],
  emulator: ['PLAY_INTEGRITY_DEVICE_REFUSED'],
  'device-farm': ['PLAY_INTEGRITY_ACTIVITY_TOO_HIGH'],
  'play-protect-off': ['PLAY_INTEGRITY_PLAY_PROTECT'],
  capturing: [],
  overlays: [],
  controlling: [],
  'testing-response': ['PLAY_INTEGRITY_TESTING_RESPONSE'],
  expired: ['PLAY_INTEGRITY_STALE'],
  missing: ['PLAY_INTEGRITY_MISSING'],
  forged: ['PLAY_INTEGRITY_TOKEN_INVALID'],
  foreign: ['PLAY_INTEGRITY_TOKEN_INVALID'],
  cut: ['PLAY_INTEGRITY_MALFORMED'],
};

test.each(INTEGRITY_BEHAVIOURS)('a phone that is %s meets the answer that it must', async (behaviour) => {
  const { reasons, facts } = await appraise(behaviour);
  expect(reasons).toEqual(EXPECTED[behaviour]);
  expect(facts.forbidsPin).toBe(behaviour !== 'honest');
});

test('every behaviour is named', () => {
  expect([...INTEGRITY_BEHAVIOURS].sort()).toEqual(Object.keys(EXPECTED).sort());
});

describe('a Google Play that is kept in a file', () => {
  test('goes on with the same keys', async () => {
    const loaded = loadVirtualPlay(play.store());
    if (!loaded.ok) throw new Error(loaded.reason);
    expect(loaded.value.console).toEqual(play.console);
    expect((await appraise('honest', loaded.value)).verdict).toBe('accepted');
  });

  test.each([
    ['a key of another curve', { signing: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey }],
    ['a key that is none', { signing: 'text' }],
    ['an AES key that is too short', { encryption: randomBytes(16).toString('base64') }],
  ])('is not loaded with %s', (_, bend) => {
    const { signing } = bend as { signing?: { export?: (options: object) => string } | string };
    const text = typeof signing === 'object' ? signing.export?.({ type: 'pkcs8', format: 'pem' }) : signing;
    const stored = { ...play.store(), ...bend, ...(text === undefined ? {} : { signing: text }) };
    expect(loadVirtualPlay(stored as ReturnType<VirtualPlay['store']>)).toEqual({
      ok: false,
      reason: 'PLAY_KEYS_MALFORMED',
    });
  });
});
