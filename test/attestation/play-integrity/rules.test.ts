import { describe, expect, test } from '@jest/globals';
import type { z } from 'zod';
import { INTEGRITY_CHECK_CODES } from '../../../src/attestation/play-integrity/appraise.ts';
import type { IntegrityTerms } from '../../../src/attestation/play-integrity/checks.ts';
import type { playIntegrityPolicySchema } from '../../../src/attestation/play-integrity/policy.ts';
import { isReason } from '../../../src/reasons/catalogue.ts';
import { ok } from '../../../src/reasons/result.ts';
import {
  APPLICATION,
  AT,
  appraise,
  type Document,
  documentOf,
  PACKAGE,
  policyWith,
  SIGNER,
  TRANSCRIPT,
  verdictOf,
} from './support/verdict.ts';

/** One way to bend what is said of an honest phone, and everything that comes of it. */
interface Row {
  readonly name: string;
  readonly bend?: (document: Document) => void;
  readonly policy?: z.input<typeof playIntegrityPolicySchema>;
  readonly terms?: Partial<IntegrityTerms>;
  /** Every check that fails, with its reason; none: accepted. */
  readonly fails?: Readonly<Record<string, string>>;
  readonly tolerates?: readonly string[];
  readonly skips?: readonly string[];
  /** Without a word of it: true where the phone is refused. */
  readonly forbidsPin?: boolean;
}

const BASE64URL = TRANSCRIPT.toString('base64url');
const OTHER_DIGEST = Buffer.alloc(32, 0xcd).toString('base64url');

const set =
  (section: string, field: string, value: unknown) =>
  (document: Document): void => {
    document[section]![field] = value;
  };
const unset =
  (section: string, ...fields: string[]) =>
  (document: Document): void => {
    for (const field of fields) delete document[section]![field];
  };
const drop =
  (section: string) =>
  (document: Document): void => {
    delete document[section];
  };

const REQUEST_ROWS: readonly Row[] = [
  {
    name: 'a nonce that Google padded',
    bend: set('requestDetails', 'nonce', `${BASE64URL}=`),
  },
  {
    name: 'a standard request',
    bend: (document) => {
      unset('requestDetails', 'nonce')(document);
      set('requestDetails', 'requestHash', BASE64URL)(document);
    },
  },
  {
    name: 'another nonce',
    bend: set('requestDetails', 'nonce', OTHER_DIGEST),
    fails: { PLAY_REQUEST_BOUND: 'PLAY_INTEGRITY_REQUEST_MISMATCH' },
  },
  {
    name: 'the nonce in ordinary base64',
    terms: { transcript: Buffer.alloc(32, 0xfb) },
    bend: set('requestDetails', 'nonce', Buffer.alloc(32, 0xfb).toString('base64')),
    fails: { PLAY_REQUEST_BOUND: 'PLAY_INTEGRITY_REQUEST_MISMATCH' },
  },
  {
    name: 'the start of the nonce',
    bend: set('requestDetails', 'nonce', BASE64URL.slice(0, -1)),
    fails: { PLAY_REQUEST_BOUND: 'PLAY_INTEGRITY_REQUEST_MISMATCH' },
  },
  {
    name: 'another request hash beside the right nonce',
    bend: set('requestDetails', 'requestHash', OTHER_DIGEST),
    fails: { PLAY_REQUEST_BOUND: 'PLAY_INTEGRITY_REQUEST_MISMATCH' },
  },
  {
    name: 'neither nonce nor request hash',
    bend: unset('requestDetails', 'nonce'),
    fails: { PLAY_REQUEST_BOUND: 'PLAY_INTEGRITY_REQUEST_MISMATCH' },
  },
  {
    name: 'a request as old as policy allows',
    bend: set('requestDetails', 'timestampMillis', String(AT.getTime() - 120_000)),
  },
  {
    name: 'a request that is too old',
    bend: set('requestDetails', 'timestampMillis', String(AT.getTime() - 120_001)),
    fails: { PLAY_REQUEST_FRESH: 'PLAY_INTEGRITY_STALE' },
  },
  {
    name: "a request as far ahead as policy allows of Google's clock",
    bend: set('requestDetails', 'timestampMillis', String(AT.getTime() + 30_000)),
  },
  {
    name: 'a request from the future',
    bend: set('requestDetails', 'timestampMillis', String(AT.getTime() + 30_001)),
    fails: { PLAY_REQUEST_FRESH: 'PLAY_INTEGRITY_STALE' },
  },
  {
    name: 'a testing response',
    bend: (document) => {
      document.testingDetails = { isTestingResponse: true };
    },
    fails: { PLAY_RESPONSE_GENUINE: 'PLAY_INTEGRITY_TESTING_RESPONSE' },
  },
  {
    name: 'a testing response, where policy allows it',
    bend: (document) => {
      document.testingDetails = { isTestingResponse: true };
    },
    policy: { allowTestingResponses: true },
    tolerates: ['PLAY_RESPONSE_GENUINE'],
  },
  {
    name: 'a response that says of itself that it is no test',
    bend: (document) => {
      document.testingDetails = { isTestingResponse: false };
    },
  },
];

