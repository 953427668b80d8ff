import type { Check } from '../attestation/appraise.ts';
import type { DeviceStatus } from '../devices/device.ts';
import type { RecordedAppraisal, RecordedSession } from '../devices/history.ts';
import type { Reappraisal, ReappraisalPrompt } from '../devices/reappraisal.ts';
import type { DeviceFilter, ListedDevice } from '../devices/search.ts';
import type { RecordedChange } from '../devices/standing.ts';
import {
  AppraisalVerdict,
  type ListDevicesRequest,
  ReappraisalPrompt as Prompt,
  type Appraisal as WireAppraisal,
  type DeviceChange as WireChange,
  type Device as WireDevice,
  type Reappraisal as WireReappraisal,
  type DeviceSession as WireSession,
  DeviceStatus as WireStatus,
} from '../gen/tapgate/v1/device_admin_service.ts';
import { type AppraisalCheck, CheckStatus } from '../gen/tapgate/v1/refusal.ts';
import { ok, type Result } from '../reasons/result.ts';
import { malformed } from './decode.ts';

const STATUSES: Readonly<Record<DeviceStatus, WireStatus>> = {
  active: WireStatus.ACTIVE,
  suspended: WireStatus.SUSPENDED,
  revoked: WireStatus.REVOKED,
};

const STATUS_OF = new Map<WireStatus, DeviceStatus | null>([
  [WireStatus.UNSPECIFIED, null],
  [WireStatus.ACTIVE, 'active'],
  [WireStatus.SUSPENDED, 'suspended'],
  [WireStatus.REVOKED, 'revoked'],
]);

const CHECKS: Readonly<Record<Check['status'], CheckStatus>> = {
  pass: CheckStatus.PASS,
  fail: CheckStatus.FAIL,
  skipped: CheckStatus.SKIPPED,
  tolerated: CheckStatus.TOLERATED,
};

const PROMPTS: Readonly<Record<ReappraisalPrompt, Prompt>> = {
  'status-list': Prompt.STATUS_LIST,
  policy: Prompt.POLICY,
  person: Prompt.PERSON,
};

/** The filter of a search; its values are checked where it is carried out. */
export function deviceFilterFromWire(request: ListDevicesRequest): Result<DeviceFilter> {
  const status = STATUS_OF.get(request.status);
  if (status === undefined) return malformed('status');
  const { acquirer, merchant, packageName, securityLevel, text, attestedBefore } = request;
  return ok({
    acquirer,
    merchant,
    status,
    packageName,
    appVersionBelow: request.appVersionBelow === 0n ? null : request.appVersionBelow,
    osPatchBelow: request.osPatchBelow === 0 ? null : request.osPatchBelow,
    securityLevel,
    attestedBefore: attestedBefore ?? null,
    text,
  });
}

/** A device as a list shows it. */
export function deviceToWire(device: ListedDevice): WireDevice {
  const { standing, attested } = device;
  return {
    deviceId: device.id,
    acquirer: device.acquirer,
    merchant: device.merchant,
    status: STATUSES[standing === 'forgotten' ? 'revoked' : standing],
    enrolledAt: device.enrolledAt,
    attestedAt: device.attestedAt,
    packageName: attested.packageName,
    appVersion: attested.appVersion,
    osPatchLevel: attested.osPatchLevel,
    securityLevel: attested.securityLevel,
    forgotten: standing === 'forgotten',
  };
}

/** An appraisal with everything that the security team may know: every reason, and what each check found. */
export function appraisalToWire(appraisal: RecordedAppraisal): WireAppraisal {
  return {
    appraisedAt: appraisal.appraisedAt,
    policyVersion: appraisal.policyVersion,
    checks: appraisal.checks.map(checkToWire),
    appraisalId: appraisal.id,
    verdict: appraisal.verdict === 'accepted' ? AppraisalVerdict.ACCEPTED : AppraisalVerdict.REFUSED,
    reasons: [...appraisal.reasons],
    reappraisalId: appraisal.reappraisalId ?? '',
  };
}

function checkToWire({ code, status, reason, detail }: Check): AppraisalCheck {
  return { code, status: CHECKS[status], reason: reason ?? '', detail: detail ?? '' };
}

/** A session of a device. */
export function sessionToWire({ status, ...session }: RecordedSession): WireSession {
  return { ...session, active: status === 'active' };
}

/** A change of a device's standing. */
export function changeToWire(change: RecordedChange): WireChange {
  return { ...change };
}

/** A re-appraisal and how far it is. */
export function reappraisalToWire(run: Reappraisal): WireReappraisal {
  return {
    reappraisalId: run.id,
    prompt: PROMPTS[run.prompt],
    requestedBy: run.requestedBy,
    requestedAt: run.requestedAt,
    policyVersion: run.policyVersion,
    begunAt: run.begunAt ?? undefined,
    finishedAt: run.finishedAt ?? undefined,
    devices: BigInt(run.devices ?? 0),
    examined: BigInt(run.examined),
    refused: BigInt(run.refused),
    withoutEvidence: BigInt(run.withoutEvidence),
    undecided: BigInt(run.undecided),
  };
}
