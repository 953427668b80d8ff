import { Command } from 'commander';
import { RevocationAdminServiceClient, type RevocationStatus } from '../../gen/tapgate/v1/revocation_admin_service.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { EXIT } from '../exit.ts';
import { print, printJson, when } from '../output.ts';

/** `tapgate revocation`. */
export function revocationCommand(): Command {
  const status = new Command('status')
    .description('says which list of revoked certificates is in force, and how old it is')
    .addHelpText('after', '\nExample:\n  tapgate revocation status');
  const refresh = new Command('refresh')
    .description('fetches the list now; exit code 1 where that failed')
    .addHelpText('after', '\nExample:\n  tapgate revocation refresh');
  for (const command of [status, refresh]) for (const option of adminOptions()) command.addOption(option);
  status.action((options: AdminOptions) => showStatus(options));
  refresh.action((options: AdminOptions) => refreshList(options));
  return new Command('revocation')
    .description('the list of revoked attestation certificates')
    .addCommand(status)
    .addCommand(refresh);
}

async function showStatus(options: AdminOptions): Promise<void> {
  const { status } = await withClient(options, RevocationAdminServiceClient, (client) =>
    callOnce(client.getRevocationStatus.bind(client), {}),
  );
  if (status === undefined) return;
  if (options.json) printJson(status);
  else printStatus(status);
}

async function refreshList(options: AdminOptions): Promise<void> {
  const { status, changed } = await withClient(options, RevocationAdminServiceClient, (client) =>
    callOnce(client.refreshRevocationList.bind(client), {}),
  );
  if (status === undefined) return;
  if (status.lastFailure !== '') process.exitCode = EXIT.refused;
  if (options.json) return printJson({ ...status, changed });
  print(changed ? 'The list has changed.' : 'The list is as it was.');
  printStatus(status);
}

function printStatus(status: RevocationStatus): void {
  const lines: [string, string][] = [
    ['source', status.source || 'none is configured'],
    ['fetched', when(status.fetchedAt)],
    ['entries', String(status.entries)],
    ['digest', status.digest || '-'],
    ['policy', status.required ? 'no phone is trusted without a current list' : 'used where there is one'],
    ['state', status.stale ? 'STALE: none, or older than policy allows' : 'current'],
    ['last failure', status.lastFailure || 'none'],
    ['next attempt', when(status.nextAttemptAt)],
  ];
  for (const [name, value] of lines) print(`${name.padEnd(14)} ${value}`);
}
