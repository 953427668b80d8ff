import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { format, types, unused } from '../../src/checks/code.ts';
import { contractBreaking, contractLint, generatedUpToDate } from '../../src/checks/contract.ts';
import type { Check } from '../../src/checks/finding.ts';
import { generate, writeGenerated } from '../../src/checks/generated.ts';
import { lockfile } from '../../src/checks/lock.ts';
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

describe('the check of package-lock.json', () => {
  const lock = (entry: object) => JSON.stringify({ packages: { '': {}, 'node_modules/a': entry } });

  test.each([
    ['passes one with hashes and no addresses', { integrity: 'sha512-x' }, 'passed'],
    ['finds an address', { integrity: 'sha512-x', resolved: 'https://registry.example/a.tgz' }, 'failed'],
    ['finds a package without a hash', {}, 'failed'],
  ])('%s', async (_, entry, status) => {
    expect(await lockfile(checkoutOf({ 'package-lock.json': lock(entry) }))).toMatchObject({ status });
  });
});
