import { Command, InvalidArgumentError, Option } from 'commander';
import { type Invite, InviteAdminServiceClient, InviteState } from '../../gen/tapgate/v1/invite_admin_service.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { print, printJson, printTable, when } from '../output.ts';

const STATES = {
  open: InviteState.OPEN,
  used: InviteState.USED,
  withdrawn: InviteState.WITHDRAWN,
  expired: InviteState.EXPIRED,
} as const;

const STATE_NAMES = new Map<InviteState, string>(Object.entries(STATES).map(([name, state]) => [state, name]));

const LARGEST_PAGE = 500;

interface CreateOptions extends AdminOptions {
  readonly acquirer: string;
  readonly merchant: string;
  readonly validFor: number;
  readonly replaces?: string;
}

interface ListOptions extends AdminOptions {
  readonly merchant?: string;
  readonly state?: keyof typeof STATES;
  readonly limit: number;
  readonly after: string;
}

function wholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`a whole number from ${minimum} to ${maximum}`);
  };
}

function withAdminOptions(command: Command): Command {
  for (const option of adminOptions()) command.addOption(option);
  return command;
}

/** `tapgate invite`. */
export function inviteCommand(): Command {
  const create = withAdminOptions(new Command('create'))
    .description('creates a single-use invite; its code is shown once')
    .requiredOption('--merchant <name>', 'merchant that the phone will belong to')
    .option('--acquirer <name>', 'acquirer of the merchant', 'acquirer')
    .option('--valid-for <seconds>', 'life; 0: as long as policy allows', wholeNumber(0, 2_592_000), 0)
    .option('--replaces <device>', 'device that is revoked when the invite is used: a lost phone')
    .addHelpText(
      'after',
      '\nExamples:\n  tapgate invite create --merchant courier-7\n' +
        '  tapgate invite create --merchant courier-7 --valid-for 600 --json',
    )
    .action((options: CreateOptions) => createInvite(options));
  const list = withAdminOptions(new Command('list'))
    .description('lists invites, newest first')
    .option('--merchant <name>', 'of this merchant only')
    .addOption(new Option('--state <state>', 'of this state only').choices(Object.keys(STATES)))
    .option('--limit <number>', 'how many', wholeNumber(1, LARGEST_PAGE), 50)
    .option('--after <token>', 'the page after this one, as the page before tells', '')
    .addHelpText('after', '\nExample:\n  tapgate invite list --state open')
    .action((options: ListOptions) => listInvites(options));
  const show = withAdminOptions(new Command('show'))
    .description('shows an invite, never its code')
    .argument('<invite>', 'invite id')
    .action((inviteId: string, options: AdminOptions) => showInvite(inviteId, options));
  const withdraw = withAdminOptions(new Command('withdraw'))
    .description('withdraws an invite: nobody enrols with it any more')
    .argument('<invite>', 'invite id')
    .action((inviteId: string, options: AdminOptions) => withdrawInvite(inviteId, options));
  const command = new Command('invite').description('invites to enrol phones');
  for (const verb of [create, list, show, withdraw]) command.addCommand(verb);
  return command;
}

async function createInvite(options: CreateOptions): Promise<void> {
  const { acquirer, merchant, validFor: validForSeconds, replaces: replacesDeviceId = '' } = options;
  const invite = await withClient(options, InviteAdminServiceClient, (client) =>
    callOnce(client.createInvite.bind(client), { acquirer, merchant, validForSeconds, replacesDeviceId }),
  );
  if (options.json) return printJson({ id: invite.inviteId, code: invite.code, expiresAt: invite.expiresAt });
  print(`Invite for ${merchant} (${acquirer}), valid until ${when(invite.expiresAt)}. Shown once:`);
  print();
  print(`  ${invite.code}`);
  print();
  print(`Withdraw it: tapgate invite withdraw ${invite.inviteId}`);
}

async function listInvites(options: ListOptions): Promise<void> {
  const request = {
    pageSize: options.limit,
    pageToken: options.after,
    merchant: options.merchant ?? '',
    state: options.state === undefined ? InviteState.UNSPECIFIED : STATES[options.state],
  };
  const page = await withClient(options, InviteAdminServiceClient, (client) =>
    callOnce(client.listInvites.bind(client), request),
  );
  if (options.json) {
    for (const invite of page.invites) printJson(plainInvite(invite));
    if (page.nextPageToken !== '') printJson({ next: page.nextPageToken });
    return;
  }
  const rows = page.invites.map((invite) => {
    const { id, merchant, acquirer, state, createdBy, expiresAt, device } = plainInvite(invite);
    return [id, merchant, acquirer, state, createdBy, expiresAt, device].map((text) => text ?? '');
  });
  printTable(['invite', 'merchant', 'acquirer', 'state', 'by', 'expires', 'device'], rows, 'There is no invite.');
  if (page.nextPageToken === '') return;
  print();
  print(`More: --after ${page.nextPageToken}`);
}

async function showInvite(inviteId: string, options: AdminOptions): Promise<void> {
  const { invite } = await withClient(options, InviteAdminServiceClient, (client) =>
    callOnce(client.getInvite.bind(client), { inviteId }),
  );
  if (invite === undefined) return;
  if (options.json) return printJson(plainInvite(invite));
  for (const [name, value] of Object.entries(plainInvite(invite))) print(`${name.padEnd(12)} ${value}`);
}

async function withdrawInvite(inviteId: string, options: AdminOptions): Promise<void> {
  const { invite } = await withClient(options, InviteAdminServiceClient, (client) =>
    callOnce(client.withdrawInvite.bind(client), { inviteId }),
  );
  if (invite === undefined) return;
  if (options.json) return printJson(plainInvite(invite));
  print(`${invite.inviteId} is withdrawn.`);
}

function plainInvite(invite: Invite): Record<string, string> {
  return {
    id: invite.inviteId,
    acquirer: invite.acquirer,
    merchant: invite.merchant,
    state: STATE_NAMES.get(invite.state) ?? '?',
    createdBy: invite.createdBy,
    createdAt: when(invite.createdAt),
    expiresAt: when(invite.expiresAt),
    device: invite.deviceId || '-',
    replaces: invite.replacesDeviceId || '-',
    withdrawnBy: invite.withdrawnBy || '-',
    withdrawnAt: when(invite.withdrawnAt),
  };
}
