import { describe, expect, test } from '@jest/globals';
import { sha256 } from '../../../../src/encoding/digest.ts';
import { secondsAfter } from '../../../../src/ports/clock.ts';
import { voids } from '../../../../src/tokens/revocation.ts';
import { START } from '../../../support/clock.ts';
import { addGrant, decisionOf, enrolPhone, uniqueId } from '../../../support/enrolled.ts';
import { ATTESTED, NOTHING_AGAINST, newSession } from '../../../support/facts.ts';
import { signingKey } from '../../../support/signing-key.ts';
import type { LifeTable } from './table.ts';

/** The account data key of a phone that has none. */
const NO_KEYS = Buffer.alloc(8);

/** What becomes of a device in SQL when the security team changes its standing. */
export function standingInSql(open: () => LifeTable): void {
  describe('the standing of a device', () => {
    test('is suspended with every session, published once, and recorded', async () => {
      const { stores, change, published } = open();
      const phone = await enrolPhone(stores);
      const next = signingKey();
      await stores.devices.renew(phone.deviceId, ATTESTED, newSession(next, START), NOTHING_AGAINST);
      expect(await change(phone.deviceId, 'suspend', 'tampered with')).toEqual({ ok: true, value: { changed: true } });
      expect(await change(phone.deviceId, 'suspend')).toEqual({ ok: true, value: { changed: false } });
      for (const { thumbprint } of [phone.sessionKey, next]) {
        const session = await stores.devices.session(thumbprint);
        expect(session).toMatchObject({ status: 'revoked', deviceStatus: 'suspended' });
      }
      expect(await published(phone.deviceId)).toEqual(['DEVICE_SUSPENDED']);
      expect(await stores.standings.changes(phone.deviceId, 10)).toEqual([
        { from: 'active', to: 'suspended', by: 'ann', cause: 'tampered with', at: START },
      ]);
    });

    test('is resumed without its sessions: the phone attests anew', async () => {
      const { stores, change, published } = open();
      const phone = await enrolPhone(stores);
      await change(phone.deviceId, 'suspend');
      expect(await change(phone.deviceId, 'resume')).toEqual({ ok: true, value: { changed: true } });
      expect(await stores.devices.session(phone.sessionKey.thumbprint)).toMatchObject({
        status: 'revoked',
        deviceStatus: 'active',
      });
      const renewed = newSession(signingKey(), secondsAfter(START, 5));
      expect(await stores.devices.renew(phone.deviceId, ATTESTED, renewed, NOTHING_AGAINST)).toMatchObject({
        outcome: 'accepted',
      });
      expect(await published(phone.deviceId)).toEqual(['DEVICE_SUSPENDED']);
      const changes = await stores.standings.changes(phone.deviceId, 10);
      expect(changes.map(({ to }) => to)).toEqual(['active', 'suspended']);
    });

    test('leaves the tokens of an attestation in the same second to the phone that is resumed', async () => {
      const { stores, pool, change } = open();
      const { deviceId } = await enrolPhone(stores);
      for (let time = 0; time < 2; time += 1) {
        await change(deviceId, 'suspend');
        await change(deviceId, 'resume');
        const session = newSession(signingKey(), START);
        const renewed = await stores.devices.renew(deviceId, ATTESTED, session, NOTHING_AGAINST);
        const issuedAt = 'issuedAt' in renewed ? renewed.issuedAt : null;
        expect(await stores.devices.resume(session.thumbprint, deviceId, START)).toEqual(issuedAt);
        const { rows } = await pool.query<{ revoked_at: Date }>(
          'SELECT revoked_at FROM revocation WHERE device_id = $1 ORDER BY sequence DESC LIMIT 1',
          [deviceId],
        );
        const revokedAt = rows[0]?.revoked_at ?? START;
        expect(voids({ revokedAt }, Math.floor((issuedAt ?? START).getTime() / 1000))).toBe(false);
      }
    });

    test('voids the token of a resumption by a clock ahead, though the phone attested by another since', async () => {
      const { stores, pool, change } = open();
      const { deviceId, sessionKey } = await enrolPhone(stores);
      const ahead = secondsAfter(START, 3);
      expect(await stores.devices.resume(sessionKey.thumbprint, deviceId, ahead)).toEqual(ahead);
      await stores.devices.resume(sessionKey.thumbprint, deviceId, secondsAfter(START, 1));
      await stores.devices.renew(deviceId, ATTESTED, newSession(signingKey(), START), NOTHING_AGAINST);
      await change(deviceId, 'suspend');
      const { rows } = await pool.query('SELECT revoked_at FROM revocation WHERE device_id = $1', [deviceId]);
      expect(rows).toEqual([{ revoked_at: ahead }]);
    });

    test('is published as of the last attestation where another clock is ahead', async () => {
      const { stores, pool, change } = open();
      const ahead = secondsAfter(START, 3);
      const { deviceId } = await enrolPhone(stores, { at: ahead });
      await change(deviceId, 'revoke');
      const { rows } = await pool.query('SELECT revoked_at FROM revocation WHERE device_id = $1', [deviceId]);
      expect(rows).toEqual([{ revoked_at: ahead }]);
    });

    test.each(['', 'no-uuid', "' OR TRUE --", uniqueId()])('is not changed for the id %j', async (id) => {
      expect(await open().change(id, 'revoke')).toMatchObject({ reason: 'NOT_FOUND' });
    });

    test('is changed once by eight who suspend it at the same time', async () => {
      const { stores, change, published } = open();
      const { deviceId } = await enrolPhone(stores);
      const answers = await Promise.all(Array.from({ length: 8 }, () => change(deviceId, 'suspend')));
      expect(answers.filter((answer) => answer.ok && answer.value.changed)).toHaveLength(1);
      expect(await published(deviceId)).toHaveLength(1);
      expect(await stores.standings.changes(deviceId, 10)).toHaveLength(1);
    });

    test('leaves no active session, however a renewal races with a suspension', async () => {
      const { stores, change } = open();
      for (let round = 0; round < 6; round += 1) {
        const phone = await enrolPhone(stores);
        const keys = [signingKey(), signingKey()];
        const renewals = keys.map((key) =>
          stores.devices.renew(phone.deviceId, ATTESTED, newSession(key, START), NOTHING_AGAINST),
        );
        await change(phone.deviceId, 'suspend');
        await Promise.all(renewals);
        const sessions = await stores.history.sessions(phone.deviceId, 10);
        expect(sessions.filter(({ status }) => status === 'active')).toEqual([]);
      }
    });

    test('and a payment are decided by whichever commits first, never both', async () => {
      const { stores, change } = open();
      for (let round = 0; round < 10; round += 1) {
        const phone = await enrolPhone(stores);
        const stored = [await addGrant(stores, phone), await addGrant(stores, phone, { sequence: 2n })];
        const [first, second] = stored.map((grant) => decisionOf(grant));
        const beside = stores.decisions.commit(first!);
        await change(phone.deviceId, 'suspend');
        expect(await stores.decisions.commit(second!)).toBe(false);
        const kept = await beside;
        const situation = await stores.decisions.situation(first!.grantId, phone.sessionKey.thumbprint, NO_KEYS);
        expect(situation?.decision !== null).toBe(kept);
      }
    });
  });

  describe('a forgotten device', () => {
    test('keeps its security record and nothing that ties it to a person', async () => {
      const { stores, pool, change } = open();
      const phone = await enrolPhone(stores);
      const { deviceId } = phone;
      expect(await change(deviceId, 'forget')).toMatchObject({ reason: 'DEVICE_NOT_REVOKED' });
      await change(deviceId, 'revoke', 'taken from Ann Example');
      expect(await change(deviceId, 'forget')).toMatchObject({ value: { changed: true } });
      expect(await change(deviceId, 'forget')).toMatchObject({ value: { changed: false } });
      expect(await change(deviceId, 'resume')).toMatchObject({ reason: 'DEVICE_FORGOTTEN' });

      const everything = JSON.stringify(
        await Promise.all(
          ['device', 'attested_session', 'appraisal', 'device_change'].map(async (table) => {
            const column = table === 'device' ? 'id' : 'device_id';
            return (await pool.query(`SELECT * FROM ${table} WHERE ${column} = $1`, [deviceId])).rows;
          }),
        ),
        (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
      );
      for (const gone of ['Ann Example', '0b0b0b', '0c0c0c', 'abababab', 'certificate 1', 'dadada']) {
        expect(everything).not.toContain(gone);
      }
      const { rows } = await pool.query('SELECT device_key, device_key_hash FROM device WHERE id = $1', [deviceId]);
      expect(rows).toEqual([{ device_key: Buffer.alloc(0), device_key_hash: sha256(phone.deviceKey.spki) }]);
      const evidence = await pool.query(
        'SELECT 1 FROM evidence e JOIN appraisal a ON a.id = e.appraisal_id WHERE a.device_id = $1',
        [deviceId],
      );
      expect(evidence.rows).toEqual([]);

      expect(await stores.search.listed(deviceId)).toMatchObject({ id: deviceId, standing: 'forgotten' });
      expect(await stores.devices.session(phone.sessionKey.thumbprint)).toMatchObject({ status: 'revoked' });
      const [appraisal] = await stores.history.appraisals(deviceId, null, 10);
      expect(appraisal?.checks).toEqual([
        { code: 'CHAIN_WELL_FORMED', status: 'pass' },
        { code: 'ISSUERS_ARE_AUTHORITIES', status: 'tolerated' },
      ]);
      const changes = await stores.standings.changes(deviceId, 10);
      expect(changes.map(({ to, by, cause }) => [to, by, cause])).toEqual([
        ['forgotten', 'ann', ''],
        ['revoked', 'ann', ''],
      ]);
    });
  });
}
