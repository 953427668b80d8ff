import { createInvite } from '../../devices/invite.ts';
import type { DevicePolicy } from '../../devices/policy.ts';
import type { InviteStore } from '../../devices/store.ts';
import { InviteAdminServiceService } from '../../gen/tapgate/v1/invite_admin_service.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { requireRole } from '../transport/peer.ts';
import { orRefuse } from '../transport/refused.ts';
import { service, unary } from '../transport/service.ts';

/** What the invite service is made of. */
export interface InviteAdminServiceParts {
  readonly ports: { readonly invites: InviteStore; readonly clock: Clock; readonly random: Random };
  readonly policy: () => DevicePolicy;
}

/** InviteAdminService. */
export function inviteAdminService({ ports, policy }: InviteAdminServiceParts) {
  return service(InviteAdminServiceService, {
    createInvite: unary(async (request, context) => {
      const { person } = requireRole(context.caller, ['security', 'operator']);
      const { acquirer, merchant, validForSeconds } = request;
      const wanted = { acquirer, merchant, validForSeconds, by: person };
      const { id, code, expiresAt } = orRefuse(await createInvite(wanted, ports, policy()));
      context.logger.info({ invite: id, acquirer, merchant, by: person }, 'invite created');
      return { inviteId: id, code, expiresAt };
    }),
  });
}
