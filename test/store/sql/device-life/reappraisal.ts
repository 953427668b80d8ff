import { describe, expect, test } from '@jest/globals';
import type { Appraiser } from '../../../../src/attestation/appraiser.ts';
import type { ReappraisalStore } from '../../../../src/devices/reappraisal.ts';
import { createReappraisalWorker, type ReappraisalPorts } from '../../../../src/jobs/reappraisal/worker.ts';
import { secondsAfter } from '../../../../src/ports/clock.ts';
import { voids } from '../../../../src/tokens/revocation.ts';
import { attestationChain, chainAppraiser } from '../../../support/appraiser.ts';
import { START } from '../../../support/clock.ts';
import { enrolPhone, uniqueId } from '../../../support/enrolled.ts';
import { ATTESTED, NOTHING_AGAINST, newSession } from '../../../support/facts.ts';
import { SeededRandom } from '../../../support/random.ts';
import { signingKey } from '../../../support/signing-key.ts';
import type { LifeTable } from './table.ts';

const CHALLENGE = Buffer.alloc(32, 0xc4);
const random = new SeededRandom('reappraisal');

/** Active phones with evidence that can be appraised; every third one is of a key that is listed later. */
async function enrolFleet({ stores, pool, clock }: LifeTable, count: number) {
  // What other tests have enrolled takes no part.
  await pool.query("UPDATE device SET status = 'suspended' WHERE status = 'active'");
  await pool.query('DELETE FROM reappraisal');
  clock.set(secondsAfter(START, 600));
  const phones: { deviceId: string; thumbprint: string }[] = [];
  const listed = new Set<string>();
  for (let index = 0; index < count; index += 1) {
    const { deviceId } = await enrolPhone(stores);
    const key = signingKey();
    const sessionChain = attestationChain({ key: key.spki, challenge: CHALLENGE, purpose: 'sign' });
    const session = { ...newSession(key, secondsAfter(START, 60)), evidence: { sessionChain, deviceChain: [] } };
    await stores.devices.renew(deviceId, ATTESTED, session, NOTHING_AGAINST);
    phones.push({ deviceId, thumbprint: key.thumbprint });
    if (index % 3 === 0) listed.add(key.spki.toString('hex'));
  }
  phones.sort((a, b) => (a.deviceId < b.deviceId ? -1 : 1));
  return { phones, listed };
}

/** Refuses what is listed. */
const appraiserOf = (listed: ReadonlySet<string>): Appraiser => ({
  appraise: (evidence) => {
    const appraisal = chainAppraiser.appraise(evidence);
    if (appraisal.verdict === 'refused' || !listed.has(appraisal.facts.publicKey.toString('hex'))) return appraisal;
    const check = { code: 'NOT_REVOKED', status: 'fail', reason: 'CHAIN_REVOKED', detail: 'certificate 1' } as const;
    return { verdict: 'refused', reasons: ['CHAIN_REVOKED'], checks: [check], facts: null };
  },
});

/** A worker over the table; it looks for work when it is told only. */
function workerOf(table: LifeTable, listed: ReadonlySet<string>, over: Partial<ReappraisalPorts> = {}) {
  const ended: string[] = [];
  const { promise: settled, resolve } = Promise.withResolvers<unknown>();
  const worker = createReappraisalWorker({
    store: table.stores.reappraisals,
    judgeOf: () => ({ appraiser: appraiserOf(listed), policyVersion: 'policy-1' }),
    policyVersion: () => 'policy-1',
    clock: table.clock,
    random,
    timer: {
      after: (milliseconds, run) => {
        const soon = milliseconds < 5000 ? setImmediate(run) : undefined;
        return () => clearImmediate(soon);
      },
    },
    pace: { pageSize: 2, devicesPerSecond: 1000, leaseSeconds: 30 },
    onEnded: (deviceId) => ended.push(deviceId),
    onFinished: resolve,
    onFailure: resolve,
    ...over,
  });
  return { worker, ended, settled };
}

