import { Command } from 'commander';
import { ConfigError, readConfig } from '../../app/config.ts';
import { DataFolder } from '../../app/data-folder.ts';
import { databaseAddress } from '../../app/database-address.ts';
import { withPermittedLengths } from '../../app/pin-lengths.ts';
import { readPolicy } from '../../app/policy.ts';
import { dataOption } from '../admin.ts';
import { print, printJson } from '../output.ts';

interface CheckOptions {
  readonly data: string;
  readonly json?: boolean;
}

/** `tapgate config`. */
export function configCommand(): Command {
  const check = new Command('check')
    .description('checks a configuration and the policy that it names')
    .argument('[file]', 'configuration file; by default the one of --data, or the defaults where it has none')
    .addOption(dataOption())
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  tapgate config check --data .tapgate')
    .action((file: string | undefined, options: CheckOptions) => checkConfig(file, options));
  return new Command('config').description('configuration of the service').addCommand(check);
}

async function checkConfig(given: string | undefined, options: CheckOptions): Promise<void> {
  const file = given ?? (await new DataFolder(options.data).configIfThere());
  const config = await readConfig(file, options.data, process.env);
  const policy = await readPolicy(config.policy);
  const permitted = withPermittedLengths(policy, config.vault);
  if (!permitted.ok) throw new ConfigError(`${config.policy} and the vault do not fit together:\n${permitted.detail}`);
  if (config.database !== undefined) await databaseAddress(config.database, process.env);
  if (options.json) return printJson({ file, config, policy: policy.document, policyVersion: policy.version });
  print(file === null ? `${options.data} has no configuration file: the defaults hold.` : `${file} is well formed.`);
  print(`${config.policy} is well formed: policy version ${policy.version}.`);
  if (config.database !== undefined) {
    const { host, port, user, database } = config.database;
    print(`The database is ${database} at ${host}, port ${port}, as ${user}; its password and certificates were read.`);
  }
}
