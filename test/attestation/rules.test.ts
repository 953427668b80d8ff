import { describe, expect, test } from '@jest/globals';
import { CHECK_CODES, type KeyEvidence } from '../../src/attestation/appraise.ts';
import { TOLERANCES } from '../../src/attestation/policy.ts';
import { APPLICATION_ROWS } from './rows/application.ts';
import { ENCODING_ROWS } from './rows/encoding.ts';
import { KEY_ROWS } from './rows/key.ts';
import { PATCHES_ROWS } from './rows/patches.ts';
import { PATH_ROWS } from './rows/path.ts';
import { PLATFORM_ROWS } from './rows/platform.ts';
import { POSITION_ROWS } from './rows/position.ts';
import { REVOCATION_ROWS } from './rows/revocation.ts';
import type { Row } from './rows/row.ts';
import { ANCHORS, appraise, chainOf, policyWith } from './support/phone.ts';

const ROWS = [
  ...PATH_ROWS,
  ...POSITION_ROWS,
  ...REVOCATION_ROWS,
  ...PLATFORM_ROWS,
  ...KEY_ROWS,
  ...APPLICATION_ROWS,
  ...PATCHES_ROWS,
  ...ENCODING_ROWS,
];

const appraiseRow = ({ phone, chain, evidence }: Row, over: Partial<KeyEvidence> = {}) =>
  appraise(chain?.() ?? chainOf(phone), { anchors: ANCHORS, ...evidence, ...over });

describe('each rule decides alone', () => {
  test.each(ROWS)('$name', (row) => {
    const { verdict, reasons, checks } = appraiseRow(row);
    const failed = checks.filter(({ status }) => status === 'fail');
    expect(Object.fromEntries(failed.map(({ code, reason }) => [code, reason]))).toEqual(row.fails ?? {});
    expect(new Set(reasons)).toEqual(new Set(Object.values(row.fails ?? {})));
    expect(verdict).toBe(row.fails === undefined ? 'trusted' : 'refused');
    const tolerated = checks.filter(({ status }) => status === 'tolerated').map(({ code }) => code);
    expect(tolerated).toEqual(row.tolerates ?? []);
    expect(checks.map(({ code }) => code)).toEqual(CHECK_CODES);
    const details = Object.fromEntries(checks.map(({ code, detail }) => [code, detail]));
    expect(details).toMatchObject(row.details ?? {});
  });
});

describe('each irregularity', () => {
  const irregular = ROWS.filter(({ tolerates, fails, evidence }) => tolerates && !fails && !evidence);

  test.each(irregular)('$name is refused where policy does not bear with it', (row) => {
    const { verdict, checks } = appraiseRow(row, { policy: policyWith({ tolerances: [] }) });
    const failed = checks.filter(({ status }) => status === 'fail');
    expect(failed.map(({ code }) => code)).toEqual(row.tolerates);
    expect(new Set(failed.map(({ reason }) => reason))).toEqual(new Set(['CHAIN_IRREGULAR']));
    expect(verdict).toBe('refused');
  });

  test('has a row of its own', () => {
    const covered = new Set(irregular.flatMap(({ tolerates }) => tolerates ?? []));
    expect(TOLERANCES.filter((code) => !covered.has(code))).toEqual([]);
  });
});

test('no rule is without a row that it alone decides', () => {
  const alone = new Set(
    ROWS.map(({ fails, tolerates }) => [...Object.keys(fails ?? {}), ...(tolerates ?? [])])
      .filter((codes) => codes.length === 1)
      .flat(),
  );
  expect(CHECK_CODES.filter((code) => !alone.has(code))).toEqual([]);
});
