import { describe, expect, test } from '@jest/globals';
import { INTEGRITY_CHECK_CODES } from '../../../src/attestation/play-integrity/appraise.ts';
import { createIntegrityAppraiser } from '../../../src/attestation/play-integrity/appraiser.ts';
import {
  integrityVerdictOf,
  parseIntegrityVerdict,
  VERDICT_LIMITS,
} from '../../../src/attestation/play-integrity/verdict.ts';
import { ok } from '../../../src/reasons/result.ts';
import {
  APPLICATION,
  AT,
  appraise,
  bytesOf,
  type Document,
  documentOf,
  policyWith,
  SIGNER,
  TRANSCRIPT,
  verdictOf,
} from '../play-integrity/support/verdict.ts';

/** Codes of the checks that fail. */
const failed = (bend: (document: Document) => void, application = APPLICATION): string[] =>
  appraise(ok(verdictOf(documentOf(bend))), { application })
    .checks.filter(({ status }) => status === 'fail')
    .map(({ code }) => code);

describe('a request', () => {
  const nonce = (value: string) =>
    failed(({ requestDetails }) => {
      requestDetails!.nonce = value;
    });
  const EXPECTED = TRANSCRIPT.toString('base64url');

  test.each([
    ['before the nonce', `=${EXPECTED}`],
    ['in the middle of the nonce', `${EXPECTED.slice(0, 20)}=${EXPECTED.slice(20)}`],
    ['of more than any padding has behind the nonce', `${EXPECTED}===`],
  ])('is not bound by a nonce with "=" %s', (_, value) => {
    expect(nonce(`${EXPECTED}=`)).toEqual([]);
    expect(nonce(value)).toEqual(['PLAY_REQUEST_BOUND']);
  });
});

describe('signers', () => {
  test('are those that the key attests, each of them', () => {
    const [other, third] = ['cd'.repeat(32), 'ef'.repeat(32)];
    const stated = (...digests: string[]) => {
      const bend = ({ appIntegrity }: Document) => {
        const list = digests.map((digest) => Buffer.from(digest, 'hex').toString('base64url'));
        appIntegrity!.certificateSha256Digest = list;
      };
      return failed(bend, { ...APPLICATION, signers: [SIGNER, other] });
    };
    expect(stated(other, SIGNER)).toEqual([]);
    expect(stated(SIGNER, third)).toEqual(['PLAY_SIGNERS_AGREE']);
    expect(stated(third, SIGNER)).toEqual(['PLAY_SIGNERS_AGREE']);
  });
});

test('a token of a key that attests no application is decoded with nobody’s keys', async () => {
  const decoder = { decode: async () => ok(verdictOf(documentOf())) };
  const appraiser = createIntegrityAppraiser({ policy: () => policyWith(), decoderOf: () => decoder });
  const evidence = { token: 'token', transcript: TRANSCRIPT, at: AT };
  expect((await appraiser.appraise({ ...evidence, application: APPLICATION })).verdict).toBe('accepted');
  const { reasons } = await appraiser.appraise({ ...evidence, application: null });
  expect(reasons).toEqual(['PLAY_INTEGRITY_UNAVAILABLE']);
});

test('where policy is off there are checks, and no reasons', async () => {
  const appraiser = createIntegrityAppraiser({ policy: () => policyWith({ mode: 'off' }), decoderOf: () => null });
  const appraisal = await appraiser.appraise({ token: '', transcript: TRANSCRIPT, at: AT, application: null });
  expect(appraisal.reasons).toEqual([]);
  expect(INTEGRITY_CHECK_CODES.slice(0, 2)).toEqual(['PLAY_TOKEN_PRESENT', 'PLAY_TOKEN_GENUINE']);
});

