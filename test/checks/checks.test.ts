import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { format, types, unused } from '../../src/checks/code.ts';
import { contractBreaking, contractLint, generatedUpToDate } from '../../src/checks/contract.ts';
import type { Check } from '../../src/checks/finding.ts';
import { generate, writeGenerated } from '../../src/checks/generated.ts';
import { lockfile } from '../../src/checks/lock.ts';
import { portableSql } from '../../src/checks/portable-sql.ts';
import { domainPurity } from '../../src/checks/purity.ts';
import { temporaryCheckout } from './checkout.ts';

let checkout: ReturnType<typeof temporaryCheckout> | undefined;

afterEach(() => checkout?.dispose());

function checkoutOf(files: Record<string, string>): string {
  checkout = temporaryCheckout(files);
  return checkout.root;
}

const PROTO = `syntax = "proto3";

package tapgate.v1;

message Tap {
  string order = 1;
  uint64 amount = 2;
}
`;
const PROTO_PATH = 'proto/tapgate/v1/tap.proto';

describe('the checks of code', () => {
  const cases: readonly (readonly [string, Check, string, string])[] = [
    ['format', format, "export const a = 'b';\n", 'export const a = "b"\n'],
    ['types', types, 'export const a: number = 1;\n', "export const a: number = '1';\n"],
    ['purity', domainPurity, '// Date.now() is not for us\nexport const a = 1;\n', 'export const a = Date.now();\n'],
    ['purity', domainPurity, 'export const at = (now: Date) => now;\n', 'export const at = new Date();\n'],
    ['purity', domainPurity, 'export const a = 1;\n', 'export const a = process.env.A;\n'],
    ['purity', domainPurity, 'export const a = 1;\n', 'export const a = Math.random();\n'],
    ['purity', domainPurity, 'export const a = 1;\n', 'setTimeout(() => {}, 1);\n'],
  ];

  test.each(cases)('%s passes sound code and finds the fault', async (_, check, sound, faulty) => {
    const root = checkoutOf({ 'src/gate/a.ts': sound });
    expect(await check(root)).toMatchObject({ status: 'passed', output: expect.any(String) });
    writeFileSync(join(root, 'src/gate/a.ts'), faulty);
    expect(await check(root)).toMatchObject({ status: 'failed', output: expect.stringContaining('src/gate/a.ts') });
  });

  test('unused finds a file that nothing imports', async () => {
    const root = checkoutOf({ 'src/gate/lonely.ts': 'export const a = 1;\n', 'src/cli/tapgate.ts': '' });
    const finding = await unused(root);
    expect(finding).toMatchObject({ status: 'failed', output: expect.stringContaining('src/gate/lonely.ts') });
  });
});

describe('the checks of the wire contract', () => {
  test('contract-lint finds a field that is not in snake case', async () => {
    const root = checkoutOf({ [PROTO_PATH]: PROTO });
    expect(await contractLint(root)).toMatchObject({ status: 'passed', seen: '1 protos' });
    writeFileSync(join(root, PROTO_PATH), PROTO.replace('order', 'orderId'));
    expect(await contractLint(root)).toMatchObject({ status: 'failed' });
  });

  test('contract-breaking finds a field whose type differs from that of the last commit', async () => {
    const root = checkoutOf({ [PROTO_PATH]: PROTO });
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@example.org', ...args], {
        cwd: root,
        stdio: 'ignore',
      });
    git('init');
    git('add', 'buf.yaml', 'proto');
    git('commit', '--no-verify', '--message', 'first');
    expect(await contractBreaking(root)).toMatchObject({ status: 'passed' });
    writeFileSync(join(root, PROTO_PATH), PROTO.replace('uint64 amount', 'string amount'));
    expect(await contractBreaking(root)).toMatchObject({ status: 'failed' });
  });

  test('generated finds code that is missing, changed by hand or without a source', async () => {
    const root = checkoutOf({ [PROTO_PATH]: PROTO });
    expect(await generatedUpToDate(root)).toMatchObject({ status: 'failed' });
    await writeGenerated(root, await generate(root));
    expect(await generatedUpToDate(root)).toMatchObject({ status: 'passed' });
    writeFileSync(join(root, 'src/gen/tapgate/v1/tap.ts'), '');
    expect(await generatedUpToDate(root)).toMatchObject({ output: expect.stringContaining('not up to date: src/gen') });
    await writeGenerated(root, await generate(root));
    mkdirSync(join(root, 'src/gen/old'));
    writeFileSync(join(root, 'src/gen/old/gone.ts'), '');
    expect(await generatedUpToDate(root)).toMatchObject({
      output: expect.stringContaining('has no source: src/gen/old'),
    });
    rmSync(join(root, PROTO_PATH));
    expect(await generatedUpToDate(root)).toMatchObject({ status: 'failed' });
  });
});

