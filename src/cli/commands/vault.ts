import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { stringify } from 'yaml';
import { initialiseVault } from '../../app/new-vault.ts';
import { systemRandom } from '../../app/system.ts';
import { newComponent } from '../../vault/keystore/components.ts';
import { dataOption } from '../admin.ts';
import { configuredVault, type SourceOptions, type VaultOptions, vaultConfigOption } from '../configured-vault.ts';
import { print, printJson } from '../output.ts';
import { takeUpLogCommand } from './vault-audit.ts';
import { bdkCommand } from './vault-bdk.ts';
import { vaultServeCommand, vaultStatusCommand } from './vault-process.ts';
import { vaultRotateCommand } from './vault-rotate.ts';
import { tr34Command } from './vault-tr34.ts';
import { zoneCommand } from './vault-zone.ts';

interface InitOptions extends VaultOptions, SourceOptions {
  readonly json?: boolean;
}

/** `tapgate vault`. */
export function vaultCommand(): Command {
  const init = new Command('init')
    .description('makes a vault with fresh keys: in software, or on a PKCS #11 token')
    .addOption(dataOption())
    .addOption(vaultConfigOption())
    .option('--pkcs11', 'base derivation and signing keys on the token of --module, --token-label and --pin-file')
    .option('--module <file>', 'PKCS #11 module, a shared library')
    .option('--token-label <label>', 'label of the token, which is initialised and has a user PIN')
    .option('--pin-file <file>', "file with the token user's PIN, mode 0600")
    .option('--passphrase-file <file>', 'software vault whose master key comes from this passphrase, mode 0600')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  tapgate vault init\n  tapgate vault init --pkcs11 --module /usr/lib/softhsm/libsofthsm2.so' +
        ' --token-label tapgate --pin-file token.pin',
    )
    .action((options: InitOptions) => makeVault(options));
  const component = new Command('component')
    .description("makes one custodian's random component of a key, with its check value")
    .requiredOption('--out <file>', 'a new file, to be kept by that custodian alone')
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  tapgate vault component --out one.txt')
    .action((options: { out: string; json?: boolean }) => makeComponent(options));
  const vault = new Command('vault').description('the vault and its keys');
  return vault
    .addCommand(init)
    .addCommand(vaultStatusCommand())
    .addCommand(vaultServeCommand())
    .addCommand(vaultRotateCommand())
    .addCommand(takeUpLogCommand())
    .addCommand(component)
    .addCommand(zoneCommand())
    .addCommand(bdkCommand())
    .addCommand(tr34Command());
}

async function makeVault(options: InitOptions): Promise<void> {
  const { folder, vault } = await configuredVault(options, options);
  await folder.make();
  await initialiseVault(folder.vault, vault);
  const configured = { ...vault, socketAccess: undefined };
  if (options.json) return printJson({ vault: folder.vault, configuration: { vault: configured } });
  if (vault.kind === 'pkcs11')
    print(`A vault was made in ${folder.vault}, with its keys on the token ${vault.tokenLabel}.`);
  else if (vault.passphraseFile !== undefined)
    print(`A software vault was made in ${folder.vault}, under the passphrase.`);
  else return print(`A software vault was made in ${folder.vault}. Keep a copy of master.key apart from it.`);
  print('It is found by this part of the configuration:');
  print(stringify({ vault: configured }).trimEnd());
}

async function makeComponent(options: { readonly out: string; readonly json?: boolean }): Promise<void> {
  const { component, kcv } = newComponent(systemRandom);
  await writeFile(options.out, `${component} ${kcv}\n`, { mode: 0o600, flag: 'wx' });
  if (options.json) return printJson({ file: options.out, kcv });
  print(`A component was written to ${options.out}: check value ${kcv}. Nobody but its custodian may read it.`);
}
