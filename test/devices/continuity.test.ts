import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { PlatformFacts } from '../../src/attestation/android/platform.ts';
import { type Baseline, baselineOf, continuityChecks, raised } from '../../src/devices/continuity.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { PLATFORM } from '../support/facts.ts';

const broken = (before: Baseline, facts: PlatformFacts) =>
  continuityChecks(before, facts).flatMap(({ code, status, reason }) => (status === 'fail' ? [[code, reason]] : []));

const BEFORE: PlatformFacts = { ...PLATFORM, patchLevels: { os: '202602', vendor: '20260205', boot: '20260205' } };
const baseline = baselineOf(BEFORE);

const levels = (over: Partial<PlatformFacts['patchLevels']>): Partial<PlatformFacts> => ({
  patchLevels: { ...BEFORE.patchLevels, ...over },
});
const root = (verifiedBootKey: string): Partial<PlatformFacts> => ({
  rootOfTrust: { ...BEFORE.rootOfTrust!, verifiedBootKey },
});
const application = (name: string, version: number, signer = 'ab'.repeat(32)): Partial<PlatformFacts> => ({
  applicationId: { packages: [{ name, version }], signers: [signer] },
});

describe('a phone that attests again', () => {
  test.each<[string, Partial<PlatformFacts>]>([
    ['the same', {}],
    ['a newer system', { osVersion: 160_001 }],
    ['newer patches', levels({ os: '202603', vendor: '20260305', boot: '20260305' })],
    ['a patch level of the same month that does not state its day', levels({ vendor: '202602' })],
    ['a patch level of the same month with the day 00', levels({ vendor: '20260200' })],
    ['a newer application', application('org.example.softpos', 8)],
    ['another hash of its boot', { rootOfTrust: { ...BEFORE.rootOfTrust!, verifiedBootHash: '0e'.repeat(32) } }],
    ['a key in StrongBox', { keySecurityLevel: 'STRONG_BOX', attestationSecurityLevel: 'STRONG_BOX' }],
  ])('may show %s', (_what, over) => {
    expect(broken(baseline, { ...BEFORE, ...over })).toEqual([]);
  });

  test.each<[string, Partial<PlatformFacts>, string, Reason]>([
    ['an older system', { osVersion: 150_000 }, 'OS_VERSION_NOT_DECREASED', 'OS_VERSION_DECREASED'],
    ['no system version', { osVersion: null }, 'OS_VERSION_NOT_DECREASED', 'OS_VERSION_DECREASED'],
    ['system version 0', { osVersion: 0 }, 'OS_VERSION_NOT_DECREASED', 'OS_VERSION_DECREASED'],
    ['an older system patch', levels({ os: '202601' }), 'OS_PATCH_NOT_DECREASED', 'PATCH_LEVEL_DECREASED'],
    ['an unknown system patch', levels({ os: 'unknown' }), 'OS_PATCH_NOT_DECREASED', 'PATCH_LEVEL_DECREASED'],
    [
      'a vendor patch of a day before',
      levels({ vendor: '20260204' }),
      'VENDOR_PATCH_NOT_DECREASED',
      'PATCH_LEVEL_DECREASED',
    ],
    [
      'a vendor patch that is no date',
      levels({ vendor: '2026' }),
      'VENDOR_PATCH_NOT_DECREASED',
      'PATCH_LEVEL_DECREASED',
    ],
    ['no boot patch', levels({ boot: null }), 'BOOT_PATCH_NOT_DECREASED', 'PATCH_LEVEL_DECREASED'],
    [
      'an older application',
      application('org.example.softpos', 6),
      'APP_VERSION_NOT_DECREASED',
      'APP_VERSION_DECREASED',
    ],
    ['another application', application('org.example.other', 9), 'APPLICATION_UNCHANGED', 'APPLICATION_CHANGED'],
    [
      'another signer',
      application('org.example.softpos', 7, 'cd'.repeat(32)),
      'APPLICATION_UNCHANGED',
      'APPLICATION_CHANGED',
    ],
    ['no application', { applicationId: null }, 'APPLICATION_UNCHANGED', 'APPLICATION_CHANGED'],
    ['another system key', root('0d'.repeat(32)), 'PLATFORM_UNCHANGED', 'PLATFORM_CHANGED'],
    ['no root of trust', { rootOfTrust: null }, 'PLATFORM_UNCHANGED', 'PLATFORM_CHANGED'],
    ['a key in software', { keySecurityLevel: 'SOFTWARE' }, 'PLATFORM_UNCHANGED', 'PLATFORM_CHANGED'],
  ])('may not show %s', (_what, over, code, reason) => {
    expect(broken(baseline, { ...BEFORE, ...over })).toEqual([[code, reason]]);
  });

  test('is held to nothing that it never stated', () => {
    const silent: PlatformFacts = {
      ...BEFORE,
      rootOfTrust: null,
      osVersion: null,
      patchLevels: { os: null, vendor: 'unknown', boot: null },
      applicationId: null,
    };
    expect(broken(baselineOf(silent), silent)).toEqual([]);
    expect(broken(baselineOf(silent), BEFORE)).toEqual([]);
    expect(raised(baselineOf(silent), BEFORE)).toEqual(baseline);
  });

  test('is told every rule that it breaks', () => {
    const fallen = { ...BEFORE, ...levels({ os: '202501', vendor: '20250105' }), osVersion: 1 };
    expect(broken(baseline, fallen).map(([code]) => code)).toEqual([
      'OS_VERSION_NOT_DECREASED',
      'OS_PATCH_NOT_DECREASED',
      'VENDOR_PATCH_NOT_DECREASED',
    ]);
  });
});

describe('the baseline', () => {
  const month = fc.integer({ min: 1, max: 12 }).map((number) => `2026${String(number).padStart(2, '0')}`);
  const day = fc.integer({ min: 0, max: 28 }).map((number) => String(number).padStart(2, '0'));
  const level = fc.oneof(
    month,
    fc.tuple(month, day).map(([first, last]) => first + last),
    fc.constantFrom(null, 'unknown', '0', '2026-02'),
  );
  const facts = fc
    .record({
      osVersion: fc.option(fc.integer({ min: 0, max: 3 })),
      os: level,
      vendor: level,
      boot: level,
      version: fc.integer({ min: 1, max: 4 }),
    })
    .map(({ osVersion, os, vendor, boot, version }): PlatformFacts => {
      const platform = { ...PLATFORM, osVersion, patchLevels: { os, vendor, boot } };
      return { ...platform, ...application('org.example.softpos', version) };
    });

  test('never falls: whoever is accepted after others is not below any of them', () => {
    fc.assert(
      fc.property(fc.array(facts, { minLength: 2, maxLength: 6 }), ([first, ...rest]) => {
        let before = baselineOf(first!);
        const accepted = [first!];
        for (const next of rest) {
          if (broken(before, next).length > 0) continue;
          before = raised(before, next);
          for (const earlier of accepted) expect(broken(baselineOf(earlier), next)).toEqual([]);
          accepted.push(next);
          expect(broken(before, next)).toEqual([]);
        }
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
