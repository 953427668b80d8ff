import { Command, Option } from 'commander';
import { ConfigError, readText } from '../../app/config.ts';
import { faultText } from '../../app/fault-text.ts';
import { openKeystoreOf } from '../../app/keystore.ts';
import { systemClock, systemRandom } from '../../app/system.ts';
import { isTolerance, KEY_BLOCK_TOLERANCES, type Tolerance } from '../../keys/tolerance.ts';
import { enterBdk, type IncomingBdk } from '../../vault/keystore/bdk-ceremony.ts';
import { dataOption } from '../admin.ts';
import { configuredVault, type VaultOptions, vaultConfigOption } from '../configured-vault.ts';
import { print, printJson } from '../output.ts';
import { bringComponents, type ComponentOptions } from './vault-components.ts';
import { withComponents } from './vault-zone.ts';

interface BdkOptions extends VaultOptions, ComponentOptions {
  readonly kind: IncomingBdk['kind'];
  readonly bdkId: string;
  readonly keyBlock?: string;
  readonly tolerate?: readonly string[];
  readonly json?: boolean;
}

/** `tapgate vault bdk`. */
export function bdkCommand(): Command {
  const command = new Command('bdk')
    .description('enters a base derivation key (AES-128) from another HSM, into a prepared slot')
    .addOption(dataOption())
    .addOption(vaultConfigOption())
    .addOption(
      new Option('--kind <kind>', 'what it is for').choices(['bdk-pin', 'bdk-account-data']).makeOptionMandatory(),
    )
    .requiredOption('--bdk-id <hex>', '8 digits, of this service alone')
    .option('--key-block <file>', 'X9.143 key block; the components are then those of the key that it is under')
    .option('--tolerate <names...>', KEY_BLOCK_TOLERANCES.join(', '));
  return withComponents(command)
    .option('--json', 'one JSON object')
    .addHelpText(
      'after',
      '\nExamples:\n  tapgate vault bdk --kind bdk-pin --bdk-id A1B2C3D4' +
        '\n  tapgate vault bdk --kind bdk-pin --bdk-id A1B2C3D4 --key-block bdk.txt --component one.txt two.txt',
    )
    .action((options: BdkOptions) => enter(options));
}

async function enter(options: BdkOptions): Promise<void> {
  const { kind, keyBlock: file, tolerate: names = [] } = options;
  const unknown = names.find((name) => !isTolerance(name));
  if (unknown !== undefined)
    throw new ConfigError(`${unknown} is nothing that can be tolerated. Names: tapgate vault bdk --help`);
  const { folder, vault } = await configuredVault(options);
  const keystore = await openKeystoreOf(folder.vault, vault);
  const keyBlock = file === undefined ? undefined : (await readText(file)).trim();
  const { components, by } = await bringComponents(options);
  const tolerate = new Set(names.filter(isTolerance)) satisfies ReadonlySet<Tolerance>;
  const incoming = { kind, bdkId: options.bdkId.toUpperCase(), components, tolerate };
  const turn = { random: systemRandom, clock: systemClock, by };
  const entered = enterBdk(keystore, keyBlock === undefined ? incoming : { ...incoming, keyBlock }, turn);
  if (!entered.ok) throw new ConfigError(`The base derivation key was not entered: ${faultText(entered)}`);
  const { slotId, kcv, kekKcv, tolerated } = entered.value;
  if (options.json) return printJson({ slot: slotId, kcv, kekKcv, tolerated });
  if (kekKcv !== null) print(`Key that the key block is under: check value ${kekKcv}`);
  print(`${slotId} is prepared: check value ${kcv}. Compare it with what the other HSM shows.`);
  for (const name of tolerated) print(`Tolerated: ${name}`);
  print(`A running vault takes it at its next start, or at SIGHUP; then: tapgate key activate ${slotId}`);
}
