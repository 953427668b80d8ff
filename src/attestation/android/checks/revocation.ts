import { type AppraisalTerms, type Finding, fail, PASS, type Rule, skipped, tolerated } from '../../check.ts';

const HOUR = 3_600_000;

function ageHours({ statusList, at }: AppraisalTerms): number | null {
  return statusList === null ? null : (at.getTime() - statusList.fetchedAt.getTime()) / HOUR;
}

/** There is a status list, and it is not too old; else nothing can be said of revocation. */
const listCurrent: Rule = {
  code: 'STATUS_LIST_CURRENT',
  judge: (_, terms): Finding => {
    const { required, maximumAgeHours } = terms.policy.statusList;
    const age = ageHours(terms);
    if (age !== null && age <= maximumAgeHours) return PASS;
    const detail = age === null ? 'no status list' : `status list of ${Math.floor(age)} hours ago`;
    if (required) return fail('STATUS_LIST_UNAVAILABLE', detail);
    return age === null ? skipped(detail) : tolerated(detail);
  },
};

/** No certificate of the chain is listed. A listed one is refused whatever its status and however old the list. */
const notRevoked: Rule = {
  code: 'NOT_REVOKED',
  judge: ({ certificates }, { statusList }) => {
    if (statusList === null) return skipped('no status list');
    for (let position = 0; position < certificates.length; position += 1) {
      const { serial } = certificates[position]!;
      const listed = statusList.entries.get(serial);
      if (listed === undefined) continue;
      return fail(
        'CHAIN_REVOKED',
        `certificate ${position}, ${serial}: ${listed.status} ${listed.reason ?? ''}`.trim(),
      );
    }
    return PASS;
  },
};

/** Rules about Google's status list. */
export const REVOCATION_RULES: readonly Rule[] = [listCurrent, notRevoked];
