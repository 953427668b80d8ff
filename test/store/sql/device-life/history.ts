import { describe, expect, test } from '@jest/globals';
import { listAppraisals } from '../../../../src/devices/history.ts';
import { secondsAfter } from '../../../../src/ports/clock.ts';
import { START } from '../../../support/clock.ts';
import { enrolPhone, uniqueId } from '../../../support/enrolled.ts';
import { ATTESTED, NOTHING_AGAINST, newSession } from '../../../support/facts.ts';
import { signingKey } from '../../../support/signing-key.ts';
import { unwrap } from '../../../support/unwrap.ts';
import type { LifeTable } from './table.ts';

/** What is kept of a device's past in SQL. */
export function historyInSql(open: () => LifeTable): void {
  describe('the history of a device', () => {
    test('tells every appraisal with every check, the latest first, page by page, those of one instant included', async () => {
      const { stores } = open();
      const { deviceId } = await enrolPhone(stores);
      for (const seconds of [60, 60, 60, 120]) {
        const session = newSession(signingKey(), secondsAfter(START, seconds));
        await stores.devices.renew(deviceId, ATTESTED, session, NOTHING_AGAINST);
      }
      const seen: string[] = [];
      const times: number[] = [];
      let pageToken = '';
      do {
        const page = unwrap(await listAppraisals({ deviceId, pageSize: 2, pageToken }, stores.history));
        seen.push(...page.appraisals.map(({ id }) => id));
        times.push(...page.appraisals.map(({ appraisedAt }) => (appraisedAt.getTime() - START.getTime()) / 1000));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      expect(times).toEqual([120, 60, 60, 60, 0]);
      expect(new Set(seen).size).toBe(5);
      const [latest] = await stores.history.appraisals(deviceId, null, 1);
      expect(latest).toMatchObject({
        verdict: 'accepted',
        reasons: [],
        reappraisalId: null,
        policyVersion: 'policy-1',
      });
      expect(latest?.checks).toEqual([
        { code: 'CHAIN_WELL_FORMED', status: 'pass' },
        { code: 'ISSUERS_ARE_AUTHORITIES', status: 'tolerated', detail: 'certificate 1' },
      ]);
    });

    test('tells its sessions, the latest first, and which is the current one', async () => {
      const { stores } = open();
      const phone = await enrolPhone(stores);
      const key = signingKey();
      const session = newSession(key, secondsAfter(START, 60));
      await stores.devices.renew(phone.deviceId, ATTESTED, session, NOTHING_AGAINST);
      const sessions = await stores.history.sessions(phone.deviceId, 10);
      expect(sessions.map(({ thumbprint, current }) => [thumbprint, current])).toEqual([
        [key.thumbprint, true],
        [phone.sessionKey.thumbprint, false],
      ]);
    });

    test.each(['no-uuid', uniqueId()])('is empty for the id %j', async (id) => {
      const { stores } = open();
      expect(await stores.history.appraisals(id, null, 10)).toEqual([]);
      expect(await stores.history.sessions(id, 10)).toEqual([]);
      expect(await stores.standings.changes(id, 10)).toEqual([]);
    });
  });
}
