import type { Device, DeviceStatus } from '../../devices/device.ts';
import type { AppraisalRecord, DeviceStore } from '../../devices/store.ts';
import {
  DeviceAdminServiceService,
  type Appraisal as WireAppraisal,
  type Device as WireDevice,
  DeviceStatus as WireStatus,
} from '../../gen/tapgate/v1/device_admin_service.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Presence } from '../../sessions/presence.ts';
import { requireRole } from '../transport/peer.ts';
import { CallRefused } from '../transport/refused.ts';
import { service, unary } from '../transport/service.ts';
import { checkToWire } from './attestation.ts';

const DEFAULT_PAGE = 50;
const MAX_PAGE = 500;

const READERS = ['security', 'operator', 'auditor'];

const STATUSES: Readonly<Record<DeviceStatus, WireStatus>> = {
  active: WireStatus.ACTIVE,
  suspended: WireStatus.SUSPENDED,
  revoked: WireStatus.REVOKED,
};

/** What the device service is made of. */
export interface DeviceAdminServiceParts {
  readonly devices: DeviceStore;
  readonly clock: Clock;
  readonly presence: Presence;
}

/** DeviceAdminService. */
export function deviceAdminService({ devices, clock, presence }: DeviceAdminServiceParts) {
  return service(DeviceAdminServiceService, {
    listDevices: unary(async (request, context) => {
      requireRole(context.caller, READERS);
      const page = await devices.list({
        merchant: request.merchant === '' ? null : request.merchant,
        after: request.pageToken === '' ? null : request.pageToken,
        limit: Math.min(request.pageSize === 0 ? DEFAULT_PAGE : request.pageSize, MAX_PAGE),
      });
      return { devices: page.devices.map(deviceToWire), nextPageToken: page.next ?? '' };
    }),
    getDevice: unary(async (request, context) => {
      requireRole(context.caller, READERS);
      const device = await devices.device(request.deviceId);
      if (device === null) throw new CallRefused(['NOT_FOUND'], 'device');
      const appraisal = await devices.lastAppraisal(device.id);
      return {
        device: deviceToWire(device),
        lastAppraisal: appraisal === null ? undefined : appraisalToWire(appraisal),
      };
    }),
    revokeDevice: unary(async (request, context) => {
      const { person } = requireRole(context.caller, ['security']);
      if (request.cause.length > 500) throw new CallRefused(['MALFORMED_MESSAGE'], 'cause: over 500 characters');
      const device = await devices.revoke(request.deviceId, person, request.cause, clock.now());
      if (device === null) throw new CallRefused(['NOT_FOUND'], 'device');
      presence.end(device.id, 'DEVICE_REVOKED');
      context.logger.warn({ device: device.id, by: person }, 'device revoked');
      return { device: deviceToWire(device) };
    }),
  });
}

function deviceToWire(device: Device): WireDevice {
  return {
    deviceId: device.id,
    acquirer: device.acquirer,
    merchant: device.merchant,
    status: STATUSES[device.status],
    enrolledAt: device.enrolledAt,
    attestedAt: device.attestedAt,
    packageName: device.attested.packageName,
    appVersion: device.attested.appVersion,
    osPatchLevel: device.attested.osPatchLevel,
    securityLevel: device.attested.securityLevel,
  };
}

function appraisalToWire(appraisal: AppraisalRecord): WireAppraisal {
  const { appraisedAt, policyVersion, checks } = appraisal;
  return { appraisedAt, policyVersion, checks: checks.map(checkToWire) };
}