describe('the check of SQL', () => {
  const MIGRATION = 'src/store/sql/migrations/001.do.a.sql';

  test.each([
    'CREATE TABLE a (id INT8 PRIMARY KEY);',
    'CREATE UNIQUE INDEX a_by_b ON a (b);',
    'ALTER TABLE a ADD COLUMN b TEXT;',
    'ALTER TABLE a DROP COLUMN b;',
    'CREATE TABLE IF NOT EXISTS a (id BIGSERIAL PRIMARY KEY);',
    'CREATE TABLE IF NOT EXISTS a (amount MONEY);',
    'CREATE TRIGGER b AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION c();',
    'ALTER TABLE a ADD CONSTRAINT b UNIQUE (c) DEFERRABLE;',
  ])('finds the migration %s', async (text) => {
    const finding = await portableSql(checkoutOf({ [MIGRATION]: `-- about a\n${text}\n` }));
    expect(finding).toMatchObject({ status: 'failed', output: expect.stringContaining(`${MIGRATION}:2`) });
  });

  test.each(['SELECT pg_advisory_lock(1)', 'LISTEN a', 'SELECT 1 FROM a FOR SHARE', 'SELECT $1::DOUBLE PRECISION'])(
    'finds the statement %s',
    async (text) => {
      const finding = await portableSql(checkoutOf({ 'src/store/sql/a.ts': `export const A = '${text}';\n` }));
      expect(finding).toMatchObject({ status: 'failed', output: expect.stringContaining('src/store/sql/a.ts:1') });
    },
  );

  test('passes what both databases have', async () => {
    const root = checkoutOf({
      [MIGRATION]: '-- no TRIGGER here\nCREATE TABLE IF NOT EXISTS a (id UUID PRIMARY KEY, amount INT8 NOT NULL);\n',
      'src/store/sql/a.ts': "export const A = 'UPDATE a SET amount = $1 WHERE id = $2 RETURNING id';\n",
    });
    expect(await portableSql(root)).toMatchObject({ status: 'passed', seen: '2 files' });
  });
});

describe('the check of package-lock.json', () => {
  const lock = (entry: object) => JSON.stringify({ packages: { '': {}, 'node_modules/a': entry } });

  test.each([
    ['passes one with hashes and no addresses', { integrity: 'sha512-x' }, 'passed'],
    ['finds an address', { integrity: 'sha512-x', resolved: 'https://registry.example/a.tgz' }, 'failed'],
    ['finds a package without a hash', {}, 'failed'],
    ['passes a package of another platform without a hash', { optional: true, os: ['win32'] }, 'passed'],
    ['finds a dependency that is not locked', { integrity: 'sha512-x', dependencies: { b: '1' } }, 'failed'],
    [
      'finds an optional dependency that is not locked',
      { integrity: 'sha512-x', optionalDependencies: { b: '1' } },
      'failed',
    ],
    ['passes a dependency that is locked above', { integrity: 'sha512-x', dependencies: { a: '1' } }, 'passed'],
  ])('%s', async (_, entry, status) => {
    expect(await lockfile(checkoutOf({ 'package-lock.json': lock(entry) }))).toMatchObject({ status });
  });
});
