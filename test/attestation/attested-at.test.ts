import { describe, expect, test } from '@jest/globals';
import { DAY, dated } from './rows/row.ts';
import {
  AT,
  appraise,
  chainOf,
  type PhoneBends,
  policyWith,
  provisioningExtension,
  statusList,
  withExtensions,
} from './support/phone.ts';

const RKP = provisioningExtension(Buffer.of(0xa1, 0x01, 0x08));
const LATER = new Date(AT.getTime() + 30 * DAY);
const STRICT = policyWith({ tolerances: [] });
const CURRENT = statusList({}, LATER);

/** Phones whose certificates were good at AT and have expired since, with the check that says so. */
const EXPIRED: readonly [string, PhoneBends][] = [
  ['REMOTE_PROVISIONING_CURRENT', { lower: (lower) => dated(-7, 7)(withExtensions(RKP)(lower)) }],
  ['FACTORY_CERTIFICATES_CURRENT', { upper: dated(-900, 7) }],
  ['ANCHOR_CERTIFICATE_CURRENT', { root: dated(-900, 7) }],
  ['LEAF_DATES_PLAUSIBLE', { leaf: dated(-7, 7) }],
];

describe('evidence that is appraised again', () => {
  test.each(EXPIRED)('has its certificates judged as of when it was given: %s', (code, phone) => {
    const again = (over: { readonly attestedAt?: Date }) =>
      appraise(chainOf(phone), { at: LATER, policy: STRICT, statusList: CURRENT, ...over });
    const failed = ({ checks }: ReturnType<typeof again>) =>
      checks.filter(({ status }) => status === 'fail').map((check) => check.code);
    expect(failed(again({}))).toEqual([code]);
    expect(again({ attestedAt: AT })).toMatchObject({ verdict: 'trusted' });
    expect(failed(again({ attestedAt: new Date(AT.getTime() + 8 * DAY) }))).toEqual([code]);
  });

  test('has everything else judged as of now: the status list and its age, the patch floors', () => {
    const again = (over: Partial<Parameters<typeof appraise>[1]>) =>
      appraise(chainOf(), { at: LATER, attestedAt: AT, statusList: CURRENT, ...over }).reasons;
    expect(again({})).toEqual([]);
    expect(again({ statusList: statusList({ abcd: 'REVOKED' }, LATER) })).toEqual(['CHAIN_REVOKED']);
    expect(again({ statusList: statusList({}, AT) })).toEqual(['STATUS_LIST_UNAVAILABLE']);
    const years = new Date(AT.getTime() + 900 * DAY);
    expect(again({ at: years, statusList: statusList({}, years) })).toEqual(['PATCH_TOO_OLD']);
  });
});
