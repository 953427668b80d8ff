import { Command } from 'commander';
import { PolicyAdminServiceClient } from '../../gen/tapgate/v1/policy_admin_service.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { print, printJson, printTable } from '../output.ts';

interface ShowOptions extends AdminOptions {
  readonly after: string;
}

const PAGE = 500;

/** `tapgate device group`. */
export function deviceGroupCommand(): Command {
  const commands = [
    new Command('list').description('lists device groups').action((options: AdminOptions) => listGroups(options)),
    new Command('show')
      .description('lists the devices of a group')
      .argument('<group>', 'name of the group')
      .option('--after <device>', 'the next page: the last device of the page before', '')
      .action((group: string, options: ShowOptions) => showGroup(group, options)),
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
