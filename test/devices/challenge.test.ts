import { beforeEach, describe, expect, test } from '@jest/globals';
import { secondsAfter } from '../../src/ports/clock.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { START } from '../support/clock.ts';
import { type SigningKey, signingKey } from '../support/signing-key.ts';
import { unwrap } from '../support/unwrap.ts';
import { AttestationTable, byDevice, byInvite } from './support.ts';

let table: AttestationTable;
let deviceKey: SigningKey;
beforeEach(() => {
  table = new AttestationTable();
  deviceKey = signingKey();
});

describe('a challenge', () => {
  test('is taken once, whatever came of it', async () => {
    const pending = unwrap(await table.challenge(byInvite(await table.invite())));
    const bad = table.evidence(pending, (draft) => {
      draft.sessionRefused = 'BOOT_UNLOCKED';
    });
    expect(await table.conclude(pending, bad)).toMatchObject({ reason: 'BOOT_UNLOCKED' });
    const good = table.evidence(pending, () => {});
    expect(await table.conclude(pending, good)).toMatchObject({ reason: 'CHALLENGE_UNKNOWN' });
  });

  test('is taken by one of eight that come at once', async () => {
    const pending = unwrap(await table.challenge(byInvite(await table.invite())));
    const evidence = table.evidence(pending, () => {});
    const answers = await Promise.all(Array.from({ length: 8 }, () => table.conclude(pending, evidence)));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  });

  test('is taken until the very instant at which it expires', async () => {
    const [first, second] = [await table.invite(), await table.invite()];
    const pending = [unwrap(await table.challenge(byInvite(first))), unwrap(await table.challenge(byInvite(second)))];
    expect(pending[0]?.expiresAt).toEqual(secondsAfter(START, 120));
    table.clock.advance(119_999);
    expect(
      await table.conclude(
        pending[0]!,
        table.evidence(pending[0]!, () => {}),
      ),
    ).toMatchObject({ ok: true });
    table.clock.advance(1);
    expect(
      await table.conclude(
        pending[1]!,
        table.evidence(pending[1]!, () => {}),
      ),
    ).toMatchObject({
      reason: 'CHALLENGE_UNKNOWN',
    });
  });

  test('is bound to the hello, byte for byte', async () => {
    const code = await table.invite();
    const pending = unwrap(await table.challenge(byInvite(code)));
    const evidence = table.evidence({ ...pending, hello: Buffer.concat([pending.hello, Buffer.of(0)]) }, () => {});
    expect(await table.conclude(pending, evidence)).toMatchObject({ reason: 'CHALLENGE_MISMATCH' });
  });

  test('is bound to itself: evidence for another one is refused', async () => {
    const code = await table.invite();
    const [one, other] = [unwrap(await table.challenge(byInvite(code))), unwrap(await table.challenge(byInvite(code)))];
    expect(
      await table.conclude(
        one,
        table.evidence(other, () => {}),
      ),
    ).toMatchObject({ reason: 'CHALLENGE_MISMATCH' });
  });

  test.each<[string, () => ReturnType<AttestationTable['challenge']>, Reason]>([
    ['an invite that does not exist', () => table.challenge(byInvite('000000-000000-000000-000000')), 'INVITE_INVALID'],
    ['a device that does not exist', () => table.challenge(byDevice('no-uuid')), 'DEVICE_UNKNOWN'],
    [
      'an invite that has expired',
      async () => {
        const code = await table.invite();
        table.clock.advance(3_600_000);
        return table.challenge(byInvite(code));
      },
      'INVITE_INVALID',
    ],
    [
      'a revoked device',
      async () => {
        const { deviceId } = await table.enrolled(deviceKey);
        await table.stores.revoke(deviceId);
        return table.challenge(byDevice(deviceId));
      },
      'DEVICE_REVOKED',
    ],
    [
      'a suspended device',
      async () => {
        const { deviceId } = await table.enrolled(deviceKey);
        await table.stores.suspend(deviceId);
        return table.challenge(byDevice(deviceId));
      },
      'DEVICE_SUSPENDED',
    ],
  ])('is not given to %s', async (_what, challenge, reason) => {
    expect(await challenge()).toMatchObject({ ok: false, reason });
  });
});

describe('between challenge and evidence', () => {
  test('an invite may be used up by another phone: the later one is refused', async () => {
    const code = await table.invite();
    const [one, other] = [unwrap(await table.challenge(byInvite(code))), unwrap(await table.challenge(byInvite(code)))];
    expect(
      await table.conclude(
        one,
        table.evidence(one, () => {}),
      ),
    ).toMatchObject({ ok: true });
    const late = await table.conclude(
      other,
      table.evidence(other, () => {}),
    );
    expect(late).toMatchObject({ reason: 'INVITE_INVALID' });
  });

  test.each([
    ['revoked', 'DEVICE_REVOKED'],
    ['suspended', 'DEVICE_SUSPENDED'],
  ] as const)('a device may be %s: no session, no token, and the right reason', async (status, reason) => {
    const { deviceId } = await table.enrolled(deviceKey);
    const pending = unwrap(await table.challenge(byDevice(deviceId)));
    if (status === 'suspended') await table.stores.suspend(deviceId);
    else await table.stores.revoke(deviceId);
    const tokens = table.vault.calls.length;
    const answer = await table.conclude(
      pending,
      table.evidence(pending, () => {}, deviceKey),
    );
    expect(answer).toMatchObject({ reason });
    expect(table.vault.calls).toHaveLength(tokens);
  });
});