/** The store, until its power is cut: at so many calls of `advance`, which then never returns from anything. */
function cutAt(
  store: ReappraisalStore,
  advances: number,
  before: boolean,
): { store: ReappraisalStore; cut: Promise<void> } {
  const { promise: cut, resolve } = Promise.withResolvers<void>();
  let calls = 0;
  const silence = new Promise<never>(() => {});
  const cutStore: ReappraisalStore = {
    request: (noted) => store.request(noted),
    lastPolicyVersion: () => store.lastPolicyVersion(),
    claim: (...values) => store.claim(...values),
    evidence: (...values) => store.evidence(...values),
    end: (...values) => store.end(...values),
    advance: async (...values) => {
      calls += 1;
      if (calls < advances) return store.advance(...values);
      if (!before) await store.advance(...values);
      resolve();
      return silence;
    },
    finish: (...values) => store.finish(...values),
    release: (lease) => store.release(lease),
    reappraisal: (id) => store.reappraisal(id),
    latest: (limit) => store.latest(limit),
  };
  return { store: cutStore, cut };
}

const statusOf = async ({ stores }: LifeTable, thumbprint: string) =>
  (await stores.devices.session(thumbprint))?.status ?? 'none';

/** What a re-appraisal in SQL does, wherever it is cut. */
export function reappraisalInSql(open: () => LifeTable): void {
  describe('a re-appraisal', () => {
    test('ends the sessions of the phones that fail, keeps why, publishes it, and leaves the others alone', async () => {
      const table = open();
      const { stores, clock, published } = table;
      const { phones, listed } = await enrolFleet(table, 5);
      const { worker, ended, settled } = workerOf(table, listed);
      const id = await worker.request('person', 'ann');
      await worker.start();
      expect(await settled).toBe(id);
      await worker.stop();
      expect(await stores.reappraisals.reappraisal(id)).toMatchObject({
        prompt: 'person',
        requestedBy: 'ann',
        devices: 5,
        examined: 5,
        refused: 2,
        withoutEvidence: 0,
        undecided: 0,
        begunAt: clock.now(),
        finishedAt: clock.now(),
      });
      expect(ended).toHaveLength(2);
      for (const { deviceId, thumbprint } of phones) {
        const failed = ended.includes(deviceId);
        expect(await statusOf(table, thumbprint)).toBe(failed ? 'revoked' : 'active');
        expect(await published(deviceId)).toEqual(failed ? ['SESSION_ENDED'] : []);
        const [latest] = await stores.history.appraisals(deviceId, null, 1);
        expect(latest).toMatchObject(
          failed
            ? {
                verdict: 'refused',
                reasons: ['CHAIN_REVOKED'],
                reappraisalId: id,
                checks: [{ code: 'NOT_REVOKED', status: 'fail', reason: 'CHAIN_REVOKED', detail: 'certificate 1' }],
              }
            : { verdict: 'accepted', reappraisalId: null },
        );
      }
    });

    test.each([true, false])(
      'goes on where it was cut, at every page, before its note is written: %s',
      async (before) => {
        const table = open();
        const { phones, listed } = await enrolFleet(table, 5);
        for (let page = 1; page <= 3; page += 1) {
          const { store, cut } = cutAt(table.stores.reappraisals, page, before);
          const first = workerOf(table, page === 1 ? listed : new Set(), { store });
          const id = await first.worker.request('status-list', 'tapgate');
          void first.worker.start();
          await cut;
          const claimed = await table.stores.reappraisals.claim(uniqueId(), 'policy-1', table.clock.now(), START);
          expect(claimed).toBeNull();
          table.clock.advance(60_000);
          const second = workerOf(table, listed);
          await second.worker.start();
          expect(await second.settled).toBe(id);
          await second.worker.stop();
          const run = await table.stores.reappraisals.reappraisal(id);
          expect(run).toMatchObject({ devices: 5, examined: 5 });
        }
        for (const { deviceId } of phones) {
          const [latest] = await table.stores.history.appraisals(deviceId, null, 1);
          const failed = latest?.verdict === 'refused';
          expect(await table.published(deviceId)).toEqual(failed ? ['SESSION_ENDED'] : []);
        }
        const runs = await table.stores.reappraisals.latest(3);
        expect(runs.reduce((sum, { refused }) => sum + refused, 0)).toBe(2);
      },
    );

    test('leaves the token of an attestation in the same second to a phone whose session it ended', async () => {
      const table = open();
      const { phones, listed } = await enrolFleet(table, 1);
      const { worker, settled } = workerOf(table, listed);
      await worker.request('person', 'ann');
      await worker.start();
      await settled;
      await worker.stop();
      const { deviceId } = phones[0]!;
      const session = newSession(signingKey(), table.clock.now());
      const renewed = await table.stores.devices.renew(deviceId, ATTESTED, session, NOTHING_AGAINST);
      const issuedAt = 'issuedAt' in renewed ? renewed.issuedAt : START;
      expect(voids({ revokedAt: table.clock.now() }, Math.floor(issuedAt.getTime() / 1000))).toBe(false);
    });

    test('ends the session of a phone of which no evidence is kept', async () => {
      const table = open();
      const { phones } = await enrolFleet(table, 1);
      const [phone] = phones;
      await table.pool.query(
        'DELETE FROM evidence WHERE appraisal_id IN (SELECT id FROM appraisal WHERE device_id = $1)',
        [phone!.deviceId],
      );
      const { worker, settled } = workerOf(table, new Set());
      const id = await worker.request('person', 'ann');
      await worker.start();
      await settled;
      await worker.stop();
      expect(await table.stores.reappraisals.reappraisal(id)).toMatchObject({ withoutEvidence: 1, refused: 0 });
      expect(await statusOf(table, phone!.thumbprint)).toBe('revoked');
      const [latest] = await table.stores.history.appraisals(phone!.deviceId, null, 1);
      expect(latest).toMatchObject({ verdict: 'refused', reasons: ['EVIDENCE_NOT_KEPT'], checks: [] });
    });

    test('does not end a session that was opened since the evidence was read', async () => {
      const table = open();
      const { stores, clock } = table;
      const { phones } = await enrolFleet(table, 1);
      const [{ deviceId, thumbprint }] = phones as [{ deviceId: string; thumbprint: string }];
      await stores.reappraisals.request({ id: uniqueId(), prompt: 'person', by: 'ann', at: START, policyVersion: 'p' });
      const holder = uniqueId();
      const claimed = await stores.reappraisals.claim(holder, 'p', clock.now(), secondsAfter(clock.now(), 30));
      const lease = { runId: claimed!.run.id, holder };
      const newer = signingKey();
      await stores.devices.renew(deviceId, ATTESTED, newSession(newer, clock.now()), NOTHING_AGAINST);
      const ended = {
        deviceId,
        acquirer: 'acquirer-a',
        thumbprint,
        appraisalId: uniqueId(),
        policyVersion: 'p',
        outcome: 'refused' as const,
        reasons: ['CHAIN_REVOKED'] as const,
        checks: [],
      };
      expect(await stores.reappraisals.end(lease, ended, () => clock.now())).toBe('moved-on');
      expect(await statusOf(table, newer.thumbprint)).toBe('active');
      const current = { ...ended, thumbprint: newer.thumbprint };
      const stranger = { ...lease, holder: uniqueId() };
      expect(await stores.reappraisals.end(stranger, current, () => clock.now())).toBe('lease-lost');
      expect(await statusOf(table, newer.thumbprint)).toBe('active');
      expect(await table.published(deviceId)).toEqual([]);
      const both = await Promise.all(
        [1, 2].map(() => stores.reappraisals.end(lease, { ...current, appraisalId: uniqueId() }, () => clock.now())),
      );
      expect(both.toSorted()).toEqual(['ended', 'moved-on']);
      expect(await table.published(deviceId)).toEqual(['SESSION_ENDED']);
    });

    test('is noted once while one waits, and again once that has begun', async () => {
      const table = open();
      const { stores, clock } = table;
      await enrolFleet(table, 1);
      const note = () =>
        stores.reappraisals.request({
          id: uniqueId(),
          prompt: 'policy',
          by: 'ann',
          at: clock.now(),
          policyVersion: 'p',
        });
      const [first, ...others] = await Promise.all([note(), note(), note(), note()]);
      expect(new Set(others)).toEqual(new Set([first]));
      const until = secondsAfter(clock.now(), 30);
      const claims = await Promise.all(
        [uniqueId(), uniqueId(), uniqueId()].map((holder) =>
          stores.reappraisals.claim(holder, 'p', clock.now(), until),
        ),
      );
      expect(claims.filter((claim) => claim !== null)).toHaveLength(1);
      expect(await note()).not.toBe(first);
    });

    test('is noted at the start where the policy is not the one of the latest', async () => {
      const table = open();
      await enrolFleet(table, 1);
      const runs = async () => (await table.stores.reappraisals.latest(50)).length;
      const before = await runs();
      for (const [version, more] of [
        ['policy-new', 1],
        ['policy-new', 1],
        ['policy-newer', 2],
      ] as const) {
        table.clock.advance(1000);
        const { worker, settled } = workerOf(table, new Set(), { policyVersion: () => version });
        const due = (await table.stores.reappraisals.lastPolicyVersion()) !== version;
        await worker.start();
        if (due) await settled;
        await worker.stop();
        expect(await runs()).toBe(before + more);
      }
    });
  });
}
