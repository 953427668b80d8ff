import { createInvite, withdrawInvite } from '../../devices/invite.ts';
import { listInvites } from '../../devices/invite-list.ts';
import { type Invite, type InviteStanding, standingOf } from '../../devices/invite-state.ts';
import type { DevicePolicy } from '../../devices/policy.ts';
import type { InviteStore } from '../../devices/store.ts';
import {
  InviteAdminServiceService,
  type Invite as WireInvite,
  InviteState as WireState,
} from '../../gen/tapgate/v1/invite_admin_service.ts';
import type { PolicySubject } from '../../policy/resolve.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { requireRole } from '../transport/peer.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import { service, unary } from '../transport/service.ts';

const WRITERS = ['security', 'operator'];
const READERS = ['security', 'operator', 'auditor'];

const STATES: Readonly<Record<InviteStanding, WireState>> = {
  open: WireState.OPEN,
  used: WireState.USED,
  withdrawn: WireState.WITHDRAWN,
  expired: WireState.EXPIRED,
};

/** What the invite service is made of. */
export interface InviteAdminServiceParts {
  readonly ports: { readonly invites: InviteStore; readonly clock: Clock; readonly random: Random };
  /** The policy that holds for a merchant. */
  readonly policy: (subject: PolicySubject) => DevicePolicy;
}

/** InviteAdminService. */
export function inviteAdminService({ ports, policy }: InviteAdminServiceParts) {
  const toWire = (invite: Invite): WireInvite => inviteToWire(invite, ports.clock.now());
  return service(InviteAdminServiceService, {
    createInvite: unary(async (request, context) => {
      const { person } = requireRole(context.caller, WRITERS);
      const { acquirer, merchant, validForSeconds } = request;
      const replaces = request.replacesDeviceId === '' ? null : request.replacesDeviceId;
      const wanted = { acquirer, merchant, validForSeconds, replaces, by: person };
      const { id, code, expiresAt } = orRefuse(
        await createInvite(wanted, ports, policy({ deviceId: null, acquirer, merchant })),
      );
      context.logger.info({ invite: id, acquirer, merchant, replaces, by: person }, 'invite created');
      return { inviteId: id, code, expiresAt };
    }),
    listInvites: unary(async (request, context) => {
      requireRole(context.caller, READERS);
      const { merchant, pageSize, pageToken } = request;
      const page = orRefuse(
        await listInvites({ merchant, standing: standingFromWire(request.state), pageSize, pageToken }, ports),
      );
      return { invites: page.invites.map(toWire), nextPageToken: page.nextPageToken };
    }),
    getInvite: unary(async (request, context) => {
      requireRole(context.caller, READERS);
      const invite = await ports.invites.invite(request.inviteId);
      if (invite === null) throw new CallRefused(['NOT_FOUND'], 'invite');
      return { invite: toWire(invite) };
    }),
    withdrawInvite: unary(async (request, context) => {
      const { person } = requireRole(context.caller, WRITERS);
      const invite = orRefuse(await withdrawInvite(request.inviteId, person, ports));
      context.logger.info({ invite: invite.id, by: person }, 'invite withdrawn');
      return { invite: toWire(invite) };
    }),
  });
}

function standingFromWire(state: WireState): InviteStanding | null {
  if (state === WireState.UNSPECIFIED) return null;
  const standings = Object.keys(STATES) as InviteStanding[];
  const standing = standings.find((candidate) => STATES[candidate] === state);
  if (standing === undefined) throw new CallRefused(['MALFORMED_MESSAGE'], 'state');
  return standing;
}

function inviteToWire(invite: Invite, now: Date): WireInvite {
  return {
    inviteId: invite.id,
    acquirer: invite.acquirer,
    merchant: invite.merchant,
    state: STATES[standingOf(invite, now)],
    createdBy: invite.createdBy,
    createdAt: invite.createdAt,
    expiresAt: invite.expiresAt,
    deviceId: invite.deviceId ?? '',
    replacesDeviceId: invite.replaces ?? '',
    withdrawnBy: invite.withdrawnBy ?? '',
    withdrawnAt: invite.withdrawnAt ?? undefined,
  };
}
