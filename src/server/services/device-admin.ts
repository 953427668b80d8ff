import { setTimeout as sleep } from 'node:timers/promises';
import { type DeviceHistory, listAppraisals } from '../../devices/history.ts';
import type { Reappraisal, ReappraisalPrompt, ReappraisalStore } from '../../devices/reappraisal.ts';
import { type DeviceSearch, findDevices } from '../../devices/search.ts';
import { changeStanding, type StandingChange, type StandingStore } from '../../devices/standing.ts';
import {
  DeviceAdminServiceService,
  type ReappraiseDevicesResponse,
} from '../../gen/tapgate/v1/device_admin_service.ts';
import type { Clock } from '../../ports/clock.ts';
import type { OpenCalls } from '../../sessions/presence.ts';
import {
  appraisalToWire,
  changeToWire,
  deviceFilterFromWire,
  deviceToWire,
  reappraisalToWire,
  sessionToWire,
} from '../../wire/device-admin.ts';
import type { CallContext } from '../transport/context.ts';
import { requireRole } from '../transport/peer.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import { type Answers, serverStream, service, unary } from '../transport/service.ts';

const READERS = ['security', 'operator', 'auditor'];
const SHOWN_SESSIONS = 20;
const SHOWN_CHANGES = 50;
const SHOWN_RUNS = 50;
const PROGRESS_MILLISECONDS = 500;

/** A walk over a million devices takes hours; the caller may come back for the rest of it. */
const PROGRESS_LIMITS = { maximumLifetimeMilliseconds: 86_400_000 };

/** Who may make each change. Suspending is quick and can be lifted; everything else is for the security team. */
const CHANGERS: Readonly<Record<StandingChange, readonly string[]>> = {
  suspend: ['security', 'operator'],
  resume: ['security'],
  revoke: ['security'],
  forget: ['security'],
};

/** Notes a re-appraisal and answers its id. */
export type RequestReappraisal = (prompt: ReappraisalPrompt, by: string) => Promise<string>;

/** What the device service is made of. */
export interface DeviceAdminServiceParts {
  readonly search: DeviceSearch;
  readonly standings: StandingStore;
  readonly history: DeviceHistory;
  readonly reappraisals: Pick<ReappraisalStore, 'reappraisal' | 'latest'>;
  readonly requestReappraisal: RequestReappraisal;
  readonly clock: Clock;
  readonly presence: Pick<OpenCalls, 'end'>;
  /** Told that a revocation was published here, so that it goes out at once. */
  readonly onPublished: () => void;
}

/** DeviceAdminService. */
export function deviceAdminService(parts: DeviceAdminServiceParts) {
  const { search, standings, history, reappraisals } = parts;
  return service(DeviceAdminServiceService, {
    listDevices: unary(async (request, context) => {
      requireRole(context.caller, READERS);
      const filter = orRefuse(deviceFilterFromWire(request));
      const { pageSize, pageToken } = request;
      const page = orRefuse(await findDevices({ filter, pageSize, pageToken }, search));
      return { devices: page.devices.map(deviceToWire), nextPageToken: page.nextPageToken };
    }),
    getDevice: unary(async (request, context) => {
      requireRole(context.caller, READERS);
      const { deviceId } = request;
      const { device } = await shown(deviceId, search);
      const [[last], sessions, changes] = await Promise.all([
        history.appraisals(deviceId, null, 1),
        history.sessions(deviceId, SHOWN_SESSIONS),
        standings.changes(deviceId, SHOWN_CHANGES),
      ]);
      return {
        device,
        lastAppraisal: last === undefined ? undefined : appraisalToWire(last),
        sessions: sessions.map(sessionToWire),
        changes: changes.map(changeToWire),
      };
    }),
    suspendDevice: unary((request, context) => change('suspend', request, context, parts)),
    resumeDevice: unary((request, context) => change('resume', request, context, parts)),
    revokeDevice: unary((request, context) => change('revoke', request, context, parts)),
    forgetDevice: unary(({ deviceId }, context) => change('forget', { deviceId, cause: '' }, context, parts)),
    listAppraisals: unary(async (request, context) => {
      requireRole(context.caller, READERS);
      await shown(request.deviceId, search);
      const { appraisals, nextPageToken } = orRefuse(await listAppraisals(request, history));
      return { appraisals: appraisals.map(appraisalToWire), nextPageToken };
    }),
    reappraiseDevices: serverStream(async (_request, answers, context) => {
      const { person } = requireRole(context.caller, ['security', 'operator']);
      const id = await parts.requestReappraisal('person', person);
      context.logger.warn({ reappraisal: id, by: person }, 're-appraisal of all devices asked for');
      await follow(id, answers, reappraisals);
    }, PROGRESS_LIMITS),
    listReappraisals: unary(async (_request, context) => {
      requireRole(context.caller, READERS);
      return { reappraisals: (await reappraisals.latest(SHOWN_RUNS)).map(reappraisalToWire) };
    }),
  });
}

async function shown(deviceId: string, search: DeviceSearch) {
  const device = await search.listed(deviceId);
  if (device === null) throw new CallRefused(['NOT_FOUND'], 'device');
  return { device: deviceToWire(device) };
}

async function change(
  what: StandingChange,
  { deviceId, cause }: { readonly deviceId: string; readonly cause: string },
  context: CallContext,
  { standings, search, clock, presence, onPublished }: DeviceAdminServiceParts,
) {
  const { person } = requireRole(context.caller, CHANGERS[what]);
  const request = { deviceId, change: what, by: person, cause };
  const { changed } = orRefuse(await changeStanding(request, { standings, clock }));
  if (what === 'suspend') presence.end(deviceId, 'DEVICE_SUSPENDED');
  if (what === 'revoke') presence.end(deviceId, 'DEVICE_REVOKED');
  if (changed) onPublished();
  if (changed) context.logger.warn({ device: deviceId, by: person, change: what }, 'standing of a device changed');
  return shown(deviceId, search);
}

/** Tells each step of a re-appraisal until it is finished or the caller leaves. */
async function follow(
  id: string,
  answers: Answers<ReappraiseDevicesResponse>,
  reappraisals: Pick<ReappraisalStore, 'reappraisal'>,
): Promise<void> {
  let told: Reappraisal | null = null;
  for (;;) {
    const run = await reappraisals.reappraisal(id);
    if (run === null) throw new CallRefused(['NOT_FOUND'], 're-appraisal');
    if (!isAsTold(run, told)) await answers.send({ reappraisal: reappraisalToWire(run) });
    if (run.finishedAt !== null) return;
    told = run;
    await sleep(PROGRESS_MILLISECONDS, undefined, { signal: answers.signal }).catch(() => {});
    if (answers.signal.aborted) throw answers.signal.reason;
  }
}

function isAsTold(run: Reappraisal, told: Reappraisal | null): boolean {
  if (told === null || run.finishedAt !== null || (run.begunAt === null) !== (told.begunAt === null)) return false;
  return run.examined === told.examined && run.refused === told.refused && run.withoutEvidence === told.withoutEvidence;
}