const APPLICATION_ROWS: readonly Row[] = [
  {
    name: 'another package that asked',
    bend: set('requestDetails', 'requestPackageName', 'org.example.other'),
    fails: { PLAY_PACKAGE_AGREES: 'PLAY_INTEGRITY_APP_MISMATCH' },
  },
  {
    name: 'another package',
    bend: (document) => {
      set('requestDetails', 'requestPackageName', 'org.example.other')(document);
      set('appIntegrity', 'packageName', 'org.example.other')(document);
    },
    fails: { PLAY_PACKAGE_AGREES: 'PLAY_INTEGRITY_APP_MISMATCH' },
    skips: ['PLAY_VERSION_AGREES'],
  },
  {
    name: 'one of two packages that share the key',
    terms: {
      application: {
        ...APPLICATION,
        packages: [
          { name: 'org.example.first', version: 1 },
          { name: PACKAGE, version: 7 },
        ],
      },
    },
  },
  {
    name: 'a key whose application is not attested',
    terms: { application: null },
    fails: {
      PLAY_PACKAGE_AGREES: 'PLAY_INTEGRITY_APP_MISMATCH',
      PLAY_SIGNERS_AGREE: 'PLAY_INTEGRITY_APP_MISMATCH',
    },
    skips: ['PLAY_VERSION_AGREES'],
  },
  {
    name: 'another signer',
    bend: set('appIntegrity', 'certificateSha256Digest', [OTHER_DIGEST]),
    fails: { PLAY_SIGNERS_AGREE: 'PLAY_INTEGRITY_APP_MISMATCH' },
  },
  {
    name: 'a second signer',
    bend: set('appIntegrity', 'certificateSha256Digest', [
      Buffer.from(SIGNER, 'hex').toString('base64url'),
      OTHER_DIGEST,
    ]),
    fails: { PLAY_SIGNERS_AGREE: 'PLAY_INTEGRITY_APP_MISMATCH' },
  },
  {
    name: 'a signer too few',
    terms: { application: { ...APPLICATION, signers: [SIGNER, 'cd'.repeat(32)] } },
    fails: { PLAY_SIGNERS_AGREE: 'PLAY_INTEGRITY_APP_MISMATCH' },
  },
  {
    name: 'no signer on either side',
    bend: set('appIntegrity', 'certificateSha256Digest', []),
    terms: { application: { ...APPLICATION, signers: [] } },
    fails: { PLAY_SIGNERS_AGREE: 'PLAY_INTEGRITY_APP_MISMATCH' },
  },
  {
    name: 'another version',
    bend: set('appIntegrity', 'versionCode', '8'),
    fails: { PLAY_VERSION_AGREES: 'PLAY_INTEGRITY_APP_MISMATCH' },
  },
  {
    name: 'no version',
    bend: unset('appIntegrity', 'versionCode'),
    fails: { PLAY_VERSION_AGREES: 'PLAY_INTEGRITY_APP_MISMATCH' },
  },
  {
    name: 'an application that Google does not recognise',
    bend: set('appIntegrity', 'appRecognitionVerdict', 'UNRECOGNIZED_VERSION'),
    fails: { PLAY_APP_RECOGNIZED: 'PLAY_INTEGRITY_APP_UNRECOGNIZED' },
  },
  {
    name: 'an application from elsewhere, where policy allows it',
    bend: set('appIntegrity', 'appRecognitionVerdict', 'UNRECOGNIZED_VERSION'),
    policy: { appRecognition: ['PLAY_RECOGNIZED', 'UNRECOGNIZED_VERSION'] },
  },
  {
    name: 'an application that Google could not evaluate',
    bend: (document) => {
      document.appIntegrity = { appRecognitionVerdict: 'UNEVALUATED' };
    },
    policy: { appRecognition: ['PLAY_RECOGNIZED', 'UNRECOGNIZED_VERSION'] },
    fails: {
      PLAY_PACKAGE_AGREES: 'PLAY_INTEGRITY_APP_MISMATCH',
      PLAY_SIGNERS_AGREE: 'PLAY_INTEGRITY_APP_MISMATCH',
      PLAY_APP_RECOGNIZED: 'PLAY_INTEGRITY_APP_UNRECOGNIZED',
    },
    skips: ['PLAY_VERSION_AGREES'],
  },
  {
    name: 'no word of the application',
    bend: drop('appIntegrity'),
    fails: {
      PLAY_PACKAGE_AGREES: 'PLAY_INTEGRITY_APP_MISMATCH',
      PLAY_SIGNERS_AGREE: 'PLAY_INTEGRITY_APP_MISMATCH',
      PLAY_APP_RECOGNIZED: 'PLAY_INTEGRITY_APP_UNRECOGNIZED',
    },
    skips: ['PLAY_VERSION_AGREES'],
  },
  {
    name: 'a recognition of tomorrow',
    bend: set('appIntegrity', 'appRecognitionVerdict', 'PLAY_RECOGNIZED_TWICE'),
    fails: { PLAY_APP_RECOGNIZED: 'PLAY_INTEGRITY_APP_UNRECOGNIZED' },
    tolerates: ['PLAY_VERDICT_KNOWN'],
  },
];

