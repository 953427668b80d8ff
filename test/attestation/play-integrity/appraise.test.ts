import { describe, expect, test } from '@jest/globals';
import { type DecodedToken, INTEGRITY_CHECK_CODES } from '../../../src/attestation/play-integrity/appraise.ts';
import { createIntegrityAppraiser } from '../../../src/attestation/play-integrity/appraiser.ts';
import { classicTokenKeys, createClassicDecoder } from '../../../src/attestation/play-integrity/classic-token.ts';
import type { IntegrityDecoder, IntegrityFailure } from '../../../src/attestation/play-integrity/decoder.ts';
import { type PlayIntegrityPolicy, playIntegrityPolicySchema } from '../../../src/attestation/play-integrity/policy.ts';
import { meaningOf } from '../../../src/reasons/catalogue.ts';
import { ok, refuse } from '../../../src/reasons/result.ts';
import { createVirtualPlay } from '../../../src/virtual/play-integrity/play.ts';
import {
  APPLICATION,
  AT,
  appraise,
  documentOf,
  PACKAGE,
  policyWith,
  REQUEST,
  TRANSCRIPT,
  verdictOf,
} from './support/verdict.ts';

/** Each way in which a token gives no verdict, and the reason that it is refused with. */
const FAILURES: Readonly<Record<IntegrityFailure, string>> = {
  TOKEN_TOO_LARGE: 'PLAY_INTEGRITY_MALFORMED',
  TOKEN_MALFORMED: 'PLAY_INTEGRITY_MALFORMED',
  TOKEN_ALGORITHM: 'PLAY_INTEGRITY_TOKEN_INVALID',
  TOKEN_NOT_DECRYPTED: 'PLAY_INTEGRITY_TOKEN_INVALID',
  TOKEN_SIGNATURE: 'PLAY_INTEGRITY_TOKEN_INVALID',
  TOKEN_REFUSED: 'PLAY_INTEGRITY_TOKEN_INVALID',
  DECODER_UNAVAILABLE: 'PLAY_INTEGRITY_UNAVAILABLE',
  VERDICT_TOO_LARGE: 'PLAY_INTEGRITY_MALFORMED',
  VERDICT_NOT_JSON: 'PLAY_INTEGRITY_MALFORMED',
  VERDICT_TOO_COMPLEX: 'PLAY_INTEGRITY_MALFORMED',
  VERDICT_FIELD_INVALID: 'PLAY_INTEGRITY_MALFORMED',
};

const statuses = (decoded: DecodedToken, policy: PlayIntegrityPolicy) =>
  appraise(decoded, { policy })
    .checks.slice(0, 2)
    .map(({ status }) => status);

describe('without a verdict', () => {
  test.each(Object.entries(FAILURES))('%s is refused with %s where Play Integrity is required', (failure, reason) => {
    const appraisal = appraise(refuse(failure as IntegrityFailure, 'why'));
    expect(appraisal).toMatchObject({
      verdict: 'refused',
      reasons: [reason],
      facts: { forbidsPin: true, verdict: null },
    });
    expect(appraisal.checks[1]).toEqual({
      code: 'PLAY_TOKEN_GENUINE',
      status: 'fail',
      reason,
      detail: `${failure}: why`,
    });
    expect(appraisal.checks.slice(2).every(({ status }) => status === 'skipped')).toBe(true);
  });

  test('only the failure that says nothing of the token counts as unavailable', () => {
    const unavailable = Object.keys(FAILURES).filter((failure) => {
      const [reason] = appraise(refuse(failure as IntegrityFailure)).reasons;
      return reason !== undefined && meaningOf(reason).category === 'unavailable';
    });
    expect(unavailable).toEqual(['DECODER_UNAVAILABLE']);
  });

  test('a missing token is refused where it is required, and not as unavailable', () => {
    const { verdict, reasons } = appraise(null);
    expect([verdict, reasons]).toEqual(['refused', ['PLAY_INTEGRITY_MISSING']]);
    expect(statuses(null, policyWith())).toEqual(['fail', 'skipped']);
  });

  test('a missing token is borne with and reported where one is preferred', () => {
    const policy = policyWith({ mode: 'preferred' });
    expect(appraise(null, { policy })).toMatchObject({
      verdict: 'accepted',
      facts: { forbidsPin: true, verdict: null },
    });
    expect(statuses(null, policy)).toEqual(['tolerated', 'skipped']);
  });

  test('one that cannot be decoded now is borne with and reported where one is preferred', () => {
    const policy = policyWith({ mode: 'preferred' });
    expect(appraise(refuse('DECODER_UNAVAILABLE'), { policy }).verdict).toBe('accepted');
    expect(statuses(refuse('DECODER_UNAVAILABLE'), policy)).toEqual(['pass', 'tolerated']);
  });

  test('a bad token is refused where one is preferred', () => {
    const policy = policyWith({ mode: 'preferred' });
    const bad = Object.keys(FAILURES).filter((failure) => failure !== 'DECODER_UNAVAILABLE') as IntegrityFailure[];
    expect(bad.map((failure) => appraise(refuse(failure), { policy }).verdict)).toEqual(bad.map(() => 'refused'));
  });

  test('policy may let the PIN be entered where nothing is known of other applications', () => {
    const policy = policyWith({ mode: 'preferred', appAccess: { unevaluated: 'tolerate' } });
    expect(appraise(null, { policy }).facts.forbidsPin).toBe(false);
  });
});

