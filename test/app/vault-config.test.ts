import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ConfigError, readConfig } from '../../src/app/config.ts';
import { withPermittedLengths } from '../../src/app/pin-lengths.ts';
import { readPolicy } from '../../src/app/policy.ts';
import { environmentOf, sourceOf, type VaultConfig } from '../../src/app/vault-config.ts';

const DEFAULT_POLICY = join(import.meta.dirname, '../../src/app/policy.default.yaml');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tapgate-config-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function vaultOf(text: string, environment: Record<string, string> = {}): Promise<VaultConfig> {
  const file = join(folder, 'config.yaml');
  await writeFile(file, text);
  return (await readConfig(file, folder, environment)).vault;
}

describe('the configuration of the vault', () => {
  test('is a software vault as a child, where nothing is said', async () => {
    const vault = await vaultOf('');
    expect(vault).toEqual({ kind: 'software', socketAccess: 'owner' });
    expect(sourceOf(vault)).toEqual({ kind: 'software', passphraseFile: undefined });
    expect(environmentOf(vault)).toEqual({});
  });

  test('names a token; paths start at the file', async () => {
    const vault = await vaultOf(
      [
        'vault:',
        '  kind: pkcs11',
        '  module: /usr/lib/module.so',
        '  tokenLabel: tapgate',
        '  pinFile: token.pin',
        '  socket: run/vault.sock',
        '  environment: { SOFTHSM2_CONF: /etc/softhsm2.conf }',
      ].join('\n'),
    );
    expect(vault.socket).toBe(join(folder, 'run/vault.sock'));
    expect(sourceOf(vault)).toEqual({
      kind: 'pkcs11',
      module: '/usr/lib/module.so',
      tokenLabel: 'tapgate',
      pinFile: join(folder, 'token.pin'),
    });
    expect(environmentOf(vault)).toEqual({ SOFTHSM2_CONF: '/etc/softhsm2.conf' });
  });

  test('is overridden by the environment', async () => {
    const vault = await vaultOf('', {
      TAPGATE_CONFIG_VAULT: '{ kind: software, passphraseFile: /run/secrets/passphrase }',
    });
    expect(vault).toMatchObject({ kind: 'software', passphraseFile: '/run/secrets/passphrase' });
  });

  test('states the PIN lengths that policies may state: all of ISO 9564-1 where nothing is said', async () => {
    const { document, version } = await readPolicy(DEFAULT_POLICY);
    const permits = (vault: VaultConfig, minimumLength: number, maximumLength: number) =>
      withPermittedLengths(
        { version, document: { ...document, pin: { ...document.pin, minimumLength, maximumLength } } },
        vault,
      );
    const silent = await vaultOf('');
    expect(withPermittedLengths({ version, document }, silent).ok).toBe(true);
    expect(permits(silent, 4, 6)).toMatchObject({ reason: 'POLICY_INVALID', detail: expect.stringContaining('4-12') });
    const told = await vaultOf("vault: { kind: software, pinLengths: ['4-6', '6-6'] }");
    expect(told.pinLengths).toEqual(['4-6', '6-6']);
    expect([permits(told, 4, 6).ok, permits(told, 6, 6).ok, permits(told, 4, 12).ok]).toEqual([true, true, false]);
  });

  test.each([
    ['a PIN of 3 digits', "{ kind: software, pinLengths: ['3-12'] }"],
    ['a PIN of 13 digits', "{ kind: software, pinLengths: ['4-13'] }"],
    ['bounds the wrong way round', "{ kind: software, pinLengths: ['6-5'] }"],
    ['no bounds', '{ kind: software, pinLengths: [] }'],
    ['what are no bounds', "{ kind: software, pinLengths: ['any'] }"],
    ['more bounds than would hide anything', "{ kind: software, pinLengths: ['4-4', '5-5', '6-6', '7-7', '8-8'] }"],
    ['an unknown kind', '{ kind: cloud }'],
    ['a token without its PIN', '{ kind: pkcs11, module: m.so, tokenLabel: t }'],
    ['a token with a passphrase', '{ kind: pkcs11, module: m.so, tokenLabel: t, pinFile: p, passphraseFile: f }'],
    ['a label that no token has', `{ kind: pkcs11, module: m.so, tokenLabel: ${'t'.repeat(33)}, pinFile: p }`],
    ...['NODE_OPTIONS', 'LD_PRELOAD', 'OPENSSL_CONF', 'A B'].map((name) => [
      `the variable ${name}`,
      `{ kind: pkcs11, module: m.so, tokenLabel: t, pinFile: p, environment: { "${name}": x } }`,
    ]),
  ])('is refused with %s', async (_what, vault) => {
    await expect(vaultOf(`vault: ${vault}`)).rejects.toMatchObject({ name: ConfigError.name });
  });
});