describe('the bounds of a verdict', () => {
  const nested = (depth: number): unknown => (depth === 1 ? [] : [nested(depth - 1)]);
  const membersOf = (value: unknown): number =>
    typeof value === 'object' && value !== null
      ? Object.values(value).reduce((sum: number, member) => sum + 1 + membersOf(member), 0)
      : 0;
  const withMembers = (count: number): unknown => {
    const document = documentOf();
    return { ...document, more: Array(count - membersOf(document) - 1).fill(0) };
  };

  test('are 8 levels below the document', () => {
    expect(integrityVerdictOf({ ...documentOf(), more: nested(8) }).ok).toBe(true);
    expect(integrityVerdictOf({ ...documentOf(), more: nested(9) })).toEqual({
      ok: false,
      reason: 'VERDICT_TOO_COMPLEX',
    });
  });

  test('are 512 members', () => {
    expect(membersOf(withMembers(512))).toBe(512);
    expect(integrityVerdictOf(withMembers(512)).ok).toBe(true);
    expect(integrityVerdictOf(withMembers(513))).toEqual({ ok: false, reason: 'VERDICT_TOO_COMPLEX' });
  });

  test('are 16 KiB', () => {
    const padded = (length: number): Buffer => {
      const bytes = Buffer.alloc(length, 0x20);
      bytes.set(bytesOf(documentOf()));
      return bytes;
    };
    expect(parseIntegrityVerdict(padded(VERDICT_LIMITS.maximumBytes)).ok).toBe(true);
    expect(parseIntegrityVerdict(padded(16_385))).toEqual({ ok: false, reason: 'VERDICT_TOO_LARGE' });
  });

  test('hold for what is told of what is not known', () => {
    const verdict = verdictOf({ ...documentOf(), more: 'x'.repeat(10_000) });
    const detail = appraise(ok(verdict)).checks.find(({ code }) => code === 'PLAY_VERDICT_KNOWN')?.detail ?? '';
    expect(detail).toContain('xxx');
    expect(detail.length).toBeLessThan(600);
  });
});

test('a verdict with one byte that is not UTF-8 is refused, wherever it stands', () => {
  const whole = bytesOf({ ...documentOf(), more: '?' });
  expect(parseIntegrityVerdict(whole).ok).toBe(true);
  whole[whole.lastIndexOf('?')] = 0xff;
  expect(parseIntegrityVerdict(whole)).toEqual({ ok: false, reason: 'VERDICT_NOT_JSON' });
});

describe('what is not known is told by its place', () => {
  const EVERY_OBJECT = {
    requestDetails: documentOf().requestDetails,
    appIntegrity: {},
    deviceIntegrity: {
      deviceAttributes: {},
      recentDeviceActivity: {},
      deviceRecall: { values: {}, writeDates: {} },
    },
    accountDetails: {},
    environmentDetails: { appAccessRiskVerdict: {} },
    testingDetails: {},
  };

  test.each([
    'later',
    'requestDetails.later',
    'appIntegrity.later',
    'deviceIntegrity.later',
    'deviceIntegrity.deviceAttributes.later',
    'deviceIntegrity.recentDeviceActivity.later',
    'deviceIntegrity.deviceRecall.later',
    'deviceIntegrity.deviceRecall.values.later',
    'deviceIntegrity.deviceRecall.writeDates.later',
    'accountDetails.later',
    'environmentDetails.later',
    'environmentDetails.appAccessRiskVerdict.later',
    'testingDetails.later',
  ])('the member %s', (path) => {
    const document = structuredClone(EVERY_OBJECT) as Record<string, unknown>;
    const names = path.split('.');
    let object = document;
    for (const name of names.slice(0, -1)) object = object[name] as Record<string, unknown>;
    object.later = true;
    expect(verdictOf(document).unknown).toEqual([{ path, json: 'true' }]);
  });

  const deep = { deviceIntegrity: { recentDeviceActivity: { deviceActivityLevel: 'LATER' } } };

  test.each<[string, Record<string, unknown>]>([
    ['appIntegrity.appRecognitionVerdict', { appIntegrity: { appRecognitionVerdict: 'LATER' } }],
    ['deviceIntegrity.deviceRecognitionVerdict', { deviceIntegrity: { deviceRecognitionVerdict: ['LATER'] } }],
    ['deviceIntegrity.recentDeviceActivity.deviceActivityLevel', deep],
    ['accountDetails.appLicensingVerdict', { accountDetails: { appLicensingVerdict: 'LATER' } }],
    [
      'environmentDetails.appAccessRiskVerdict.appsDetected',
      { environmentDetails: { appAccessRiskVerdict: { appsDetected: ['LATER'] } } },
    ],
    ['environmentDetails.playProtectVerdict', { environmentDetails: { playProtectVerdict: 'LATER' } }],
  ])('the value of %s, which policy may refuse', (path, section) => {
    const verdict = verdictOf({ requestDetails: EVERY_OBJECT.requestDetails, ...section });
    expect(verdict.unknown).toEqual([{ path, json: '"LATER"' }]);
    const { reasons } = appraise(ok(verdict), { policy: policyWith({ unknownFields: 'refuse' }) });
    expect(reasons).toContain('PLAY_INTEGRITY_VERDICT_UNKNOWN');
  });
});
