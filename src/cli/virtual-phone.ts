import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { ConfigError } from '../app/config.ts';
import { DataFolder, target } from '../app/data-folder.ts';
import { systemClock, systemRandom } from '../app/system.ts';
import { InviteAdminServiceClient } from '../gen/tapgate/v1/invite_admin_service.ts';
import { secondsAfter } from '../ports/clock.ts';
import { makePhoneOfKind, PHONE_KINDS } from '../virtual/kinds/kinds.ts';
import { behaviourOf, PHONE_BEHAVIOURS, type PhoneBehaviour } from '../virtual/phone/behaviour.ts';
import { connectDevice, type DeviceConnection } from '../virtual/phone/connection.ts';
import { VirtualPhone } from '../virtual/phone/phone.ts';
import { callOnce, dataOption, withClient } from './admin.ts';
import { openVirtualOrigin } from './virtual-root.ts';

const PROFILES: readonly string[] = [...PHONE_KINDS, ...Object.keys(PHONE_BEHAVIOURS)];

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
    .option('--profile <name>', `what kind of phone, or how it behaves: ${PROFILES.join(', ')}`, 'tee')
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

/** What kind of phone a profile names, and how it behaves: a name of either says the other by default. */
export interface PhoneProfile {
  readonly kind: string;
  readonly behaviour: PhoneBehaviour;
}

/** The profile of that name. Throws ConfigError that lists them. */
export function phoneProfile(name: string): PhoneProfile {
  const behaviour = behaviourOf(name);
  if (behaviour !== null) return { kind: 'tee', behaviour };
  if (!PHONE_KINDS.includes(name)) throw new ConfigError(`--profile ${name}: one of ${PROFILES.join(', ')}`);
  return { kind: name, behaviour: PHONE_BEHAVIOURS.clean };
}

/** Where phones are made that know one service. */
export interface PhoneWorkshop {
  connect(): DeviceConnection;
  /** A phone of the profile, not yet enrolled. Closing it closes the connection. */
  make(profile: PhoneProfile, connection: DeviceConnection): VirtualPhone;
}

/** Opens the factory of virtual phones, and finds the service that they will know. */
export async function openWorkshop(options: PhoneOptions): Promise<PhoneWorkshop> {
  const folder = new DataFolder(options.data);
  const { factory, play } = await openVirtualOrigin(folder);
  const address = options.server ?? target((await folder.addresses()).device);
  const anchor = createPublicKey(await readFile(options.serviceAnchor ?? folder.serviceAnchor, 'utf8'));
  const serviceAnchor = anchor.export({ format: 'der', type: 'spki' });
  const ca = await readFile(options.ca ?? join(folder.certificates, 'device', 'ca.crt'));
  return {
    connect: () => connectDevice(address, ca),
    make: ({ kind: name, behaviour }, connection) => {
      const kind = makePhoneOfKind(name, factory, systemClock);
      if (kind === null) throw new ConfigError(`--profile ${name}: one of ${PROFILES.join(', ')}`);
      const { application, keymint } = kind;
      return new VirtualPhone({
        connection,
        keymint,
        application,
        serviceAnchor,
        now: () => secondsAfter(systemClock.now(), behaviour.clockAheadSeconds),
        random: systemRandom,
        play: (transcript) => play.token({ application, transcript, at: systemClock.now() }, kind.play),
      });
    },
  };
}

/** A phone of the profile, connected and not yet enrolled. */
export async function makeVirtualPhone(options: PhoneOptions): Promise<VirtualPhone> {
  const workshop = await openWorkshop(options);
  return workshop.make(phoneProfile(options.profile), workshop.connect());
}
