import { Command, InvalidArgumentError, Option } from 'commander';
import { DeviceGroupChangeKind, PolicyAdminServiceClient } from '../../gen/tapgate/v1/policy_admin_service.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { print, printJson, printTable, when } from '../output.ts';

interface ShowOptions extends AdminOptions {
  readonly after: string;
}

interface HistoryOptions extends AdminOptions {
  readonly after: bigint;
}

const PAGE = 500;
const PAGE_OF_CHANGES = 50;
const KIND = new Map<DeviceGroupChangeKind, string>([
  [DeviceGroupChangeKind.ADDED, 'added'],
  [DeviceGroupChangeKind.REMOVED, 'removed'],
]);

function changeNumber(text: string): bigint {
  if (!/^\d{1,18}$/.test(text)) throw new InvalidArgumentError('A number of the page before.');
  return BigInt(text);
}

/** `tapgate device group`. */
export function deviceGroupCommand(): Command {
  const commands = [
    new Command('list').description('lists device groups').action((options: AdminOptions) => listGroups(options)),
    new Command('show')
      .description('lists the devices of a group')
      .argument('<group>', 'name of the group')
      .option('--after <device>', 'the next page: the last device of the page before', '')
      .action((group: string, options: ShowOptions) => showGroup(group, options)),
    new Command('history')
      .description('lists who added and removed which devices, the newest first')
      .argument('<group>', 'name of the group')
      .addOption(
        new Option('--after <number>', 'the next page: the last number of the page before')
          .argParser(changeNumber)
          .default(0n, 'the first page'),
      )
      .action((group: string, options: HistoryOptions) => showHistory(group, options)),
    new Command('add')
      .description('adds devices to a group, which comes to be with its first one')
      .argument('<group>', 'name of the group')
      .argument('<devices...>', 'device ids')
      .action((group: string, devices: string[], options: AdminOptions) => addToGroup(group, devices, options)),
    new Command('remove')
      .description('removes devices from a group, which is gone with its last one')
      .argument('<group>', 'name of the group')
      .argument('<devices...>', 'device ids')
      .action((group: string, devices: string[], options: AdminOptions) => removeFromGroup(group, devices, options)),
  ];
  const group = new Command('group')
    .description('groups of devices that policy may be assigned to')
    .addHelpText('after', '\nExample:\n  tapgate device group add pilots 6f1c2b3a-5d4e-4f60-8a7b-9c0d1e2f3a4b');
  for (const made of commands) {
    for (const option of adminOptions()) made.addOption(option);
    group.addCommand(made);
  }
  return group;
}

async function listGroups(options: AdminOptions): Promise<void> {
  const { groups } = await withClient(options, PolicyAdminServiceClient, (client) =>
    callOnce(client.listDeviceGroups.bind(client), {}),
  );
  if (options.json) return groups.forEach(printJson);
  printTable(
    ['group', 'devices'],
    groups.map(({ name, devices }) => [name, devices.toString()]),
    'There are none.',
  );
}

async function showGroup(name: string, options: ShowOptions): Promise<void> {
  const request = { name, pageSize: PAGE, afterDeviceId: options.after };
  const { deviceIds } = await withClient(options, PolicyAdminServiceClient, (client) =>
    callOnce(client.getDeviceGroup.bind(client), request),
  );
  if (options.json) return printJson({ name, deviceIds });
  for (const deviceId of deviceIds) print(deviceId);
  if (deviceIds.length === PAGE) print(`\nMore: the same command with --after ${deviceIds.at(-1)}`);
}

async function showHistory(name: string, options: HistoryOptions): Promise<void> {
  const request = { name, pageSize: PAGE_OF_CHANGES, beforeNumber: options.after };
  const { changes } = await withClient(options, PolicyAdminServiceClient, (client) =>
    callOnce(client.listDeviceGroupChanges.bind(client), request),
  );
  if (options.json) {
    for (const { number, kind, deviceIds, changedBy, changedAt } of changes) {
      printJson({ number, change: KIND.get(kind) ?? '?', deviceIds, changedBy, changedAt });
    }
    return;
  }
  printTable(
    ['number', 'at', 'by', 'change', 'devices'],
    changes.map(({ number, kind, deviceIds, changedBy, changedAt }) => [
      number.toString(),
      when(changedAt),
      changedBy,
      KIND.get(kind) ?? '?',
      deviceIds.join('\n'),
    ]),
    'Nothing was ever added to it.',
  );
  if (changes.length === PAGE_OF_CHANGES) print(`\nMore: the same command with --after ${changes.at(-1)?.number}`);
}

async function addToGroup(name: string, deviceIds: string[], options: AdminOptions): Promise<void> {
  const { group, added } = await withClient(options, PolicyAdminServiceClient, (client) =>
    callOnce(client.addToDeviceGroup.bind(client), { name, deviceIds }),
  );
  if (options.json) return printJson({ ...group, added });
  print(`${added} added; ${name} has ${group?.devices} devices.`);
}

async function removeFromGroup(name: string, deviceIds: string[], options: AdminOptions): Promise<void> {
  const { group, removed } = await withClient(options, PolicyAdminServiceClient, (client) =>
    callOnce(client.removeFromDeviceGroup.bind(client), { name, deviceIds }),
  );
  if (options.json) return printJson({ ...group, removed });
  print(`${removed} removed; ${name} has ${group?.devices} devices.`);
}
