import { describe, expect, test } from '@jest/globals';
import { NAME_FORM } from '../../src/certs/uri-name.ts';
import { createInvite, inviteCodeHash, PARTY_NAME } from '../../src/devices/invite.ts';
import { devicePolicySchema } from '../../src/devices/policy.ts';
import { secondsAfter } from '../../src/ports/clock.ts';
import { START, TestClock } from '../support/clock.ts';
import { SeededRandom } from '../support/random.ts';
import { MemoryStores } from '../support/stores.ts';
import { unwrap } from '../support/unwrap.ts';

const POLICY = devicePolicySchema.parse({ inviteSeconds: 3600, challengeSeconds: 120, postureForbidsAttestation: [] });
const REQUEST = { acquirer: 'acquirer-a', merchant: 'shop-1', validForSeconds: 0, replaces: null, by: 'ann' };

const stores = new MemoryStores();
const ports = { invites: stores.invites, clock: new TestClock(), random: new SeededRandom('invites') };
const create = (over: Partial<typeof REQUEST> = {}) => createInvite({ ...REQUEST, ...over }, ports, POLICY);

describe('an invite', () => {
  test('has a code of 120 bits in letters that read as no other, and is kept by its hash', async () => {
    const { id, code, expiresAt } = unwrap(await create());
    expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{6}-){3}[0-9A-HJKMNP-TV-Z]{6}$/);
    expect(expiresAt).toEqual(secondsAfter(START, 3600));
    expect(await stores.invites.inviteOfCode(inviteCodeHash(code))).toMatchObject({ id, merchant: 'shop-1' });
  });

  test('is found however its code is typed', async () => {
    const { code } = unwrap(await create());
    for (const typed of [code.toLowerCase(), code.replaceAll('-', ''), code.replaceAll('', '-')]) {
      expect(inviteCodeHash(typed)).toEqual(inviteCodeHash(code));
    }
    expect(inviteCodeHash(code.slice(1))).not.toEqual(inviteCodeHash(code));
  });

  test.each([
    ['as long as policy allows', 3600, 3600],
    ['a second', 1, 1],
  ])('lives %s', async (_name, validForSeconds, seconds) => {
    expect(unwrap(await create({ validForSeconds })).expiresAt).toEqual(secondsAfter(START, seconds));
  });

  test.each([
    ['a life over the limit', { validForSeconds: 3601 }],
    ['an acquirer with a space', { acquirer: 'acquirer a' }],
    ['no merchant', { merchant: '' }],
    ['a merchant in capitals', { merchant: 'Shop' }],
    ['a merchant of 65 characters', { merchant: 'x'.repeat(65) }],
    ['a merchant with a line break', { merchant: 'shop\n' }],
  ])('is not made for %s', async (_what, over) => {
    expect(await create(over)).toMatchObject({ ok: false, reason: 'MALFORMED_MESSAGE' });
  });

  test('names acquirers by the form that certificates name them by', () => {
    expect(PARTY_NAME.source).toBe(NAME_FORM.source);
  });
});
