import { Command } from 'commander';
import {
  type Device,
  DeviceAdminServiceClient,
  DeviceStatus,
  type GetDeviceResponse,
} from '../../gen/tapgate/v1/device_admin_service.ts';
import { CheckStatus } from '../../gen/tapgate/v1/refusal.ts';
import { type AdminOptions, adminOptions, callOnce, withClient } from '../admin.ts';
import { print, printJson, printTable, when } from '../output.ts';

const STATUS = new Map<DeviceStatus, string>([
  [DeviceStatus.ACTIVE, 'active'],
  [DeviceStatus.SUSPENDED, 'suspended'],
  [DeviceStatus.REVOKED, 'revoked'],
]);

const CHECK = new Map<CheckStatus, string>([
  [CheckStatus.PASS, 'pass'],
  [CheckStatus.FAIL, 'fail'],
  [CheckStatus.SKIPPED, 'skipped'],
  [CheckStatus.TOLERATED, 'tolerated'],
]);

interface ListOptions extends AdminOptions {
  readonly merchant?: string;
}

interface RevokeOptions extends AdminOptions {
  readonly cause: string;
}

function withAdminOptions(command: Command): Command {
  for (const option of adminOptions()) command.addOption(option);
  return command;
}

/** `tapgate device`. */
export function deviceCommand(): Command {
  const list = withAdminOptions(new Command('list').description('lists enrolled phones'))
    .option('--merchant <name>', 'of this merchant only')
    .addHelpText('after', '\nExample:\n  tapgate device list --json')
    .action((options: ListOptions) => listDevices(options));
  const show = withAdminOptions(new Command('show').description('shows a phone and its latest appraisal'))
    .argument('<device>', 'device id')
    .action((device: string, options: AdminOptions) => showDevice(device, options));
  const revoke = withAdminOptions(new Command('revoke').description('revokes a phone, in force when it returns'))
    .argument('<device>', 'device id')
    .requiredOption('--cause <text>', 'why, for the record')
    .action((device: string, options: RevokeOptions) => revokeDevice(device, options));
  return new Command('device').description('enrolled phones').addCommand(list).addCommand(show).addCommand(revoke);
}

async function listDevices(options: ListOptions): Promise<void> {
  const devices = await withClient(options, DeviceAdminServiceClient, async (client) => {
    const found: Device[] = [];
    let pageToken = '';
    do {
      const request = { pageSize: 500, pageToken, merchant: options.merchant ?? '' };
      const page = await callOnce(client.listDevices.bind(client), request);
      found.push(...page.devices);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return found;
  });
  if (options.json) {
    for (const device of devices) printJson(plainDevice(device));
    return;
  }
  printTable(
    ['device', 'merchant', 'status', 'app', 'OS patch', 'level', 'attested'],
    devices.map((device) => [
      device.deviceId,
      device.merchant,
      STATUS.get(device.status) ?? '?',
      `${device.packageName} ${device.appVersion}`,
      device.osPatchLevel,
      device.securityLevel,
      when(device.attestedAt),
    ]),
    'No phone is enrolled.',
  );
}

async function showDevice(deviceId: string, options: AdminOptions): Promise<void> {
  const shown: GetDeviceResponse = await withClient(options, DeviceAdminServiceClient, (client) =>
    callOnce(client.getDevice.bind(client), { deviceId }),
  );
  const { device, lastAppraisal } = shown;
  if (device === undefined) return;
  const checks = (lastAppraisal?.checks ?? []).map(({ code, status }) => ({ code, status: CHECK.get(status) ?? '?' }));
  if (options.json) return printJson({ ...plainDevice(device), policyVersion: lastAppraisal?.policyVersion, checks });
  for (const [name, value] of Object.entries(plainDevice(device))) print(`${name.padEnd(14)} ${value}`);
  print(`${'policy'.padEnd(14)} ${lastAppraisal?.policyVersion ?? '-'}`);
  print();
  printTable(
    ['check', 'status'],
    checks.map(({ code, status }) => [code, status]),
    'No checks are kept.',
  );
}

async function revokeDevice(deviceId: string, options: RevokeOptions): Promise<void> {
  const { device } = await withClient(options, DeviceAdminServiceClient, (client) =>
    callOnce(client.revokeDevice.bind(client), { deviceId, cause: options.cause }),
  );
  if (device === undefined) return;
  if (options.json) return printJson(plainDevice(device));
  print(`${device.deviceId} is revoked: in force.`);
}

function plainDevice(device: Device): Record<string, string> {
  return {
    device: device.deviceId,
    acquirer: device.acquirer,
    merchant: device.merchant,
    status: STATUS.get(device.status) ?? '?',
    app: device.packageName,
    appVersion: device.appVersion.toString(),
    osPatchLevel: device.osPatchLevel,
    securityLevel: device.securityLevel,
    enrolledAt: when(device.enrolledAt),
    attestedAt: when(device.attestedAt),
  };
}
