import { Command } from 'commander';
import { dukptCommand } from '../tool/dukpt.ts';
import { kcvCommand } from '../tool/kcv.ts';
import { keyBlockCommand } from '../tool/key-block.ts';
import { pinBlockCommand } from '../tool/pin-block.ts';
import { TEST_KEYS_ONLY } from '../tool/test-key.ts';

/** `tapgate tool`. */
export function toolCommand(): Command {
  const tool = new Command('tool')
    .description('computes, explains and diagnoses payment cryptography, with test keys')
    .addHelpText('after', `\n${TEST_KEYS_ONLY}`);
  for (const command of [dukptCommand(), keyBlockCommand(), pinBlockCommand(), kcvCommand()]) tool.addCommand(command);
  return tool;
}
