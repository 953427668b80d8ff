import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { format, layers, types, unused } from '../../src/checks/code.ts';
import { contractBreaking, contractLint, generatedUpToDate } from '../../src/checks/contract.ts';
import { portableSql } from '../../src/checks/portable-sql.ts';
import { domainPurity } from '../../src/checks/purity.ts';
import { temporaryCheckout } from './checkout.ts';

let empty: ReturnType<typeof temporaryCheckout>;

beforeAll(() => {
  empty = temporaryCheckout({});
});

afterAll(() => empty.dispose());

test.each([
  ['format', format],
  ['types', types],
  ['unused', unused],
  ['layers', layers],
  ['purity', domainPurity],
  ['sql', portableSql],
  ['contract-lint', contractLint],
  ['generated', generatedUpToDate],
] as const)('%s fails where it saw no files', async (_, check) => {
  expect(await check(empty.root)).toMatchObject({ status: 'failed' });
});

test('contract-breaking is skipped, not passed, where there is no commit', async () => {
  expect(await contractBreaking(empty.root)).toMatchObject({ status: 'skipped' });
});
