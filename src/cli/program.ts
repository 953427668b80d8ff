import { Command } from 'commander';
import { packageVersion } from '../app/build.ts';
import { attestationCommand } from './commands/attestation.ts';
import { certsCommand } from './commands/certs.ts';
import { configCommand } from './commands/config.ts';
import { demoCommand } from './commands/demo.ts';
import { deviceCommand } from './commands/device.ts';
import { inviteCommand } from './commands/invite.ts';
import { keyCommand } from './commands/key.ts';
import { phoneCommand } from './commands/phone.ts';
import { revocationCommand } from './commands/revocation.ts';
import { serveCommand } from './commands/serve.ts';
import { tokenCommand } from './commands/token.ts';
import { toolCommand } from './commands/tool.ts';
import { vaultCommand } from './commands/vault.ts';

/** The `tapgate` command with all its nouns. Commands throw; the entry turns that into words and an exit code. */
export function createProgram(): Command {
  const program = new Command('tapgate')
    .description('Security service behind softPOS: attests phones, injects keys, enforces PIN policy, gates payments.')
    .version(packageVersion())
    .showHelpAfterError('(tapgate --help explains)')
    .configureHelp({ sortSubcommands: true })
    .addHelpText('after', '\nExit codes: 0 done, 1 refused, 2 wrong usage or configuration, 3 nothing decided.');
  const commands = [
    serveCommand(),
    demoCommand(),
    certsCommand(),
    vaultCommand(),
    configCommand(),
    inviteCommand(),
    deviceCommand(),
    attestationCommand(),
    keyCommand(),
    phoneCommand(),
    revocationCommand(),
    tokenCommand(),
    toolCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  return program;
}
