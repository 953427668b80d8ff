import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ConfigError, readConfig } from '../../src/app/config.ts';
import { environmentOf, sourceOf, type VaultConfig } from '../../src/app/vault-config.ts';

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

  test.each([
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