const labels = (...values: string[]) => set('deviceIntegrity', 'deviceRecognitionVerdict', values);
const activity = (value: unknown) => set('deviceIntegrity', 'recentDeviceActivity', value);

const DEVICE_ROWS: readonly Row[] = [
  { name: 'the strongest label alone', bend: labels('MEETS_STRONG_INTEGRITY') },
  {
    name: 'a weaker label than policy asks for',
    bend: labels('MEETS_BASIC_INTEGRITY', 'MEETS_DEVICE_INTEGRITY'),
    fails: { PLAY_DEVICE_INTEGRITY: 'PLAY_INTEGRITY_DEVICE_REFUSED' },
  },
  {
    name: 'a weaker label, where it suffices',
    bend: labels('MEETS_BASIC_INTEGRITY', 'MEETS_DEVICE_INTEGRITY'),
    policy: { minimumDeviceIntegrity: 'MEETS_DEVICE_INTEGRITY' },
  },
  {
    name: 'a stronger label than policy asks for',
    bend: labels('MEETS_STRONG_INTEGRITY'),
    policy: { minimumDeviceIntegrity: 'MEETS_BASIC_INTEGRITY' },
  },
  {
    name: 'no label',
    bend: labels(),
    policy: { minimumDeviceIntegrity: 'MEETS_BASIC_INTEGRITY' },
    fails: { PLAY_DEVICE_INTEGRITY: 'PLAY_INTEGRITY_DEVICE_REFUSED' },
  },
  {
    name: 'an emulator',
    bend: labels('MEETS_VIRTUAL_INTEGRITY'),
    policy: { minimumDeviceIntegrity: 'MEETS_BASIC_INTEGRITY' },
    fails: { PLAY_DEVICE_INTEGRITY: 'PLAY_INTEGRITY_DEVICE_REFUSED' },
  },
  {
    name: 'an emulator with the label of a phone',
    bend: labels('MEETS_STRONG_INTEGRITY', 'MEETS_VIRTUAL_INTEGRITY'),
    fails: { PLAY_DEVICE_INTEGRITY: 'PLAY_INTEGRITY_DEVICE_REFUSED' },
  },
  {
    name: 'a label of tomorrow alone',
    bend: labels('MEETS_STRONGEST_INTEGRITY'),
    fails: { PLAY_DEVICE_INTEGRITY: 'PLAY_INTEGRITY_DEVICE_REFUSED' },
    tolerates: ['PLAY_VERDICT_KNOWN'],
  },
  {
    name: 'no word of the phone',
    bend: drop('deviceIntegrity'),
    fails: {
      PLAY_DEVICE_INTEGRITY: 'PLAY_INTEGRITY_DEVICE_REFUSED',
      PLAY_DEVICE_ACTIVITY: 'PLAY_INTEGRITY_ACTIVITY_TOO_HIGH',
    },
  },
  { name: 'as much activity as policy allows', bend: activity({ deviceActivityLevel: 'LEVEL_3' }) },
  ...(
    [
      ['too much activity', { deviceActivityLevel: 'LEVEL_4' }],
      ['activity that was not evaluated', { deviceActivityLevel: 'UNEVALUATED' }],
      ['no word of activity', undefined],
      ['activity without a level', {}],
    ] satisfies [string, unknown][]
  ).map(
    ([name, value]): Row => ({
      name,
      bend: activity(value),
      fails: { PLAY_DEVICE_ACTIVITY: 'PLAY_INTEGRITY_ACTIVITY_TOO_HIGH' },
    }),
  ),
  {
    name: 'activity that policy does not ask for',
    bend: activity({ deviceActivityLevel: 'LEVEL_4' }),
    policy: { maximumDeviceActivity: null },
    skips: ['PLAY_DEVICE_ACTIVITY'],
  },
];

