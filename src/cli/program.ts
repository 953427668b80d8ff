import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { attestationCommand } from './commands/attestation.ts';
import { certsCommand } from './commands/certs.ts';
import { configCommand } from './commands/config.ts';
import { demoCommand } from './commands/demo.ts';
import { deviceCommand } from './commands/device.ts';
import { inviteCommand } from './commands/invite.ts';
import { phoneCommand } from './commands/phone.ts';
import { revocationCommand } from './commands/revocation.ts';
import { serveCommand } from './commands/serve.ts';
import { vaultCommand } from './commands/vault.ts';

/** The version of the package that this file belongs to, compiled or not. */
function readVersion(): string {
  const text = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The `tapgate` command with all its nouns. Commands throw; the entry turns that into words and an exit code. */
export function createProgram(): Command {
  const program = new Command('tapgate')
    .description('Security service behind softPOS: attests phones, injects keys, enforces PIN policy, gates payments.')
    .version(readVersion())
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
    phoneCommand(),
    revocationCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  return program;
}
