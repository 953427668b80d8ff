import type { Check } from '../attestation/appraise.ts';
import { isUuid } from '../ports/random.ts';
import type { Reason } from '../reasons/catalogue.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { pageToken, readPageToken } from './page-token.ts';

/** An appraisal of a phone as the record shows it. */
export interface RecordedAppraisal {
  readonly id: string;
  readonly appraisedAt: Date;
  readonly policyVersion: string;
  readonly verdict: 'accepted' | 'refused';
  /** Of a refused one: the most fundamental first. */
  readonly reasons: readonly Reason[];
  /** The re-appraisal that made it; null where the phone attested. */
  readonly reappraisalId: string | null;
  readonly checks: readonly Check[];
}

/** A session of a device, for people. */
export interface RecordedSession {
  readonly thumbprint: string;
  readonly status: 'active' | 'revoked';
  readonly current: boolean;
  readonly pinForbidden: boolean;
  readonly createdAt: Date;
}

/** What is kept of a device's past. */
export interface DeviceHistory {
  /** The latest first; after the one that is named, where one is. */
  appraisals(
    deviceId: string,
    after: { readonly appraisedAt: Date; readonly id: string } | null,
    limit: number,
  ): Promise<readonly RecordedAppraisal[]>;
  /** The latest first. */
  sessions(deviceId: string, limit: number): Promise<readonly RecordedSession[]>;
}

/** One page of a device's appraisals. */
export interface AppraisalPage {
  readonly appraisals: readonly RecordedAppraisal[];
  /** Empty after the last page. */
  readonly nextPageToken: string;
}

const DEFAULT_PAGE = 20;
const MAXIMUM_PAGE = 100;

/** The appraisals of a device, the latest first, a page at a time. PAGE_TOKEN_INVALID; NOT_FOUND for what is no device id. */
export async function listAppraisals(
  request: { readonly deviceId: string; readonly pageSize: number; readonly pageToken: string },
  history: DeviceHistory,
): Promise<Result<AppraisalPage>> {
  const { deviceId } = request;
  if (!isUuid(deviceId)) return refuse('NOT_FOUND', 'device');
  const scope = ['appraisals', deviceId];
  const key = readPageToken(request.pageToken, scope, 2);
  if (!key.ok) return key;
  const after = key.value === null ? null : positionOf(key.value);
  if (after === undefined) return refuse('PAGE_TOKEN_INVALID', 'position');
  const size = Math.min(request.pageSize === 0 ? DEFAULT_PAGE : request.pageSize, MAXIMUM_PAGE);
  const found = await history.appraisals(deviceId, after, size + 1);
  const appraisals = found.slice(0, size);
  const last = found.length > size ? appraisals.at(-1) : undefined;
  const next = last === undefined ? '' : pageToken(scope, [last.appraisedAt.toISOString(), last.id]);
  return ok({ appraisals, nextPageToken: next });
}

function positionOf([at = '', id = '']: readonly string[]): { appraisedAt: Date; id: string } | undefined {
  const appraisedAt = new Date(at);
  const isInstant = !Number.isNaN(appraisedAt.getTime()) && appraisedAt.toISOString() === at;
  return isInstant && isUuid(id) ? { appraisedAt, id } : undefined;
}
