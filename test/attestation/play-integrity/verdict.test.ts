import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  integrityVerdictOf,
  parseIntegrityVerdict,
  VERDICT_LIMITS,
} from '../../../src/attestation/play-integrity/verdict.ts';
import { ok } from '../../../src/reasons/result.ts';
import { AT, appraise, bytesOf, type Document, documentOf, PACKAGE, SIGNER, verdictOf } from './support/verdict.ts';

const FULL = {
  testingDetails: { isTestingResponse: false },
  environmentDetails: {
    playProtectVerdict: 'NO_ISSUES',
    appAccessRiskVerdict: { appsDetected: ['KNOWN_INSTALLED', 'UNKNOWN_OVERLAYS'] },
  },
  accountDetails: { appLicensingVerdict: 'LICENSED' },
  deviceIntegrity: {
    deviceRecall: {
      writeDates: { yyyymmFirst: 202601 },
      values: { bitFirst: true, bitSecond: false, bitThird: false },
    },
    recentDeviceActivity: { deviceActivityLevel: 'LEVEL_2' },
    deviceAttributes: { sdkVersion: 35 },
    deviceRecognitionVerdict: ['MEETS_DEVICE_INTEGRITY'],
  },
  appIntegrity: {
    versionCode: '42',
    certificateSha256Digest: [`${Buffer.from(SIGNER, 'hex').toString('base64url')}=`],
    packageName: PACKAGE,
    appRecognitionVerdict: 'PLAY_RECOGNIZED',
  },
  requestDetails: { timestampMillis: '1781524800000', requestHash: 'aGVsbG8', requestPackageName: PACKAGE },
};

const parse = (document: unknown) => parseIntegrityVerdict(bytesOf(document));

