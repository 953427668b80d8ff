import { describe, expect, test } from '@jest/globals';
import { type AppraisedPhone, type TrustVector, trustVectorOf, worstTierOf } from '../../src/tokens/trust-vector.ts';
import { AFFIRMING } from '../support/tokens.ts';

type Status = AppraisedPhone['checks'][number]['status'];

const CODES = ['STATUS_LIST_CURRENT', 'NOT_REVOKED', 'OS_PATCH_CURRENT', 'VENDOR_PATCH_CURRENT', 'BOOT_PATCH_CURRENT'];
const PHONE: AppraisedPhone = {
  checks: CODES.map((code) => ({ code, status: 'pass' })),
  platform: {
    attestationSecurityLevel: 'TRUSTED_ENVIRONMENT',
    keySecurityLevel: 'TRUSTED_ENVIRONMENT',
    rootOfTrust: { deviceLocked: true, verifiedBootState: 'VERIFIED' },
    patchLevels: { os: '202602', vendor: '20260201', boot: '20260201' },
  },
};

const with_ = (platform: Partial<AppraisedPhone['platform']>, checks: Record<string, Status> = {}): AppraisedPhone => ({
  checks: [
    ...PHONE.checks.filter(({ code }) => !(code in checks)),
    ...Object.entries(checks).map(([code, status]) => ({ code, status })),
  ],
  platform: { ...PHONE.platform, ...platform },
});
const patches = (os: string | null) => ({ patchLevels: { ...PHONE.platform.patchLevels, os } });
const root = (deviceLocked: boolean, verifiedBootState: string) => ({
  rootOfTrust: { deviceLocked, verifiedBootState },
});
const without = (name: keyof TrustVector): TrustVector => {
  const { [name]: _, ...rest } = AFFIRMING;
  return rest;
};

describe('the trust vector', () => {
  test.each<[string, AppraisedPhone, TrustVector, string]>([
    ['of a phone that nothing speaks against', PHONE, AFFIRMING, 'affirming'],
    [
      'of keys in StrongBox',
      with_({ attestationSecurityLevel: 'STRONG_BOX', keySecurityLevel: 'STRONG_BOX' }),
      AFFIRMING,
      'affirming',
    ],
    ['of a system whose key policy names', with_(root(true, 'SELF_SIGNED')), AFFIRMING, 'affirming'],
    ['without a status list', with_({}, { STATUS_LIST_CURRENT: 'skipped' }), without('instance-identity'), 'affirming'],
    [
      'where revocation was not looked up',
      with_({}, { NOT_REVOKED: 'skipped' }),
      without('instance-identity'),
      'affirming',
    ],
    [
      'without a floor under a patch level',
      with_({}, { BOOT_PATCH_CURRENT: 'skipped' }),
      without('configuration'),
      'affirming',
    ],
    [
      'of an old patch level that policy bears with',
      with_(patches('202401'), { OS_PATCH_CURRENT: 'tolerated' }),
      { ...AFFIRMING, configuration: 32 },
      'warning',
    ],
    [
      'of a patch level 0',
      with_(patches('unknown'), { OS_PATCH_CURRENT: 'tolerated' }),
      { ...AFFIRMING, configuration: 36 },
      'warning',
    ],
    [
      'of a patch level that is not stated',
      with_(patches(null), { OS_PATCH_CURRENT: 'tolerated' }),
      { ...AFFIRMING, configuration: 36 },
      'warning',
    ],
    [
      'of an old patch level and one that is unknown: the worse counts',
      with_(patches('202401'), { OS_PATCH_CURRENT: 'tolerated', VENDOR_PATCH_CURRENT: 'tolerated' }),
      { ...AFFIRMING, configuration: 32 },
      'warning',
    ],
    [
      'of an unlocked phone',
      with_(root(false, 'VERIFIED')),
      { ...AFFIRMING, configuration: 32, executables: 33 },
      'warning',
    ],
    ['of an unverified system', with_(root(true, 'UNVERIFIED')), { ...AFFIRMING, executables: 33 }, 'warning'],
    [
      'without a root of trust',
      with_({ rootOfTrust: null }),
      { ...AFFIRMING, configuration: 32, executables: 33 },
      'warning',
    ],
    [
      'of a key in software',
      with_({ keySecurityLevel: 'SOFTWARE' }),
      { ...AFFIRMING, 'storage-opaque': 32 },
      'warning',
    ],
    [
      'of an attestation by software',
      with_({ attestationSecurityLevel: 'SOFTWARE' }),
      { ...AFFIRMING, hardware: 97, 'storage-opaque': 32 },
      'contraindicated',
    ],
  ])('%s', (_what, phone, vector, tier) => {
    expect(trustVectorOf(phone)).toEqual(vector);
    expect(worstTierOf(vector)).toBe(tier);
  });

  test('takes the worse of two checks of one name: one of each key', () => {
    const checks = [...PHONE.checks, { code: 'NOT_REVOKED', status: 'skipped' as const }];
    expect(trustVectorOf({ ...PHONE, checks })).toEqual(without('instance-identity'));
  });

  test('affirms nothing of checks that were not made', () => {
    expect(trustVectorOf({ ...PHONE, checks: [] })).toEqual({ executables: 3, hardware: 2, 'storage-opaque': 2 });
  });

  test.each([
    [{}, 'none'],
    [{ hardware: 0 }, 'none'],
    [{ hardware: -1 }, 'none'],
    [{ hardware: 2 }, 'affirming'],
    [{ hardware: 31 }, 'affirming'],
    [{ hardware: 32, executables: 2 }, 'warning'],
    [{ hardware: 95 }, 'warning'],
    [{ hardware: 96, executables: 2 }, 'contraindicated'],
  ])('%j is %s', (vector, tier) => {
    expect(worstTierOf(vector)).toBe(tier);
  });
});
