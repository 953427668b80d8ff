import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  CreateInviteRequest,
  InviteAdminServiceClient,
  InviteState,
  ListInvitesRequest,
} from '../../../src/gen/tapgate/v1/invite_admin_service.ts';
import { inviteAdminService } from '../../../src/server/services/invite-admin.ts';
import { callUnary } from '../../../src/wire/call.ts';
import { POLICY } from '../../devices/support.ts';
import { TestClock } from '../../support/clock.ts';
import { SeededRandom } from '../../support/random.ts';
import { MemoryStores } from '../../support/stores.ts';
import { Certificates, channelTo, type Edge, startEdge } from '../transport/support/edge.ts';
import { failureOf } from '../transport/support/invites.ts';

const WITHIN = 10_000;

let certificates: Certificates;
let edge: Edge;
let officer: InviteAdminServiceClient;
beforeAll(async () => {
  certificates = await Certificates.make([
    { role: 'operator', person: 'ann' },
    { role: 'auditor', person: 'ada' },
  ]);
  const ports = { invites: new MemoryStores().invites, clock: new TestClock(), random: new SeededRandom('invites') };
  edge = await startEdge(certificates, 'admin', [inviteAdminService({ ports, policy: () => POLICY.devices })]);
  officer = await clientOf('ann@operator');
});
afterAll(async () => {
  officer.close();
  await edge.listener.drain(2000);
  await certificates.remove();
});

const clientOf = async (person: string): Promise<InviteAdminServiceClient> =>
  new InviteAdminServiceClient(...channelTo(edge, await certificates.client('admin', `admin/${person}`)));

const create = (client: InviteAdminServiceClient) => {
  const request = CreateInviteRequest.create({ acquirer: 'acquirer-a', merchant: 'shop-1' });
  return callUnary(client.createInvite.bind(client), request, WITHIN);
};

describe('an operator', () => {
  test('creates, finds, lists and withdraws an invite, and sees its code once', async () => {
    const { inviteId, code } = await create(officer);
    const shown = await callUnary(officer.getInvite.bind(officer), { inviteId }, WITHIN);
    expect(shown.invite).toMatchObject({ inviteId, state: InviteState.OPEN, createdBy: 'ann', merchant: 'shop-1' });
    expect(JSON.stringify(shown)).not.toContain(code);
    await callUnary(officer.withdrawInvite.bind(officer), { inviteId }, WITHIN);
    const request = ListInvitesRequest.create({ state: InviteState.WITHDRAWN });
    const list = await callUnary(officer.listInvites.bind(officer), request, WITHIN);
    expect(list.invites).toMatchObject([{ inviteId, withdrawnBy: 'ann', state: InviteState.WITHDRAWN }]);
  });

  test.each([
    ['a page token of no list', { pageToken: 'x' }, 'PAGE_TOKEN_INVALID'],
    ['a state that is none', { state: 9 as InviteState }, 'MALFORMED_MESSAGE'],
  ])('is refused %s', async (_what, over, reason) => {
    const request = ListInvitesRequest.create(over);
    const failure = await failureOf(callUnary(officer.listInvites.bind(officer), request, WITHIN));
    expect(failure).toMatchObject({ reasons: [reason] });
  });
});

describe('an auditor', () => {
  test('reads, and changes nothing', async () => {
    const auditor = await clientOf('ada@auditor');
    try {
      await expect(
        callUnary(auditor.listInvites.bind(auditor), ListInvitesRequest.create(), WITHIN),
      ).resolves.toBeDefined();
      expect(await failureOf(create(auditor))).toMatchObject({ reasons: ['ROLE_NOT_ALLOWED'] });
      const withdraw = callUnary(auditor.withdrawInvite.bind(auditor), { inviteId: 'any' }, WITHIN);
      expect(await failureOf(withdraw)).toMatchObject({ reasons: ['ROLE_NOT_ALLOWED'] });
    } finally {
      auditor.close();
    }
  });
});