test('everything that is wrong is listed', () => {
  const document = documentOf(({ requestDetails, accountDetails }) => {
    requestDetails!.nonce = 'another';
    accountDetails!.appLicensingVerdict = 'UNLICENSED';
  });
  const { reasons } = appraise(ok(verdictOf(document)));
  expect(reasons).toEqual(['PLAY_INTEGRITY_REQUEST_MISMATCH', 'PLAY_INTEGRITY_NOT_LICENSED']);
});

test('details of a verdict cannot break lines of a log', () => {
  const document = documentOf((bent) => {
    bent['new\nline'] = { text: '\u001b[2J' };
  });
  const check = appraise(ok(verdictOf(document))).checks.at(-1);
  expect(check).toMatchObject({ code: 'PLAY_VERDICT_KNOWN', status: 'tolerated' });
  expect(check?.detail).toMatch(/^[\x20-\x7e]+$/);
});

test('where policy is off, even the worst verdict is not looked at', () => {
  const { verdict, checks, facts } = appraise(refuse('TOKEN_SIGNATURE'), { policy: policyWith({ mode: 'off' }) });
  expect([verdict, facts]).toEqual(['accepted', { forbidsPin: false, verdict: null }]);
  expect(checks.map(({ code, status }) => [code, status])).toEqual(
    INTEGRITY_CHECK_CODES.map((code) => [code, 'skipped']),
  );
});

describe('policy', () => {
  test('is off until it is switched on, and then strict', () => {
    expect(playIntegrityPolicySchema.parse({})).toEqual({
      mode: 'off',
      maximumAgeSeconds: 120,
      maximumSecondsAhead: 30,
      appRecognition: ['PLAY_RECOGNIZED'],
      minimumDeviceIntegrity: 'MEETS_STRONG_INTEGRITY',
      maximumDeviceActivity: 'LEVEL_3',
      playProtect: ['NO_ISSUES'],
      licensing: ['LICENSED'],
      appAccess: {
        forbidPin: [
          'KNOWN_CAPTURING',
          'KNOWN_OVERLAYS',
          'KNOWN_CONTROLLING',
          'UNKNOWN_CAPTURING',
          'UNKNOWN_OVERLAYS',
          'UNKNOWN_CONTROLLING',
        ],
        unevaluated: 'forbid-pin',
      },
      allowTestingResponses: false,
      unknownFields: 'tolerate',
    });
  });

  test.each([
    { mode: 'on' },
    { maximumAgeSeconds: 0 },
    { appRecognition: [] },
    { appRecognition: ['UNEVALUATED'] },
    { minimumDeviceIntegrity: 'MEETS_VIRTUAL_INTEGRITY' },
    { maximumDeviceActivity: 'UNEVALUATED' },
    { appAccess: { forbidPin: ['KNOWN_INSTALLED'] } },
    { minimumDeviceIntegrty: 'MEETS_BASIC_INTEGRITY' },
  ])('%j is no policy', (document) => {
    expect(playIntegrityPolicySchema.safeParse(document).success).toBe(false);
  });
});

describe('an appraiser', () => {
  const play = createVirtualPlay();
  const keys = classicTokenKeys(play.console);
  if (!keys.ok) throw new Error(keys.reason);
  const decoder = createClassicDecoder(keys.value);
  const appraiserWith = (policy: PlayIntegrityPolicy, decoderOf: (name: string) => IntegrityDecoder | null) =>
    createIntegrityAppraiser({ policy: () => policy, decoderOf });
  const evidence = { transcript: TRANSCRIPT, at: AT, application: APPLICATION };

  test('accepts the token of an honest phone', async () => {
    const appraiser = appraiserWith(policyWith(), (name) => (name === PACKAGE ? decoder : null));
    const appraisal = await appraiser.appraise({ ...evidence, token: await play.token(REQUEST) });
    expect(appraisal).toMatchObject({ verdict: 'accepted', reasons: [], facts: { forbidsPin: false } });
    expect(appraisal.checks.every(({ status }) => status === 'pass')).toBe(true);
  });

  test('takes an empty token for none', async () => {
    const appraisal = await appraiserWith(policyWith(), () => decoder).appraise({ ...evidence, token: '' });
    expect(appraisal.reasons).toEqual(['PLAY_INTEGRITY_MISSING']);
  });

  test('looks at no token where policy is off', async () => {
    const decoderOf = () => {
      throw new Error('a decoder was asked for');
    };
    const appraiser = appraiserWith(policyWith({ mode: 'off' }), decoderOf);
    const appraisal = await appraiser.appraise({ ...evidence, token: 'anything' });
    expect(appraisal).toMatchObject({ verdict: 'accepted', facts: { forbidsPin: false, verdict: null } });
    expect(new Set(appraisal.checks.map(({ status }) => status))).toEqual(new Set(['skipped']));
  });

  test.each([
    ['has no decoder', APPLICATION],
    ['is not attested', null],
  ])('is unavailable for an application that %s', async (_, application) => {
    const appraiser = appraiserWith(policyWith(), () => null);
    const appraisal = await appraiser.appraise({ ...evidence, application, token: await play.token(REQUEST) });
    expect(appraisal.reasons).toEqual(['PLAY_INTEGRITY_UNAVAILABLE']);
  });
});
