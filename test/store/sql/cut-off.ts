import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../../src/app/store.ts';
import { type DatabaseAddress, SqlPool } from '../../../src/store/sql/engine/pool.ts';
import type { OpenStores } from '../../support/contracts/contract.ts';
import { addGrant, decisionOf, enrolPhone } from '../../support/enrolled.ts';
import type { DurableStores } from '../../support/stores.ts';
import { type CuttingProxy, cuttingProxy } from '../engine/cutting-proxy.ts';

// The proxy cuts the line around the word COMMIT; an order of that name brings it into the statement of a decision.
const CUT = { order: 'COMMIT' };

/** What becomes of a decision whose connection is cut while it is committed. */
export function cutOffDecisions(open: OpenStores, database: () => DatabaseAddress): void {
  describe('a decision whose connection is cut while it commits', () => {
    let proxy: CuttingProxy;
    let pool: SqlPool;
    let overProxy: DurableStores;

    beforeEach(async () => {
      proxy = await cuttingProxy(database());
      pool = new SqlPool({ address: proxy.address, applicationName: 'cut-off test' });
      overProxy = sqlStores(pool, pino({ level: 'silent' }));
    });

    afterEach(async () => {
      proxy.cut = 'never';
      await pool.close();
      await proxy.close();
    });

    const undecided = async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const stored = await addGrant(stores, phone);
      const decision = async () =>
        (await stores.decisions.situation(stored.grant.id, phone.sessionKey.thumbprint))?.decision ?? null;
      return { stores, stored, decision };
    };

    test('is known as kept where it was: read back by its grant', async () => {
      const { stored, decision } = await undecided();
      const ours = decisionOf(stored, CUT);
      proxy.cut = 'after';
      expect(await overProxy.decisions.commit(ours)).toBe(true);
      expect(await decision()).toMatchObject({ receipt: ours.receipt });
    });

    test('is said to be unknown where nothing is there to read back', async () => {
      const { stored, decision } = await undecided();
      proxy.cut = 'before';
      await expect(overProxy.decisions.commit(decisionOf(stored, CUT))).rejects.toMatchObject({
        code: 'COMMIT_UNKNOWN',
      });
      expect(await decision()).toBeNull();
    });

    test("is not taken for ours where another's stands", async () => {
      const { stores, stored, decision } = await undecided();
      const theirs = decisionOf(stored);
      await stores.decisions.commit(theirs);
      proxy.cut = 'before';
      expect(await overProxy.decisions.commit(decisionOf(stored, CUT))).toBe(false);
      const sameIntent = decisionOf(stored, { ...CUT, intentHash: theirs.intentHash });
      expect(await overProxy.decisions.commit(sameIntent)).toBe(false);
      expect(await decision()).toMatchObject({ receipt: theirs.receipt });
    });

    test('is not taken for ours where another refusal of the same intent stands: its reasons are the answer', async () => {
      const { stores, stored, decision } = await undecided();
      const refusal = { outcome: 'refused', receipt: '' } as const;
      const theirs = decisionOf(stored, { ...refusal, reasons: ['GRANT_EXPIRED'] });
      await stores.decisions.commit(theirs);
      proxy.cut = 'before';
      const ours = { ...theirs, ...CUT, reasons: ['CVM_REQUIRED'] } as const;
      expect(await overProxy.decisions.commit(ours)).toBe(false);
      expect(await decision()).toMatchObject({ reasons: ['GRANT_EXPIRED'] });
    });
  });
}
