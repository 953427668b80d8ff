import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { ConfigError } from '../app/config.ts';
import { DataFolder, target } from '../app/data-folder.ts';
import { systemClock, systemRandom } from '../app/system.ts';
import { InviteAdminServiceClient } from '../gen/tapgate/v1/invite_admin_service.ts';
import { makePhoneOfKind, PHONE_KINDS } from '../virtual/kinds/kinds.ts';
import { connectDevice } from '../virtual/phone/connection.ts';
import { VirtualPhone } from '../virtual/phone/phone.ts';
import { callOnce, dataOption, withClient } from './admin.ts';
import { openVirtualOrigin } from './virtual-root.ts';

/** Options of every command that runs a virtual phone. */
export interface PhoneOptions {
  readonly data: string;
  readonly server?: string;
  readonly ca?: string;
  readonly serviceAnchor?: string;
  readonly invite?: string;
  readonly acquirer: string;
  readonly merchant: string;
  readonly profile: string;
  readonly as: string;
  readonly json?: boolean;
}

/** Adds them to a command. */
export function withPhoneOptions(command: Command): Command {
  return command
    .addOption(dataOption())
    .option('--server <host:port>', 'device listener; by default the one of the service on --data')
    .option('--ca <file>', "authority of the device listener's certificate; by default of --data")
    .option('--service-anchor <file>', 'anchor of the service, PEM; by default of --data')
    .option('--invite <code>', 'invite to enrol with; by default one is made')
    .option('--acquirer <name>', 'acquirer of the invite that is made', 'acquirer')
    .option('--merchant <name>', 'merchant of the invite that is made', 'courier-7')
    .addOption(new Option('--profile <name>', 'what kind of phone').default('tee').choices(PHONE_KINDS))
    .option('--as <person@role>', 'who makes the invite', 'admin@security')
    .option('--json', 'one JSON object a line');
}

/** The invite that was given, or a new one. */
export async function inviteFor(options: PhoneOptions): Promise<string> {
  if (options.invite !== undefined) return options.invite;
  const { data, as, acquirer, merchant } = options;
  const request = { acquirer, merchant, validForSeconds: 600, replacesDeviceId: '' };
  const made = await withClient({ data, as }, InviteAdminServiceClient, (client) =>
    callOnce(client.createInvite.bind(client), request),
  );
  return made.code;
}

/** A phone of the profile, connected and not yet enrolled. */
export async function makeVirtualPhone(options: PhoneOptions): Promise<VirtualPhone> {
  const folder = new DataFolder(options.data);
  const { factory, play } = await openVirtualOrigin(folder);
  const kind = makePhoneOfKind(options.profile, factory, systemClock);
  if (kind === null) throw new ConfigError(`--profile ${options.profile}: one of ${PHONE_KINDS.join(', ')}`);
  const { application, keymint } = kind;
  const address = options.server ?? target((await folder.addresses()).device);
  const anchor = createPublicKey(await readFile(options.serviceAnchor ?? folder.serviceAnchor, 'utf8'));
  return new VirtualPhone({
    connection: connectDevice(address, await readFile(options.ca ?? join(folder.certificates, 'device', 'ca.crt'))),
    keymint,
    application,
    serviceAnchor: anchor.export({ format: 'der', type: 'spki' }),
    now: () => systemClock.now(),
    random: systemRandom,
    play: (transcript) => play.token({ application, transcript, at: systemClock.now() }, kind.play),
  });
}
