import { Command, InvalidArgumentError, Option } from 'commander';
import {
  type Device,
  DeviceAdminServiceClient,
  type DeviceStatus,
  type ListDevicesRequest,
} from '../../gen/tapgate/v1/device_admin_service.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { confirmed } from '../confirmation.ts';
import {
  plainAppraisal,
  plainDevice,
  printAppraisals,
  printDevice,
  printDevices,
  type Shown,
  STATUS,
} from '../device-view.ts';
import { print, printJson } from '../output.ts';
import { listReappraisals, reappraiseDevices } from '../reappraisal-view.ts';
import { deviceGroupCommand } from './device-group.ts';

interface PageOptions extends AdminOptions {
  readonly limit: number;
  readonly after: string;
}

interface ListOptions extends PageOptions {
  readonly acquirer?: string;
  readonly merchant?: string;
  readonly status?: string;
  readonly package?: string;
  readonly appBelow?: bigint;
  readonly patchBelow?: number;
  readonly level?: string;
  readonly attestedBefore?: Date;
}

interface ChangeOptions extends AdminOptions {
  readonly cause: string;
  readonly yes?: boolean;
}

interface ReappraiseOptions extends AdminOptions {
  readonly list?: boolean;
}

const LONGEST_PAGE = 500;

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('A whole number.');
  return Number(text);
}

function pageSize(text: string): number {
  const size = wholeNumber(text);
  if (size < 1 || size > LONGEST_PAGE) throw new InvalidArgumentError(`A number from 1 to ${LONGEST_PAGE}.`);
  return size;
}

function versionCode(text: string): bigint {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError('A version code.');
  return BigInt(text);
}

function month(text: string): number {
  const digits = /^(\d{4})-?(\d{2})$/.exec(text);
  if (digits === null) throw new InvalidArgumentError('A month: 202601 or 2026-01.');
  return Number(`${digits[1]}${digits[2]}`);
}

function instant(text: string): Date {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) throw new InvalidArgumentError('A time: 2026-01-31 or 2026-01-31T12:00:00Z.');
  return at;
}

function command(name: string, description: string, example: string): Command {
  return new Command(name).description(description).addHelpText('after', `\nExample:\n  tapgate device ${example}`);
}

function withAdminOptions(made: Command): Command {
  for (const option of adminOptions()) made.addOption(option);
  return made;
}

function withPageOptions(made: Command, longest: number, byDefault: number): Command {
  return made
    .addOption(
      new Option('--limit <number>', `at most so many, up to ${longest}`).argParser(pageSize).default(byDefault),
    )
    .option('--after <token>', 'the next page: what the page before named', '');
}

/** `tapgate device`. */
export function deviceCommand(): Command {
  const commands = [
    listCommand(),
    command(
      'show',
      'shows a phone: its last appraisal, sessions and changes',
      'show 6f1c2b3a-5d4e-4f60-8a7b-9c0d1e2f3a4b --json',
    )
      .argument('<device>', 'device id')
      .action((device: string, options: AdminOptions) => showDevice(device, options)),
    withPageOptions(
      command(
        'history',
        'lists every appraisal of a phone with its checks',
        'history 6f1c2b3a-5d4e-4f60-8a7b-9c0d1e2f3a4b',
      ),
      100,
      5,
    )
      .argument('<device>', 'device id')
      .action((device: string, options: PageOptions) => showHistory(device, options)),
    changeCommand('suspend', 'suspends a phone until it is resumed; in force when it returns', 'looks tampered with'),
    changeCommand(
      'resume',
      'resumes a suspended phone, which then attests anew',
      'checked at the counter',
      (device) => `Resume ${device}? It may attest and take payments again.`,
    ),
    changeCommand('revoke', 'revokes a phone for good; in force when it returns', 'lost'),
    command(
      'forget',
      'removes what ties a revoked phone to a person; cannot be undone',
      'forget 6f1c2b3a-5d4e-4f60-8a7b-9c0d1e2f3a4b',
    )
      .argument('<device>', 'device id')
      .action((device: string, options: AdminOptions) => forgetDevice(device, options)),
    command(
      'reappraise',
      'appraises all active phones again under what is in force now, and shows the progress',
      'reappraise --json',
    )
      .option('--list', 'lists the latest re-appraisals instead')
      .action((options: ReappraiseOptions) =>
        options.list === true ? listReappraisals(options) : reappraiseDevices(options),
      ),
  ];
  const device = new Command('device').description('enrolled phones');
  for (const made of commands) device.addCommand(withAdminOptions(made));
  return device.addCommand(deviceGroupCommand());
}

