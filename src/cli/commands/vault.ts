import { readFile, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { stringify } from 'yaml';
import { ConfigError } from '../../app/config.ts';
import { systemClock, systemRandom } from '../../app/system.ts';
import { initialiseVault, openKeystoreOf } from '../../app/vault.ts';
import { type KeyComponent, newComponent } from '../../vault/keystore/components.ts';
import { enterZoneKek, makeZoneKeys } from '../../vault/keystore/zone-ceremony.ts';
import { dataOption } from '../admin.ts';
import { configuredVault, type SourceOptions, type VaultOptions, vaultConfigOption } from '../configured-vault.ts';
import { print, printJson } from '../output.ts';
import { vaultServeCommand, vaultStatusCommand } from './vault-process.ts';

interface InitOptions extends VaultOptions, SourceOptions {
  readonly json?: boolean;
}

interface ZoneOptions extends VaultOptions {
  readonly acquirer: string;
  readonly component: readonly string[];
  readonly out: string;
  readonly replace?: boolean;
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
  const zone = new Command('zone')
    .description("enters an acquirer's key-encryption key from components and makes its zone keys under it")
    .addOption(dataOption())
    .addOption(vaultConfigOption())
    .requiredOption('--acquirer <name>', 'acquirer')
    .requiredOption('--component <file...>', 'two or more files, one a custodian: hex, a space, check value')
    .requiredOption('--out <file>', "where the acquirer's key blocks are written")
    .option('--replace', 'take keys out of use that are there already')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  tapgate vault zone --acquirer acquirer --component one.txt two.txt --out acquirer-zone.json',
    )
    .action((options: ZoneOptions) => enterZone(options));
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
    .addCommand(component)
    .addCommand(zone);
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

async function readComponent(file: string): Promise<KeyComponent> {
  const [hex = '', kcv = ''] = (await readFile(file, 'utf8')).trim().split(/\s+/);
  return { component: hex, kcv };
}

async function enterZone(options: ZoneOptions): Promise<void> {
  const { folder, vault } = await configuredVault(options);
  const keystore = await openKeystoreOf(folder.vault, vault);
  const { acquirer, replace = false } = options;
  const components = await Promise.all(options.component.map(readComponent));
  const ceremony = { random: systemRandom, clock: systemClock, by: 'ceremony', replace };
  const kek = enterZoneKek(keystore, { acquirer, components }, ceremony);
  if (!kek.ok) throw new ConfigError(`The zone key of ${acquirer} was not entered: ${kek.reason} ${kek.detail ?? ''}`);
  const keys = makeZoneKeys(keystore, acquirer, ceremony);
  if (!keys.ok)
    throw new ConfigError(`The zone keys of ${acquirer} were not made: ${keys.reason} ${keys.detail ?? ''}`);
  const { pin, data } = keys.value;
  const blocks = { acquirer, pinKeyBlock: pin.block, dataKeyBlock: data.block };
  await writeFile(options.out, `${JSON.stringify(blocks, null, 2)}\n`, { mode: 0o600 });
  const shown = {
    acquirer,
    kekKcv: kek.value.kcv,
    pinKey: pin.keyId,
    pinKcv: pin.kcv,
    dataKey: data.keyId,
    dataKcv: data.kcv,
  };
  if (options.json) return printJson(shown);
  print(`Key-encryption key of ${acquirer}: check value ${shown.kekKcv}`);
  print(`Zone PIN key  ${pin.keyId}: check value ${pin.kcv}`);
  print(`Zone data key ${data.keyId}: check value ${data.kcv}`);
  print(`Key blocks for the acquirer: ${options.out}. A running service takes the keys at its next start.`);
}