const apps = (...values: string[]) =>
  set('environmentDetails', 'appAccessRiskVerdict', { appsDetected: ['KNOWN_INSTALLED', ...values] });

const ENVIRONMENT_ROWS: readonly Row[] = [
  {
    name: 'an application without a licence',
    bend: set('accountDetails', 'appLicensingVerdict', 'UNLICENSED'),
    fails: { PLAY_APP_LICENSED: 'PLAY_INTEGRITY_NOT_LICENSED' },
  },
  {
    name: 'a licence that was not evaluated',
    bend: set('accountDetails', 'appLicensingVerdict', 'UNEVALUATED'),
    fails: { PLAY_APP_LICENSED: 'PLAY_INTEGRITY_NOT_LICENSED' },
  },
  {
    name: 'no word of a licence',
    bend: drop('accountDetails'),
    fails: { PLAY_APP_LICENSED: 'PLAY_INTEGRITY_NOT_LICENSED' },
  },
  {
    name: 'no licence, where policy does not ask for one',
    bend: set('accountDetails', 'appLicensingVerdict', 'UNLICENSED'),
    policy: { licensing: null },
    skips: ['PLAY_APP_LICENSED'],
  },
  ...['NO_DATA', 'POSSIBLE_RISK', 'MEDIUM_RISK', 'HIGH_RISK', 'UNEVALUATED', undefined].map(
    (value): Row => ({
      name: `Play Protect that says ${value ?? 'nothing'}`,
      bend: set('environmentDetails', 'playProtectVerdict', value),
      fails: { PLAY_PROTECT_CLEAR: 'PLAY_INTEGRITY_PLAY_PROTECT' },
    }),
  ),
  {
    name: 'Play Protect that has not looked yet, where policy bears with it',
    bend: set('environmentDetails', 'playProtectVerdict', 'NO_DATA'),
    policy: { playProtect: ['NO_ISSUES', 'NO_DATA'] },
  },
  {
    name: 'Play Protect that policy does not ask for',
    bend: set('environmentDetails', 'playProtectVerdict', 'HIGH_RISK'),
    policy: { playProtect: null },
    skips: ['PLAY_PROTECT_CLEAR'],
  },
  ...['CAPTURING', 'OVERLAYS', 'CONTROLLING']
    .flatMap((risk) => [`KNOWN_${risk}`, `UNKNOWN_${risk}`])
    .map(
      (risk): Row => ({
        name: `an application that is ${risk}`,
        bend: apps(risk),
        tolerates: ['PLAY_APP_ACCESS_SAFE'],
        forbidsPin: true,
      }),
    ),
  {
    name: 'a known overlay, where policy bears with it',
    bend: apps('KNOWN_OVERLAYS'),
    policy: { appAccess: { forbidPin: ['UNKNOWN_OVERLAYS', 'UNKNOWN_CAPTURING', 'UNKNOWN_CONTROLLING'] } },
    tolerates: ['PLAY_APP_ACCESS_SAFE'],
  },
  {
    name: 'a risk of tomorrow',
    bend: apps('KNOWN_IMPERSONATING'),
    policy: { appAccess: { forbidPin: [] } },
    tolerates: ['PLAY_APP_ACCESS_SAFE', 'PLAY_VERDICT_KNOWN'],
    forbidsPin: true,
  },
  {
    name: 'other applications that were not evaluated',
    bend: set('environmentDetails', 'appAccessRiskVerdict', {}),
    tolerates: ['PLAY_APP_ACCESS_SAFE'],
    forbidsPin: true,
  },
  {
    name: 'an empty list of other applications',
    bend: set('environmentDetails', 'appAccessRiskVerdict', { appsDetected: [] }),
    tolerates: ['PLAY_APP_ACCESS_SAFE'],
    forbidsPin: true,
  },
  {
    name: 'other applications that were not evaluated, where policy bears with it',
    bend: unset('environmentDetails', 'appAccessRiskVerdict'),
    policy: { appAccess: { unevaluated: 'tolerate' } },
    tolerates: ['PLAY_APP_ACCESS_SAFE'],
  },
  {
    name: 'no word of the environment',
    bend: drop('environmentDetails'),
    fails: { PLAY_PROTECT_CLEAR: 'PLAY_INTEGRITY_PLAY_PROTECT' },
    tolerates: ['PLAY_APP_ACCESS_SAFE'],
  },
  {
    name: 'a field of tomorrow',
    bend: (document) => {
      document.accountRisk = { level: 'LOW' };
    },
    tolerates: ['PLAY_VERDICT_KNOWN'],
  },
  {
    name: 'a field of tomorrow, where policy does not bear with it',
    bend: (document) => {
      document.accountRisk = { level: 'LOW' };
    },
    policy: { unknownFields: 'refuse' },
    fails: { PLAY_VERDICT_KNOWN: 'PLAY_INTEGRITY_VERDICT_UNKNOWN' },
  },
];

