import { Command } from 'commander';
import { packageVersion } from '../app/build.ts';

/** The `tapgate` command with these nouns. Commands throw; the entry turns that into words and an exit code. */
export function programOf(commands: readonly Command[]): Command {
  const program = new Command('tapgate')
    .description('Security service behind softPOS: attests phones, injects keys, enforces PIN policy, gates payments.')
    .version(packageVersion())
    .showHelpAfterError('(tapgate --help explains)')
    .configureHelp({ sortSubcommands: true })
    .addHelpText('after', '\nExit codes: 0 done, 1 refused, 2 wrong usage or configuration, 3 nothing decided.');
  for (const command of commands) program.addCommand(command);
  return program;
}
