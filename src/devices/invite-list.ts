import type { Clock } from '../ports/clock.ts';
import { isUuid } from '../ports/random.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { PARTY_NAME } from './invite.ts';
import type { Invite, InviteStanding } from './invite-state.ts';
import { pageToken, readPageToken } from './page-token.ts';
import type { InviteQuery, InviteStore } from './store.ts';

const DEFAULT_PAGE = 50;
const MAXIMUM_PAGE = 500;

/** What an administrator asks of the list of invites. */
export interface InviteListRequest {
  /** Empty for all. */
  readonly merchant: string;
  readonly standing: InviteStanding | null;
  /** 0 means 50; at most 500. */
  readonly pageSize: number;
  /** Empty for the first page. */
  readonly pageToken: string;
}

/** A page of invites, newest first. */
export interface InvitePage {
  readonly invites: readonly Invite[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

function afterOf([milliseconds, id]: readonly string[]): InviteQuery['after'] {
  const createdAt = new Date(/^\d{1,15}$/.test(milliseconds ?? '') ? Number(milliseconds) : Number.NaN);
  return id === undefined || !isUuid(id) || Number.isNaN(createdAt.getTime()) ? null : { createdAt, id };
}

/** One page of the list of invites. Refuses a page token that this query did not give. */
export async function listInvites(
  request: InviteListRequest,
  { invites, clock }: { readonly invites: InviteStore; readonly clock: Clock },
): Promise<Result<InvitePage>> {
  const { merchant, standing } = request;
  if (merchant !== '' && !PARTY_NAME.test(merchant)) return refuse('MALFORMED_MESSAGE', 'merchant');
  const scope = ['invites', merchant, standing ?? ''];
  const key = readPageToken(request.pageToken, scope, 2);
  if (!key.ok) return key;
  const after = key.value === null ? null : afterOf(key.value);
  if (key.value !== null && after === null) return refuse('PAGE_TOKEN_INVALID', 'not a position');
  const limit = Math.min(request.pageSize === 0 ? DEFAULT_PAGE : request.pageSize, MAXIMUM_PAGE);
  const asked = { merchant: merchant === '' ? null : merchant, standing, after, limit: limit + 1 };
  const found = await invites.list(asked, clock.now());
  const page = found.slice(0, limit);
  const last = found.length > limit ? page.at(-1) : undefined;
  const nextPageToken = last === undefined ? '' : pageToken(scope, [String(last.createdAt.getTime()), last.id]);
  return ok({ invites: page, nextPageToken });
}
