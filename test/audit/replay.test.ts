import { describe, expect, test } from '@jest/globals';
import { replay } from '../../src/audit/replay.ts';
import { gateRulesOf } from '../../src/gate/policy.ts';
import { unwrap } from '../support/unwrap.ts';
import { kept, policy } from './decisions.ts';

const gate = gateRulesOf(policy());

describe('a decision that is taken again', () => {
  test.each([
    ['an approval', kept(), { reasons: [], same: true, foundElsewhere: [] }],
    [
      'a refusal that the checks find again',
      kept({ outcome: 'refused', reasons: ['CVM_REQUIRED'], grant: { expectedVerification: 'online-pin' } }),
      { reasons: ['CVM_REQUIRED'], same: true, foundElsewhere: [] },
    ],
    [
      'a refusal of the vault',
      kept({
        outcome: 'refused',
        reasons: ['CARD_BRAND_MISMATCH'],
        facts: { foundElsewhere: ['CARD_BRAND_MISMATCH'] },
      }),
      { reasons: ['CARD_BRAND_MISMATCH'], same: true, foundElsewhere: ['CARD_BRAND_MISMATCH'] },
    ],
    [
      'an approval that should have been refused',
      kept({ grant: { expectedVerification: 'online-pin' } }),
      { reasons: ['CVM_REQUIRED'], same: false, foundElsewhere: [] },
    ],
    [
      'a refusal that nothing speaks for',
      kept({ outcome: 'refused', reasons: ['CVM_REQUIRED'] }),
      { reasons: [], same: false, foundElsewhere: [] },
    ],
    [
      'a refusal for another reason',
      kept({ outcome: 'refused', reasons: ['GRANT_EXPIRED'], grant: { expectedVerification: 'online-pin' } }),
      { reasons: ['CVM_REQUIRED'], same: false, foundElsewhere: [] },
    ],
  ])('%s', (_what, record, expected) => {
    expect(unwrap(replay(record, gate))).toEqual(expected);
  });

  test('is judged by what its policy says of the card that was tapped', () => {
    const limit = { currency: 978, scheme: 'mastercard', noPinAmountMinor: 0, maximumAmountMinor: 1249 };
    const rules = gateRulesOf(policy({ verificationLimits: [limit] }));
    const refused = kept({ outcome: 'refused', reasons: ['AMOUNT_OVER_LIMIT'] });
    expect(unwrap(replay(refused, rules))).toMatchObject({ reasons: ['AMOUNT_OVER_LIMIT'], same: true });
    expect(unwrap(replay(kept(), rules))).toMatchObject({ reasons: ['AMOUNT_OVER_LIMIT'], same: false });
  });

  test('is judged as of its own time', () => {
    const late = kept({ grant: { expiresAt: kept().decidedAt } });
    expect(unwrap(replay(late, gate)).reasons).toEqual(['GRANT_EXPIRED']);
  });

  test('needs facts that read', () => {
    const { stored: _, facts: __, ...row } = kept();
    expect(replay({ ...row, unreadable: true }, gate)).toEqual({ ok: false, reason: 'AUDIT_FACTS_UNREADABLE' });
  });

  test('needs its facts', () => {
    expect(replay(kept({ facts: null }), gate)).toEqual({ ok: false, reason: 'AUDIT_FACTS_MISSING' });
  });
});
