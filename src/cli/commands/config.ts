import { Command } from 'commander';
import { readConfig } from '../../app/config.ts';
import { readPolicy } from '../../app/policy.ts';
import { print, printJson } from '../output.ts';

/** `tapgate config`. */
export function configCommand(): Command {
  const check = new Command('check')
    .description('checks a configuration file and the policy that it names')
    .argument('<file>', 'configuration file')
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  tapgate config check .tapgate/config.yaml')
    .action(async (file: string, options: { json?: boolean }) => {
      const config = await readConfig(file, '.', process.env);
      const policy = await readPolicy(config.policy);
      if (options.json) return printJson({ file, config, policy: policy.document, policyVersion: policy.version });
      print(`${file} is well formed.`);
      print(`${config.policy} is well formed: policy version ${policy.version}.`);
    });
  return new Command('config').description('configuration of the service').addCommand(check);
}
