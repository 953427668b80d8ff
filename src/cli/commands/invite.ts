import { Command } from 'commander';
import { InviteAdminServiceClient } from '../../gen/tapgate/v1/invite_admin_service.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { print, printJson, when } from '../output.ts';

interface CreateOptions extends AdminOptions {
  readonly acquirer: string;
  readonly merchant: string;
  readonly validFor?: string;
}

/** `tapgate invite`. */
export function inviteCommand(): Command {
  const create = new Command('create')
    .description('creates a single-use invite; its code is shown once')
    .requiredOption('--merchant <name>', 'merchant that the phone will belong to')
    .option('--acquirer <name>', 'acquirer of the merchant', 'acquirer')
    .option('--valid-for <seconds>', 'life of the invite; by default as long as policy allows')
    .addHelpText('after', '\nExample:\n  tapgate invite create --merchant courier-7');
  for (const option of adminOptions()) create.addOption(option);
  create.action((options: CreateOptions) => createInvite(options));
  return new Command('invite').description('invites to enrol phones').addCommand(create);
}

async function createInvite(options: CreateOptions): Promise<void> {
  const { acquirer, merchant } = options;
  const validForSeconds = options.validFor === undefined ? 0 : Number.parseInt(options.validFor, 10);
  const invite = await withClient(options, InviteAdminServiceClient, (client) =>
    callOnce(client.createInvite.bind(client), { acquirer, merchant, validForSeconds }),
  );
  if (options.json) return printJson({ id: invite.inviteId, code: invite.code, expiresAt: invite.expiresAt });
  print(`Invite for ${merchant} (${acquirer}), valid until ${when(invite.expiresAt)}. Shown once:`);
  print();
  print(`  ${invite.code}`);
}
