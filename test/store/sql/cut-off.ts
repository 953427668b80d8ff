import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../../src/app/store.ts';
import { type DatabaseAddress, SqlPool } from '../../../src/store/sql/engine/pool.ts';
import type { OpenStores } from '../../support/contracts/contract.ts';
import { addGrant, decisionOf, enrolPhone } from '../../support/enrolled.ts';
import type { DurableStores } from '../../support/stores.ts';
import { type Fault, type FaultProxy, faultProxy } from '../engine/fault-proxy.ts';

const cut = (when: Fault['when']): Fault => ({ statement: 'gate-commit-group', failure: 'cut', when });

/** What becomes of a decision whose connection is cut while it is committed. */
export function cutOffDecisions(open: OpenStores, database: () => DatabaseAddress): void {
  describe('a decision whose connection is cut while it commits', () => {
    let proxy: FaultProxy;
    let pool: SqlPool;
    let overProxy: DurableStores;

    beforeEach(async () => {
      proxy = await faultProxy(database());
      pool = new SqlPool({ address: proxy.address, applicationName: 'cut-off test' });
      overProxy = sqlStores(pool, pino({ level: 'silent' }));
    });

    afterEach(async () => {
      await pool.close();
      await proxy.close();
    });

    const undecided = async () => {
      const stores = open();
      const phone = await enrolPhone(stores);
      const stored = await addGrant(stores, phone);
      const decision = async () =>
        (await stores.decisions.situation(stored.grant.id, phone.sessionKey.thumbprint, Buffer.alloc(8)))?.decision ??
        null;
      return { stores, stored, decision };
    };

    test('is known as kept where it was: read back by its grant', async () => {
      const { stored, decision } = await undecided();
      const ours = decisionOf(stored);
      proxy.inject(cut('after'));
      expect(await overProxy.decisions.commit(ours)).toBe(true);
      expect(await decision()).toMatchObject({ receipt: ours.receipt });
    });

    test('is said to be unknown where nothing is there to read back', async () => {
      const { stored, decision } = await undecided();
      proxy.inject(cut('before'));
      await expect(overProxy.decisions.commit(decisionOf(stored))).rejects.toMatchObject({
        code: 'COMMIT_UNKNOWN',
      });
      expect(await decision()).toBeNull();
    });

    test("is not taken for ours where another's stands", async () => {
      const { stores, stored, decision } = await undecided();
      const theirs = decisionOf(stored);
      await stores.decisions.commit(theirs);
      proxy.inject(cut('before'));
      expect(await overProxy.decisions.commit(decisionOf(stored))).toBe(false);
      const sameIntent = decisionOf(stored, { intentHash: theirs.intentHash });
      expect(await overProxy.decisions.commit(sameIntent)).toBe(false);
      expect(await decision()).toMatchObject({ receipt: theirs.receipt });
    });

    test('is not taken for ours where another refusal of the same intent stands: its reasons are the answer', async () => {
      const { stores, stored, decision } = await undecided();
      const refusal = { outcome: 'refused', receipt: '' } as const;
      const theirs = decisionOf(stored, { ...refusal, reasons: ['GRANT_EXPIRED'] });
      await stores.decisions.commit(theirs);
      proxy.inject(cut('before'));
      const ours = { ...theirs, reasons: ['CVM_REQUIRED'] } as const;
      expect(await overProxy.decisions.commit(ours)).toBe(false);
      expect(await decision()).toMatchObject({ reasons: ['GRANT_EXPIRED'] });
    });
  });
}
