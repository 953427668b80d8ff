import { beforeAll, expect, test } from '@jest/globals';
import { layers } from '../../src/checks/code.ts';
import type { Finding } from '../../src/checks/finding.ts';
import { temporaryCheckout } from './checkout.ts';

/** Files that any row may import. */
const TARGETS = {
  'src/app/start.ts': '',
  'src/checks/check.ts': '',
  'src/encoding/bytes.ts': '',
  'src/gate/decide.ts': '',
  'src/payment-crypto/cmac.ts': '',
  'src/reasons/catalogue.ts': '',
  'src/server/listen.ts': '',
  'src/store/sql/rows.ts': '',
  'src/vault/open.ts': '',
  'test/fixture.ts': '',
};

/** Rule, file, what it imports. One row a rule and more where a rule guards several things. */
const VIOLATIONS: readonly (readonly [string, string, string])[] = [
  ['no-cycles', 'src/emv/a.ts', './b.ts'],
  ['no-unresolvable', 'src/emv/a.ts', './nowhere.ts'],
  ['no-unresolvable', 'src/emv/a.ts', 'no-such-package'],
  ['no-undeclared-packages', 'src/server/a.ts', 'jest'],
  ['kernel-stands-alone', 'src/encoding/a.ts', '../gate/decide.ts'],
  ['reasons-import-nothing', 'src/reasons/a.ts', '../encoding/bytes.ts'],
  ['domain-points-inward', 'src/gate/a.ts', '../server/listen.ts'],
  ['domain-points-inward', 'src/pin/a.ts', '../payment-crypto/cmac.ts'],
  ['domain-is-pure', 'src/gate/a.ts', 'node:net'],
  ['domain-is-pure', 'src/keys/a.ts', 'node:fs'],
  ['domain-is-pure', 'src/audit/a.ts', 'node:process'],
  ['domain-is-pure', 'src/sessions/a.ts', 'node:timers/promises'],
  ['domain-knows-zod-only', 'src/gate/a.ts', 'pg'],
  ['domain-knows-zod-only', 'src/gate/a.ts', '@grpc/grpc-js'],
  ['domain-knows-zod-only', 'src/sessions/a.ts', 'redis'],
  ['domain-knows-zod-only', 'src/devices/a.ts', 'jose'],
  ['tokens-know-jose-and-zod-only', 'src/tokens/a.ts', 'pg'],
  ['x509-knows-forge-only', 'src/x509/a.ts', 'jose'],
  ['x509-is-pure', 'src/x509/a.ts', 'node:fs'],
  ['policy-stands-alone', 'src/policy/a.ts', '../gate/decide.ts'],
  ['payment-crypto-is-the-vaults', 'src/server/a.ts', '../payment-crypto/cmac.ts'],
  ['payment-crypto-stands-alone', 'src/payment-crypto/a.ts', '../gate/decide.ts'],
  ['payment-crypto-stands-alone', 'src/payment-crypto/a.ts', 'node-forge'],
  ['payment-crypto-is-pure', 'src/payment-crypto/a.ts', 'node:fs'],
  ['verifier-is-small', 'src/verifier/a.ts', '../gate/decide.ts'],
  ['nothing-imports-the-outside', 'src/jobs/a.ts', '../app/start.ts'],
  ['server-points-inward', 'src/server/a.ts', '../store/sql/rows.ts'],
  ['store-implements-ports', 'src/store/a.ts', '../server/listen.ts'],
  ['vault-implements-ports', 'src/vault/a.ts', '../store/sql/rows.ts'],
  ['app-chooses-the-store', 'src/cli/a.ts', '../store/sql/rows.ts'],
  ['app-chooses-the-vault', 'src/cli/a.ts', '../vault/open.ts'],
  ['virtual-stays-outside', 'src/virtual/a.ts', '../server/listen.ts'],
  ['tools-stay-outside', 'src/app/a.ts', '../checks/check.ts'],
  ['tests-stay-outside', 'src/app/a.ts', '../../test/fixture.ts'],
];

/** One checkout with every violation, each in a file of its own. */
const files = VIOLATIONS.map(([rule, file, imported], index) => ({
  rule,
  imported,
  path: file.replace('/a.ts', `/a${index}.ts`),
}));

let finding: Finding;

beforeAll(async () => {
  const violating = files.map(({ path, imported }) => [path, `import '${imported}';\n`]);
  const other = "import './a0.ts';\n";
  const checkout = temporaryCheckout({ ...TARGETS, ...Object.fromEntries(violating), 'src/emv/b.ts': other });
  finding = await layers(checkout.root);
  checkout.dispose();
});

test.each(files)('$rule: $path may not import $imported', ({ rule, path }) => {
  expect(finding.status).toBe('failed');
  expect(finding.output.split('\n').filter((line) => line.startsWith(`${rule}: ${path} -> `))).toHaveLength(1);
});

test('what the layers allow passes, types included', async () => {
  const checkout = temporaryCheckout({
    ...TARGETS,
    'src/app/wire.ts': "import '../store/sql/rows.ts';\nimport '../vault/open.ts';\nimport '../server/listen.ts';\n",
    'src/gate/allowed.ts':
      "import 'node:crypto';\nimport 'zod';\nimport '../encoding/bytes.ts';\nimport './decide.ts';\n",
    'src/store/sql/allowed.ts': "import 'pg';\nimport type {} from '../../gate/decide.ts';\n",
    'src/vault/allowed.ts': "import '../payment-crypto/cmac.ts';\n",
  });
  try {
    expect(await layers(checkout.root)).toMatchObject({
      status: 'passed',
      seen: expect.stringMatching(/^[1-9]\d* modules$/),
    });
  } finally {
    checkout.dispose();
  }
});
