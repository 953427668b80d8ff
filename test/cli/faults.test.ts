import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { initialiseVault } from '../../src/app/new-vault.ts';
import { vaultConfigSchema } from '../../src/app/vault-config.ts';
import { leavingFor } from '../../src/cli/exit.ts';
import { createProgram } from '../../src/cli/program.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tapgate-faults-'));
  const write = (name: string, text: string) => writeFile(join(folder, name), text, { mode: 0o600 });
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await write('anchor.pem', publicKey.export({ type: 'spki', format: 'pem' }).toString());
  await write('list.yaml', '- one\n');
  await write('text', 'some text\n');
  await mkdir(join(folder, 'empty'));
  const target = {
    device: { address: 'localhost:7401', ca: 'text', serviceAnchor: 'anchor.pem' },
    virtualPhones: 'factory',
    admin: { address: 'localhost:7403', ca: 'ca.crt', certificate: 'admin.crt', key: 'text' },
    acquirer: { name: 'acquirer', certificate: 'a.crt', key: 'a.key' },
  };
  await write('target.yaml', stringify(target));
  await initialiseVault(join(folder, 'made', 'vault'), vaultConfigSchema.parse({ kind: 'software' }));
});
afterAll(() => rm(folder, { recursive: true }));

/** A wrong word of a test throws, and ends no worker. */
function withoutExit(command: Command): Command {
  for (const inner of command.commands) withoutExit(inner);
  return command.exitOverride();
}

/** Runs a command line in this process, `@` standing for the folder: its exit code, and what it says at its end. */
async function faultOf(line: string): Promise<{ readonly code: number; readonly said: string }> {
  const quiet = jest.spyOn(process.stdout, 'write').mockImplementation(() => true);
  try {
    const words = line.split(' ').map((word) => word.replace('@', folder));
    await withoutExit(createProgram()).parseAsync(['node', 'tapgate', ...words]);
    throw new RangeError(`${line} went well`);
  } catch (error) {
    const { code, lines } = leavingFor(error);
    return { code, said: lines.join('\n').replaceAll(folder, '@') };
  } finally {
    quiet.mockRestore();
    process.exitCode = undefined;
  }
}

const TARGET = 'attack run --target @/target.yaml';

test.each<[string, RegExp]>([
  ['config check @/nope.yaml', /^@\/nope\.yaml does not exist\. Check the path/],
  ['config check @/empty', /^@\/empty is a folder\. Name a file/],
  [
    'vault bdk --bdk-id 01020304 --kind bdk-pin --component @/empty @/empty --data @/made',
    /@\/empty is a folder\. Name a file/,
  ],
  ['config check @/list.yaml', /^@\/list\.yaml: not a mapping\. Write names with values/],
  ['policy check @/nope.yaml', /^@\/nope\.yaml does not exist\. Check the path/],
  ['policy check @/text/below', /^@\/text\/below lies below something that is no folder\. Check the path/],
  ['device list --data @/empty', /^No service has been started on @\/empty\. Start one: tapgate serve/],
  ['device list --server localhost:1 --data @/empty', /No client certificate of admin@security .*tapgate certs init/],
  ['phone run --data @/empty', /tapgate serve/],
  ['attack run --target @/nope.yaml', /does not exist\. .*tapgate attack list --needs/],
  ['attack run no-such-attack --target @/target.yaml', /No attack is called no-such-attack\. All: tapgate attack list/],
  [TARGET, /acquirer\.certificate: @\/a\.crt does not exist\. Check the path/],
  [TARGET, /virtualPhones: @\/factory\/root\.key does not exist\. Check the path/],
  [TARGET, /device\.ca: @\/text is no certificate in PEM\. Put the right file there/],
  [TARGET, /admin\.key: @\/text is no private key in PEM\. Put the right file there/],
  ['vault status --data @/empty', /KEYSTORE_MISSING.*tapgate vault init/],
  ['vault component --out @/text', /^@\/text is there already, and is not written over\. Name another file/],
  ['vault component --out @/no/file', /^@\/no\/file does not exist\. Check the path, and that its folder is there/],
  ['vault init --data @/empty --passphrase-file @/nope', /PASSPHRASE_FILE.*mode 600/],
  ['attestation verify @/nope.pem', /nope\.pem does not exist\. Check the path/],
  ['token verify abc --jwks @/nope.json', /nope\.json does not exist\. Check the path/],
  ['token verify abc --jwks @/text', /^@\/text: .*Name a file of published keys.*--jwks/],
  ['audit verify --export @/nope.jsonl', /nope\.jsonl does not exist\. Check the path/],
  ['kill set --acquirer a --signer 00 --reason x', /--signer belongs to --build\. Name the build too/],
])('%s says what to do', async (line, said) => {
  const fault = await faultOf(line);
  expect(fault).toEqual({ code: 2, said: expect.stringMatching(said) });
  expect(fault.said).not.toMatch(/undefined|Unexpected|ENOENT/);
});

test('every file that a target names in vain is told at once', async () => {
  const { said } = await faultOf(TARGET);
  expect(said.split('\n').map((line) => line.split(':')[0]?.trim())).toEqual([
    '@/target.yaml names files that cannot be used',
    'device.ca',
    'virtualPhones',
    'virtualPhones',
    'virtualPhones',
    'admin.ca',
    'admin.certificate',
    'admin.key',
    'acquirer.certificate',
    'acquirer.key',
  ]);
});

test.each<[string, object, RegExp]>([
  ['a server that is too old', { name: 'ServerRefused' }, /^It said so\. Update the server/],
  ['a schema of another program', { name: 'MigrationRefused' }, /^It said so\. Start the program that this database/],
  ['a database that is away', { code: 'STORE_UNAVAILABLE' }, /^It said so\. Check that the database runs/],
  ['a bug', {}, /^Unexpected: It said so\. .* please report it/],
])('%s leaves with what to do', (_what, kind, said) => {
  expect(leavingFor(Object.assign(new Error('It said so'), kind))).toEqual({
    code: 3,
    lines: [expect.stringMatching(said)],
  });
});
