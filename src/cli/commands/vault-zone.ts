import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { ConfigError } from '../../app/config.ts';
import { faultText } from '../../app/fault-text.ts';
import { openKeystoreOf } from '../../app/keystore.ts';
import { systemClock, systemRandom } from '../../app/system.ts';
import type { Keystore } from '../../vault/keystore/place.ts';
import type { CeremonyOptions } from '../../vault/keystore/zone-ceremony.ts';
import { enterZoneKek, makeZoneKeys } from '../../vault/keystore/zone-ceremony.ts';
import { dataOption } from '../admin.ts';
import { configuredVault, type VaultOptions, vaultConfigOption } from '../configured-vault.ts';
import { print, printJson } from '../output.ts';
import { bringComponents, type ComponentOptions } from './vault-components.ts';

interface ZoneOptions extends VaultOptions, ComponentOptions {
  readonly acquirer: string;
  readonly out?: string;
  readonly kekOnly?: boolean;
  readonly tdea?: boolean;
  readonly replace?: boolean;
  readonly json?: boolean;
}

/** The options by which a ceremony is told of its components. */
export function withComponents(command: Command): Command {
  return command
    .option('--component <file...>', 'two or more files, one a custodian: hex, a space, check value')
    .option('--custodians <count>', 'how many custodians are asked at the terminal, where there are no files', '2')
    .option('--check-value <hex>', 'what the other side shows of the whole key, 6 digits or more');
}

/** `tapgate vault zone`. */
export function zoneCommand(): Command {
  const command = new Command('zone')
    .description("enters an acquirer's key-encryption key from components and makes its zone keys under it")
    .addOption(dataOption())
    .addOption(vaultConfigOption())
    .requiredOption('--acquirer <name>', 'acquirer');
  return withComponents(command)
    .option('--out <file>', "where the acquirer's key blocks are written")
    .option('--kek-only', 'make no zone keys: the acquirer sends its own, see tapgate key import')
    .option('--tdea', "a key of TDEA, for the acquirer's key blocks of version B or C; makes no zone keys")
    .option('--replace', 'take keys out of use that are there already')
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nWithout --component each custodian is asked at the terminal, one after the other; the component is not shown.' +
        '\nExamples:\n  tapgate vault zone --acquirer acquirer --out acquirer-zone.json' +
        '\n  tapgate vault zone --acquirer acquirer --component one.txt two.txt --out acquirer-zone.json' +
        '\n  tapgate vault zone --acquirer acquirer --kek-only',
    )
    .action((options: ZoneOptions) => enterZone(options));
}

async function enterZone(options: ZoneOptions): Promise<void> {
  const { acquirer, out, kekOnly = false, tdea = false, replace = false } = options;
  const makes = !kekOnly && !tdea;
  if (makes && out === undefined)
    throw new ConfigError(
      'Say where the key blocks for the acquirer go (--out), or that it sends its own (--kek-only)',
    );
  const { folder, vault } = await configuredVault(options);
  const keystore = await openKeystoreOf(folder.vault, vault);
  const algorithm = tdea ? 'TDES' : 'AES';
  const { components, by } = await bringComponents(options, algorithm);
  const ceremony = { random: systemRandom, clock: systemClock, by, replace };
  const kek = enterZoneKek(keystore, { acquirer, components, algorithm }, ceremony);
  if (!kek.ok) throw new ConfigError(`The zone key of ${acquirer} was not entered: ${faultText(kek)}`);
  const made = makes && out !== undefined ? await makeKeys(keystore, acquirer, ceremony, out) : null;
  const shown = { acquirer, kekKcv: kek.value.kcv, ...(made ?? {}) };
  if (options.json) return printJson(shown);
  print(`Key-encryption key of ${acquirer}: check value ${shown.kekKcv}`);
  if (made !== null) {
    print(`Zone PIN key  ${made.pinKey}: check value ${made.pinKcv}`);
    print(`Zone data key ${made.dataKey}: check value ${made.dataKcv}`);
    print(`Key blocks for the acquirer: ${out}.`);
  }
  print('A running vault takes the keys at its next start, or at SIGHUP.');
}

interface MadeKeys {
  readonly pinKey: string;
  readonly pinKcv: string;
  readonly dataKey: string;
  readonly dataKcv: string;
}

async function makeKeys(
  keystore: Keystore,
  acquirer: string,
  ceremony: CeremonyOptions,
  out: string,
): Promise<MadeKeys> {
  const keys = makeZoneKeys(keystore, acquirer, ceremony);
  if (!keys.ok) throw new ConfigError(`The zone keys of ${acquirer} were not made: ${faultText(keys)}`);
  const { pin, data } = keys.value;
  const blocks = { acquirer, pinKeyBlock: pin.block, dataKeyBlock: data.block };
  await writeFile(out, `${JSON.stringify(blocks, null, 2)}\n`, { mode: 0o600 });
  return { pinKey: pin.keyId, pinKcv: pin.kcv, dataKey: data.keyId, dataKcv: data.kcv };
}
