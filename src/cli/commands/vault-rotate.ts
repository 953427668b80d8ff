import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { rotateAnchor, rotateKek, rotateMasterKey } from '../../app/vault-renewal.ts';
import { encodePem } from '../../encoding/pem.ts';
import { dataOption } from '../admin.ts';
import { configuredVault, type VaultOptions, vaultConfigOption } from '../configured-vault.ts';
import { print, printJson } from '../output.ts';

interface RotateOptions extends VaultOptions {
  readonly by: string;
  readonly json?: boolean;
}

interface MasterKeyOptions extends RotateOptions {
  readonly newPassphraseFile?: string;
  readonly toFile?: boolean;
}

function ceremony(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .addOption(dataOption())
    .addOption(vaultConfigOption())
    .option('--by <name>', "who does it, for the keys' history", 'ceremony')
    .option('--json', 'one JSON object');
}

/** `tapgate vault rotate`: what protects the keystore itself is renewed at the vault's own machine. */
export function vaultRotateCommand(): Command {
  const kek = ceremony('kek', 'wraps every key of the vault under a new key-encryption key; a running vault goes on')
    .addHelpText('after', '\nExample:\n  tapgate vault rotate kek --by alice')
    .action((options: RotateOptions) => renewKek(options));
  const master = ceremony('master-key', 'gives the vault a new master key: file, passphrase, or root key on its token')
    .option('--new-passphrase-file <file>', 'the new master key comes from this passphrase, mode 0600')
    .option('--to-file', 'the new master key lies in a file beside the keys, where it came from a passphrase')
    .addHelpText(
      'after',
      '\nExample:\n  tapgate vault rotate master-key --new-passphrase-file /etc/tapgate/new-passphrase',
    )
    .action((options: MasterKeyOptions) => renewMasterKey(options));
  const anchor = ceremony('anchor', 'gives the vault a new anchor, which the old one endorses; phones follow')
    .requiredOption('--out <file>', 'a new file for the public key that the next version of the app ships, PEM')
    .addHelpText('after', '\nExample:\n  tapgate vault rotate anchor --out service-anchor-2.pem --by alice')
    .action((options: RotateOptions & { readonly out: string }) => renewAnchor(options));
  return new Command('rotate')
    .description("renews what protects the keys, at the vault's machine")
    .addCommand(kek)
    .addCommand(master)
    .addCommand(anchor);
}

async function renewKek(options: RotateOptions): Promise<void> {
  const { folder, vault } = await configuredVault(options);
  const { kekKcv } = await rotateKek(folder.vault, vault, options.by);
  if (options.json) return printJson({ vault: folder.vault, kekKcv });
  print(`Every key of ${folder.vault} is wrapped under a new key-encryption key: check value ${kekKcv}.`);
}

async function renewAnchor(options: RotateOptions & { readonly out: string }): Promise<void> {
  const { folder, vault } = await configuredVault(options);
  const anchor = await rotateAnchor(folder.vault, vault, options.by);
  await writeFile(options.out, encodePem('PUBLIC KEY', anchor));
  if (options.json) return printJson({ vault: folder.vault, anchor: anchor.toString('base64'), file: options.out });
  print(`The new anchor of ${folder.vault} is in ${options.out}: ship it in the next version of the app.`);
  print('Have the vault take it: SIGHUP, or the next start of the service. Phones that ship the old one follow.');
}

async function renewMasterKey(options: MasterKeyOptions): Promise<void> {
  const { folder, vault } = await configuredVault(options);
  const { newPassphraseFile, toFile } = options;
  const passphraseFile = newPassphraseFile === undefined ? undefined : resolve(newPassphraseFile);
  const { kekKcv } = await rotateMasterKey(folder.vault, vault, { passphraseFile, toFile }, options.by);
  if (options.json) return printJson({ vault: folder.vault, kekKcv });
  print(`The key-encryption key of ${folder.vault} (check value ${kekKcv}) is under a new master key.`);
  if (passphraseFile !== undefined)
    print(`Put ${passphraseFile} in the place of the passphrase that is configured, then restart the vault.`);
  else if (toFile) print('Take `passphraseFile` out of the configuration, then restart the vault.');
  else if (vault.kind === 'software')
    print('Keep a copy of master.key apart from it, and destroy the copies of the old one.');
}
