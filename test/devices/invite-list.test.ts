import { beforeEach, describe, expect, test } from '@jest/globals';
import { createInvite, withdrawInvite } from '../../src/devices/invite.ts';
import { type InviteListRequest, listInvites } from '../../src/devices/invite-list.ts';
import { pageToken } from '../../src/devices/page-token.ts';
import { signingKey } from '../support/signing-key.ts';
import { unwrap } from '../support/unwrap.ts';
import { AttestationTable, POLICY } from './support.ts';

let table: AttestationTable;
beforeEach(() => {
  table = new AttestationTable();
});

const create = async (merchant: string, replaces: string | null = null) => {
  const request = { acquirer: 'acquirer-a', merchant, validForSeconds: 0, replaces, by: 'ann' };
  return createInvite(request, table.ports, POLICY.devices);
};
const list = (over: Partial<InviteListRequest> = {}) =>
  listInvites({ merchant: '', standing: null, pageSize: 0, pageToken: '', ...over }, table.ports);

describe('the list of invites', () => {
  test('comes page by page, each invite once, newest first', async () => {
    const made: string[] = [];
    for (let count = 0; count < 5; count += 1) {
      made.unshift(unwrap(await create('shop-1')).id);
      table.clock.advance(1000);
    }
    const seen: string[] = [];
    let next = '';
    do {
      const page = unwrap(await list({ pageSize: 2, pageToken: next }));
      seen.push(...page.invites.map(({ id }) => id));
      next = page.nextPageToken;
    } while (next !== '');
    expect(seen).toEqual(made);
    expect(JSON.stringify(unwrap(await list()))).not.toContain('code');
  });

  test('refuses a page token of another query, a changed one, and what is none', async () => {
    await create('shop-1');
    await create('shop-1');
    const { nextPageToken } = unwrap(await list({ pageSize: 1 }));
    const refused = { ok: false, reason: 'PAGE_TOKEN_INVALID' };
    expect(await list({ pageToken: nextPageToken, standing: 'open' })).toMatchObject(refused);
    expect(await list({ pageToken: nextPageToken, merchant: 'shop-1' })).toMatchObject(refused);
    const scope = ['invites', '', ''];
    const id = '00000000-0000-4000-8000-000000000000';
    const forged = [
      pageToken(scope, ['12', 'no-uuid']),
      pageToken(scope, ['-1', id]),
      pageToken(scope, ['9'.repeat(16), id]),
    ];
    for (const token of [...forged, 'x', `${nextPageToken}A`, 'A'.repeat(4000)]) {
      expect(await list({ pageToken: token })).toMatchObject(refused);
    }
    expect(await list({ pageToken: nextPageToken })).toMatchObject({ ok: true });
  });

  test('refuses what is no name of a merchant', async () => {
    expect(await list({ merchant: "x' OR" })).toMatchObject({ ok: false, reason: 'MALFORMED_MESSAGE' });
  });
});

describe('an administrator', () => {
  test('may open as many invites of a merchant as policy says', async () => {
    for (let count = 0; count < 5; count += 1) expect(await create('shop-1')).toMatchObject({ ok: true });
    expect(await create('shop-1')).toMatchObject({ ok: false, reason: 'INVITE_LIMIT_REACHED' });
    const [newest] = unwrap(await list()).invites;
    expect(await withdrawInvite(newest?.id ?? '', 'bob', table.ports)).toMatchObject({ ok: true });
    expect(await create('shop-1')).toMatchObject({ ok: true });
  });

  test('withdraws an invite once and again, but not a used or an unknown one', async () => {
    const { id } = unwrap(await create('shop-1'));
    const withdrawn = { ok: true, value: { state: 'withdrawn', withdrawnBy: 'bob' } };
    expect(await withdrawInvite(id, 'bob', table.ports)).toMatchObject(withdrawn);
    expect(await withdrawInvite(id, 'eve', table.ports)).toMatchObject(withdrawn);
    expect(await withdrawInvite('no-uuid', 'bob', table.ports)).toMatchObject({ ok: false, reason: 'NOT_FOUND' });
    await table.enrolled(signingKey());
    const [used] = unwrap(await list({ standing: 'used' })).invites;
    expect(await withdrawInvite(used?.id ?? '', 'bob', table.ports)).toMatchObject({
      ok: false,
      reason: 'INVITE_USED',
    });
  });

  test('has a device replaced that is of the merchant and not revoked', async () => {
    const { deviceId } = await table.enrolled(signingKey());
    expect(await create('shop-1', deviceId)).toMatchObject({ ok: true });
    expect(await create('shop-2', deviceId)).toMatchObject({ ok: false, reason: 'NOT_FOUND' });
    await table.stores.revoke(deviceId);
    expect(await create('shop-1', deviceId)).toMatchObject({ ok: false, reason: 'DEVICE_REVOKED' });
  });
});
