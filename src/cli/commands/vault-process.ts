import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { ConfigError } from '../../app/config.ts';
import { runVault } from '../../app/vault-process.ts';
import { vaultStatus } from '../../app/vault-status.ts';
import { dataOption } from '../admin.ts';
import { configuredVault, type VaultOptions, vaultConfigOption } from '../configured-vault.ts';
import { print, printJson, printTable } from '../output.ts';

/** `tapgate vault status`. */
export function vaultStatusCommand(): Command {
  return new Command('status')
    .description('opens every key of the vault, on its token too, and shows its slots; says whether its socket answers')
    .addOption(dataOption())
    .addOption(vaultConfigOption())
    .option('--json', 'one JSON object')
    .addHelpText('after', '\nExample:\n  tapgate vault status --data .tapgate')
    .action((options: VaultOptions & { json?: boolean }) => showStatus(options));
}

/** `tapgate vault serve`. */
export function vaultServeCommand(): Command {
  return new Command('serve')
    .description('runs the vault as a process of its own, for a service that connects to its socket')
    .addOption(dataOption())
    .addOption(vaultConfigOption())
    .addOption(new Option('--socket <path>', 'Unix socket; by default `vault.socket` of the configuration'))
    .addHelpText(
      'after',
      '\nExample:\n  tapgate vault serve --data /var/lib/tapgate --socket /run/tapgate-vault/vault.sock',
    )
    .action((options: VaultOptions & { socket?: string }) => serveVault(options));
}

async function showStatus(options: VaultOptions & { readonly json?: boolean }): Promise<void> {
  const { folder, vault } = await configuredVault(options);
  const status = await vaultStatus(folder.vault, vault);
  if (options.json) return printJson(status);
  const { kind, generation, token, socket, answers, slots } = status;
  print(`Vault        ${folder.vault} (${kind}), changed ${generation} times; every key was opened`);
  if (token !== null) print(`Token        ${token.label}, serial number ${token.serial}`);
  if (answers !== null) print(`Socket       ${socket}: ${answers ? 'answers' : 'does not answer'}`);
  const rows = slots.map(({ id, state, acquirer = '-', kcv, onToken }) => [
    id,
    state,
    acquirer,
    kcv,
    onToken ? 'token' : 'file',
  ]);
  printTable(['slot', 'state', 'acquirer', 'check value', 'kept in'], rows, 'There are no slots.');
}

async function serveVault(options: VaultOptions & { readonly socket?: string }): Promise<void> {
  const { folder, vault } = await configuredVault(options);
  const socket = options.socket === undefined ? vault.socket : resolve(options.socket);
  if (socket === undefined) throw new ConfigError('Name the socket: --socket, or `vault.socket` of the configuration');
  process.exitCode = await runVault(folder.vault, vault, socket);
}