function listCommand(): Command {
  const made = command(
    'list',
    'searches enrolled phones; all that is given holds at once',
    'list --patch-below 2026-01',
  )
    .argument('[text]', 'beginning of a merchant name, or of a device id (8 symbols and more)')
    .option('--acquirer <name>', 'of this acquirer')
    .option('--merchant <name>', 'of this merchant')
    .addOption(new Option('--status <status>', 'how they stand').choices(['active', 'suspended', 'revoked']))
    .option('--package <name>', 'with this application')
    .option('--app-below <version>', 'with an older one than this version code; needs --package', versionCode)
    .option('--patch-below <month>', 'with older system patches, or unknown ones', month)
    .addOption(new Option('--level <level>', 'whose keys are held so').choices(['TRUSTED_ENVIRONMENT', 'STRONG_BOX']))
    .option('--attested-before <time>', 'that last attested before', instant);
  return withPageOptions(made, LONGEST_PAGE, 50).action((text: string | undefined, options: ListOptions) =>
    listDevices(text ?? '', options),
  );
}

/** A change of standing; one with a question asks it first. */
function changeCommand(
  name: 'suspend' | 'resume' | 'revoke',
  description: string,
  cause: string,
  question: ((device: string) => string) | null = null,
): Command {
  const made = command(name, description, `${name} 6f1c2b3a-5d4e-4f60-8a7b-9c0d1e2f3a4b --cause '${cause}'`)
    .argument('<device>', 'device id')
    .requiredOption('--cause <text>', 'why, for the record');
  if (question !== null) made.option('--yes', 'does not ask');
  return made.action(async (device: string, options: ChangeOptions) => {
    const isWanted = question === null || (await confirmed(question(device), options.yes));
    if (isWanted) await changeDevice(name, device, options);
  });
}

function requestOf(text: string, options: ListOptions): ListDevicesRequest {
  const [status = 0 as DeviceStatus] = [...STATUS].find(([, word]) => word === options.status) ?? [];
  return {
    pageSize: options.limit,
    pageToken: options.after,
    merchant: options.merchant ?? '',
    acquirer: options.acquirer ?? '',
    status,
    packageName: options.package ?? '',
    appVersionBelow: options.appBelow ?? 0n,
    osPatchBelow: options.patchBelow ?? 0,
    securityLevel: options.level ?? '',
    attestedBefore: options.attestedBefore,
    text,
  };
}

async function listDevices(text: string, options: ListOptions): Promise<void> {
  const request = requestOf(text, options);
  const { devices, nextPageToken } = await withClient(options, DeviceAdminServiceClient, (client) =>
    callOnce(client.listDevices.bind(client), request),
  );
  if (options.json) {
    for (const device of devices) printJson(plainDevice(device));
    if (nextPageToken !== '') printJson({ nextPageToken });
    return;
  }
  printDevices(devices);
  printMore(nextPageToken);
}

async function showDevice(deviceId: string, options: AdminOptions): Promise<void> {
  const { device, ...rest } = await withClient(options, DeviceAdminServiceClient, (client) =>
    callOnce(client.getDevice.bind(client), { deviceId }),
  );
  if (device === undefined) return;
  const shown: Shown = { ...rest, device };
  if (!options.json) return printDevice(shown);
  const { lastAppraisal, sessions, changes } = shown;
  printJson({
    ...plainDevice(device),
    lastAppraisal: lastAppraisal === undefined ? null : plainAppraisal(lastAppraisal),
    sessions,
    changes,
  });
}

async function showHistory(deviceId: string, options: PageOptions): Promise<void> {
  const request = { deviceId, pageSize: options.limit, pageToken: options.after };
  const { appraisals, nextPageToken } = await withClient(options, DeviceAdminServiceClient, (client) =>
    callOnce(client.listAppraisals.bind(client), request),
  );
  if (options.json) {
    for (const appraisal of appraisals) printJson(plainAppraisal(appraisal));
    if (nextPageToken !== '') printJson({ nextPageToken });
    return;
  }
  printAppraisals(appraisals);
  printMore(nextPageToken);
}

async function changeDevice(
  name: 'suspend' | 'resume' | 'revoke',
  deviceId: string,
  options: ChangeOptions,
): Promise<void> {
  const { device } = await withClient(options, DeviceAdminServiceClient, (client) => {
    const method = { suspend: client.suspendDevice, resume: client.resumeDevice, revoke: client.revokeDevice }[name];
    return callOnce(method.bind(client), { deviceId, cause: options.cause });
  });
  const done = { suspend: 'suspended: in force', resume: 'resumed; it attests anew', revoke: 'revoked: in force' };
  printDone(device, done[name], options);
}

async function forgetDevice(deviceId: string, options: AdminOptions): Promise<void> {
  const { device } = await withClient(options, DeviceAdminServiceClient, (client) =>
    callOnce(client.forgetDevice.bind(client), { deviceId }),
  );
  printDone(device, 'forgotten', options);
}

function printDone(device: Device | undefined, done: string, options: AdminOptions): void {
  if (device === undefined) return;
  if (options.json) printJson(plainDevice(device));
  else print(`${device.deviceId} is ${done}.`);
}

function printMore(nextPageToken: string): void {
  if (nextPageToken !== '') print(`\nMore: the same command with --after ${nextPageToken}`);
}