describe('a verdict', () => {
  test('is read whole, in any order, with numbers as numbers and digests in hex', () => {
    expect(parse(FULL)).toEqual(
      ok({
        ...FULL,
        requestDetails: { ...FULL.requestDetails, timestampMillis: AT.getTime() },
        appIntegrity: { ...FULL.appIntegrity, versionCode: 42, certificateSha256Digest: [SIGNER] },
        unknown: [],
      }),
    );
  });

  test('needs no more than its request', () => {
    const { requestDetails } = documentOf();
    expect(parse({ requestDetails })).toMatchObject({ ok: true, value: { unknown: [] } });
  });

  test('is frozen through and through', () => {
    const verdict = verdictOf({ ...FULL, later: { a: 1 } });
    const thaw = (value: unknown): unknown[] =>
      typeof value !== 'object' || value === null
        ? []
        : [...(Object.isFrozen(value) ? [] : [value]), ...Object.values(value).flatMap(thaw)];
    expect(thaw(verdict)).toEqual([]);
  });

  test('keeps what it does not know, apart from what it knows', () => {
    const verdict = verdictOf(
      documentOf((document) => {
        document.deviceIntegrity!.deviceRecognitionVerdict = ['MEETS_STRONG_INTEGRITY', 'MEETS_MORE'];
        document.deviceIntegrity!.deviceAttributes = { sdkVersion: 35, bootloader: { locked: true } };
        document.environmentDetails!.playProtectVerdict = 'NO_RISK_AT_ALL';
        document.somethingNew = { deep: [1, 'two'] };
      }),
    );
    expect(verdict.unknown).toEqual([
      { path: 'somethingNew', json: '{"deep":[1,"two"]}' },
      { path: 'deviceIntegrity.deviceAttributes.bootloader', json: '{"locked":true}' },
      { path: 'deviceIntegrity.deviceRecognitionVerdict', json: '"MEETS_MORE"' },
      { path: 'environmentDetails.playProtectVerdict', json: '"NO_RISK_AT_ALL"' },
    ]);
    expect(Object.keys(verdict)).not.toContain('somethingNew');
    expect(verdict.deviceIntegrity?.deviceAttributes).toEqual({ sdkVersion: 35 });
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('takes %s for an unknown field', (name) => {
    const text = JSON.stringify(documentOf()).replace(/^\{/, `{"${name}":{"isTestingResponse":true},`);
    const parsed = parseIntegrityVerdict(Buffer.from(text));
    expect(parsed).toMatchObject({
      ok: true,
      value: { unknown: [{ path: name, json: '{"isTestingResponse":true}' }] },
    });
    expect(parsed.ok && Object.getPrototypeOf(parsed.value)).toBe(Object.getPrototypeOf({}));
  });
});

const bent = (section: string, field: string, value: unknown): [string, unknown] => [
  `${section}.${field}`,
  documentOf((document) => {
    document[section]![field] = value;
  }),
];

describe('refused', () => {
  test.each([
    ...[1781524800000, '-1', '01', '1e3', ' 1', '', '9223372036854775807', '8640000000000001', null].map((value) =>
      bent('requestDetails', 'timestampMillis', value),
    ),
    ...['', 'a'.repeat(256), 'org\nexample', 7].map((value) => bent('requestDetails', 'requestPackageName', value)),
    ...['', 'a'.repeat(501), ['x']].map((value) => bent('requestDetails', 'nonce', value)),
    ...[42, '42 ', '18446744073709551616'].map((value) => bent('appIntegrity', 'versionCode', value)),
    ...['PLAY\u0000RECOGNIZED', 'A'.repeat(65), {}].map((value) =>
      bent('appIntegrity', 'appRecognitionVerdict', value),
    ),
    bent('appIntegrity', 'certificateSha256Digest', Array(17).fill(Buffer.alloc(32).toString('base64url'))),
    bent('appIntegrity', 'certificateSha256Digest', 'x'),
    bent('deviceIntegrity', 'deviceRecognitionVerdict', Array(17).fill('MEETS_BASIC_INTEGRITY')),
    bent('deviceIntegrity', 'deviceAttributes', { sdkVersion: '35' }),
    bent('deviceIntegrity', 'deviceRecall', { values: { bitFirst: 1 } }),
    bent('environmentDetails', 'appAccessRiskVerdict', { appsDetected: Array(33).fill('KNOWN_INSTALLED') }),
    bent('environmentDetails', 'appAccessRiskVerdict', []),
  ])('%s', (path, document) => {
    const parsed = parse(document);
    expect(parsed).toMatchObject({ ok: false, reason: 'VERDICT_FIELD_INVALID' });
    expect(parsed.ok ? '' : parsed.detail).toContain(path);
  });

  test.each([
    ['of 31 bytes', Buffer.alloc(31).toString('base64url')],
    ['of 33 bytes', Buffer.alloc(33).toString('base64url')],
    ['in ordinary base64', Buffer.alloc(32, 0xfb).toString('base64')],
    ['with loose bits at its end', `${'A'.repeat(42)}B`],
    ['in hex', SIGNER],
  ])('a digest %s', (_, digest) => {
    const [, document] = bent('appIntegrity', 'certificateSha256Digest', [digest]);
    expect(parse(document)).toMatchObject({
      ok: false,
      reason: 'VERDICT_FIELD_INVALID',
      detail: 'appIntegrity.certificateSha256Digest.0: invalid_format',
    });
  });

  test.each([
    ['no request', {}],
    ['a request that is a list', { requestDetails: [] }],
    ['a request that is null', { requestDetails: null }],
    ['a test flag that is text', { ...FULL, testingDetails: { isTestingResponse: 'false' } }],
  ])('%s', (_, document) => {
    expect(parse(document)).toMatchObject({ ok: false, reason: 'VERDICT_FIELD_INVALID' });
  });

  test.each(['', 'null', '[]', '"text"', '7', '{', '{}{}'])('%j, which is no JSON object', (text) => {
    expect(parseIntegrityVerdict(Buffer.from(text))).toMatchObject(
      text === '{}' ? { ok: true } : { ok: false, reason: 'VERDICT_NOT_JSON' },
    );
  });

  test('what is not UTF-8', () => {
    expect(parseIntegrityVerdict(Buffer.of(0x7b, 0xff, 0x7d))).toEqual({ ok: false, reason: 'VERDICT_NOT_JSON' });
  });

  test('more bytes than a verdict has', () => {
    const document = { ...FULL, filler: 'x'.repeat(VERDICT_LIMITS.maximumBytes) };
    expect(parse(document)).toEqual({ ok: false, reason: 'VERDICT_TOO_LARGE' });
  });

  test.each([
    ['deep', `{"a":${'['.repeat(8000)}${']'.repeat(8000)}}`],
    ['wide', `{"a":[${Array(600).fill(0).join()}]}`],
  ])('a document that is too %s', (_, text) => {
    expect(parseIntegrityVerdict(Buffer.from(text))).toEqual({ ok: false, reason: 'VERDICT_TOO_COMPLEX' });
  });
});

describe('whatever comes', () => {
  const runs = { seed: 1, numRuns: 500 };

  test('bytes are read or refused, and never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(typeof parseIntegrityVerdict(bytes).ok).toBe('boolean');
      }),
      runs,
    );
  });

  test('JSON is read or refused, and never throws', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(typeof integrityVerdictOf(value).ok).toBe('boolean');
        expect(typeof integrityVerdictOf({ requestDetails: value, appIntegrity: value }).ok).toBe('boolean');
      }),
      runs,
    );
  });

  const sections = Object.keys(documentOf());
  const anyBend = fc.record({
    section: fc.constantFrom(...sections),
    pick: fc.nat(),
    value: fc.oneof(fc.jsonValue(), fc.constant(undefined)),
  });

  const bendField = (
    document: Document,
    { section, pick, value }: { section: string; pick: number; value: unknown },
  ) => {
    const fields = Object.keys(document[section]!);
    document[section]![fields[pick % fields.length]!] = value;
  };

  test('one bent field refuses, or leaves the rest as it was', () => {
    fc.assert(
      fc.property(anyBend, (bend) => {
        const document = documentOf((honest) => bendField(honest, bend));
        const parsed = parse(document);
        if (!parsed.ok) return;
        const honest = verdictOf(documentOf()) as unknown as Document;
        const others = sections.filter((section) => section !== bend.section);
        expect(others.map((section) => (parsed.value as unknown as Document)[section])).toEqual(
          others.map((section) => honest[section]),
        );
      }),
      runs,
    );
  });

  test('a field that changes its meaning is never accepted in silence', () => {
    fc.assert(
      fc.property(anyBend, (bend) => {
        const parsed = parse(documentOf((honest) => bendField(honest, bend)));
        if (!parsed.ok) return;
        const { verdict, checks } = appraise(ok(parsed.value));
        const { unknown, ...known } = parsed.value;
        const { unknown: _, ...honest } = verdictOf(documentOf());
        const isHonest = JSON.stringify(known) === JSON.stringify(honest) && unknown.length === 0;
        const isReported = checks.some(({ status }) => status === 'tolerated');
        // deviceAttributes is for the record: no rule rests on it.
        const isRecordOnly = bend.section === 'deviceIntegrity';
        expect(isHonest || isReported || isRecordOnly || verdict === 'refused').toBe(true);
      }),
      runs,
    );
  });

  test('unknown fields anywhere change nothing that is known', () => {
    const name = fc.string({ minLength: 1, maxLength: 12 }).map((text) => `x${text}`);
    fc.assert(
      fc.property(fc.constantFrom('', ...sections), name, fc.jsonValue({ maxDepth: 3 }), (section, field, value) => {
        const document = documentOf((honest) => {
          const target: Record<string, unknown> = section === '' ? honest : honest[section]!;
          target[field] = value;
        });
        const parsed = parse(document);
        if (!parsed.ok) return expect(parsed.reason).toBe('VERDICT_TOO_COMPLEX');
        const { unknown, ...known } = parsed.value;
        const { unknown: _, ...honest } = verdictOf(documentOf());
        expect(known).toEqual(honest);
        expect(unknown).toEqual([
          {
            path: section === '' ? field : `${section}.${field}`,
            json: JSON.stringify(JSON.parse(JSON.stringify(value))),
          },
        ]);
      }),
      runs,
    );
  });
});