const ROWS: readonly Row[] = [
  { name: 'the honest phone' },
  ...REQUEST_ROWS,
  ...APPLICATION_ROWS,
  ...DEVICE_ROWS,
  ...ENVIRONMENT_ROWS,
];

const appraiseRow = ({ bend, policy, terms }: Row, mode: 'required' | 'preferred') =>
  appraise(ok(verdictOf(documentOf(bend))), { policy: policyWith({ ...policy, mode }), ...terms });

describe.each(['required', 'preferred'] as const)('each rule decides alone where Play Integrity is %s', (mode) => {
  test.each(ROWS)('$name', (row) => {
    const { verdict, reasons, checks, facts } = appraiseRow(row, mode);
    const of = (status: string) => checks.filter((check) => check.status === status);
    expect(Object.fromEntries(of('fail').map(({ code, reason }) => [code, reason]))).toEqual(row.fails ?? {});
    expect(of('tolerated').map(({ code }) => code)).toEqual(row.tolerates ?? []);
    expect(of('skipped').map(({ code }) => code)).toEqual(row.skips ?? []);
    expect(new Set(reasons)).toEqual(new Set(Object.values(row.fails ?? {})));
    expect(reasons.every(isReason)).toBe(true);
    expect(verdict).toBe(row.fails === undefined ? 'accepted' : 'refused');
    expect(facts.forbidsPin).toBe(row.forbidsPin ?? row.fails !== undefined);
    expect(checks.map(({ code }) => code)).toEqual(INTEGRITY_CHECK_CODES);
  });
});

test('no rule about the verdict is without a row that it alone decides', () => {
  const alone = new Set(
    ROWS.map(({ fails, tolerates }) => [...Object.keys(fails ?? {}), ...(tolerates ?? [])])
      .filter((codes) => codes.length === 1)
      .flat(),
  );
  const [, , ...aboutVerdict] = INTEGRITY_CHECK_CODES;
  expect(aboutVerdict.filter((code) => !alone.has(code))).toEqual([]);
});
