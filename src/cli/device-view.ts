import {
  type Appraisal,
  AppraisalVerdict,
  type Device,
  DeviceStatus,
  type GetDeviceResponse,
} from '../gen/tapgate/v1/device_admin_service.ts';
import { CheckStatus } from '../gen/tapgate/v1/refusal.ts';
import { plain, print, printTable, when } from './output.ts';

/** Words for the standing of a device. */
export const STATUS = new Map<DeviceStatus, string>([
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

/** A device with what is shown of its past. */
export type Shown = Omit<GetDeviceResponse, 'device'> & { readonly device: Device };

const NAME_WIDTH = 14;

function statusOf(device: Device): string {
  return device.forgotten ? 'forgotten' : (STATUS.get(device.status) ?? '?');
}

/** A device as JSON for scripts. */
export function plainDevice(device: Device): Record<string, string> {
  return {
    device: device.deviceId,
    acquirer: device.acquirer,
    merchant: device.merchant,
    status: statusOf(device),
    app: device.packageName,
    appVersion: device.appVersion.toString(),
    osPatchLevel: device.osPatchLevel,
    securityLevel: device.securityLevel,
    enrolledAt: when(device.enrolledAt),
    attestedAt: when(device.attestedAt),
  };
}

/** An appraisal as JSON for scripts. */
export function plainAppraisal(appraisal: Appraisal) {
  const { appraisalId, appraisedAt, policyVersion, reasons, reappraisalId } = appraisal;
  const checks = appraisal.checks.map(({ code, status, reason, detail }) => ({
    code,
    status: CHECK.get(status) ?? '?',
    ...(reason === '' ? {} : { reason }),
    ...(detail === '' ? {} : { detail }),
  }));
  return {
    appraisal: appraisalId,
    appraisedAt: when(appraisedAt),
    policyVersion,
    verdict: verdictOf(appraisal),
    reasons,
    by: reappraisalId === '' ? 'attestation' : `re-appraisal ${reappraisalId}`,
    checks,
  };
}

function verdictOf({ verdict }: Appraisal): string {
  return verdict === AppraisalVerdict.REFUSED ? 'refused' : 'accepted';
}

/** Writes a table of devices. */
export function printDevices(devices: readonly Device[]): void {
  printTable(
    ['device', 'merchant', 'status', 'app', 'OS patch', 'level', 'attested'],
    devices.map((device) => [
      device.deviceId,
      device.merchant,
      statusOf(device),
      `${device.packageName} ${device.appVersion}`,
      device.osPatchLevel,
      device.securityLevel,
      when(device.attestedAt),
    ]),
    'No phone is found.',
  );
}

/** Writes all that is shown of a device. */
export function printDevice({ device, lastAppraisal, sessions, changes }: Shown): void {
  for (const [name, value] of Object.entries(plainDevice(device))) print(`${name.padEnd(NAME_WIDTH)} ${plain(value)}`);
  print('\nSessions');
  printTable(
    ['session key', 'since', 'state', 'PIN'],
    sessions.map(({ thumbprint, createdAt, active, current, pinForbidden }) => [
      thumbprint,
      when(createdAt),
      active ? (current ? 'current' : 'replaced') : 'ended',
      pinForbidden ? 'forbidden' : 'as policy says',
    ]),
    'None.',
  );
  print('\nChanges');
  printTable(
    ['at', 'from', 'to', 'by', 'cause'],
    changes.map(({ at, from, to, by, cause }) => [when(at), from, to, by, cause]),
    'None.',
  );
  print('\nLast appraisal');
  printAppraisals(lastAppraisal === undefined ? [] : [lastAppraisal]);
}

/** Writes appraisals, each with every check. */
export function printAppraisals(appraisals: readonly Appraisal[]): void {
  if (appraisals.length === 0) print('None is kept.');
  for (const [index, appraisal] of appraisals.entries()) {
    const { appraisedAt, policyVersion, verdict, reasons, by, checks } = plainAppraisal(appraisal);
    if (index > 0) print();
    print(`${appraisedAt}  ${verdict} by ${by} under policy ${policyVersion}  ${reasons.join(', ')}`.trimEnd());
    printTable(
      ['check', 'status', 'reason', 'found'],
      checks.map(({ code, status, reason, detail }) => [code, status, reason ?? '', detail ?? '']),
      'No checks are kept.',
    );
  }
}
