import { readFile, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { ConfigError } from '../../app/config.ts';
import { DataFolder } from '../../app/data-folder.ts';
import { systemClock, systemRandom } from '../../app/system.ts';
import { type KeyComponent, newComponent } from '../../vault/keystore/components.ts';
import { initialise } from '../../vault/keystore/initialise.ts';
import { enterZoneKek, makeZoneKeys } from '../../vault/keystore/zone-ceremony.ts';
import { dataOption } from '../admin.ts';
import { print, printJson } from '../output.ts';

interface ZoneOptions {
  readonly data: string;
  readonly acquirer: string;
  readonly component: readonly string[];
  readonly out: string;
  readonly replace?: boolean;
  readonly json?: boolean;
}

/** `tapgate vault`. */
export function vaultCommand(): Command {
  const init = new Command('init')
    .description('makes a software vault with fresh keys')
    .addOption(dataOption())
    .option('--json', 'one JSON object')
    .action((options: { data: string; json?: boolean }) => makeVault(options));
  const zone = new Command('zone')
    .description("enters an acquirer's key-encryption key from components and makes its zone keys under it")
    .addOption(dataOption())
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
  const vault = new Command('vault').description('the software vault and its keys');
  return vault.addCommand(init).addCommand(component).addCommand(zone);
}

async function makeVault(options: { readonly data: string; readonly json?: boolean }): Promise<void> {
  const folder = new DataFolder(options.data);
  await folder.make();
  const made = initialise(folder.vault, { random: systemRandom, clock: systemClock });
  if (!made.ok) throw new ConfigError(`${folder.vault}: ${made.reason}`);
  if (options.json) return printJson({ vault: folder.vault });
  print(`A software vault was made in ${folder.vault}. Keep a copy of master.key apart from it.`);
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
  const folder = new DataFolder(options.data);
  const { acquirer, replace = false } = options;
  const components = await Promise.all(options.component.map(readComponent));
  const ceremony = { random: systemRandom, clock: systemClock, by: 'ceremony', replace };
  const kek = enterZoneKek(folder.vault, { acquirer, components }, ceremony);
  if (!kek.ok) throw new ConfigError(`The zone key of ${acquirer} was not entered: ${kek.reason} ${kek.detail ?? ''}`);
  const keys = makeZoneKeys(folder.vault, acquirer, ceremony);
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
