import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SESSION_POLICY } from '../../sessions/policy.ts';
import { TestClock } from '../../support/clock.ts';
import { Certificates } from '../transport/support/edge.ts';
import { PhoneTable, reasonsOf, type TablePhone, type TableSession } from './phone-table.ts';

let certificates: Certificates;
let table: PhoneTable | null = null;

beforeAll(async () => {
  certificates = await Certificates.make();
});
afterAll(() => certificates.remove());
afterEach(async () => {
  await table?.close();
  table = null;
});

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('pay', 'pay with PIN') },
  { weight: 2, arbitrary: fc.constantFrom('report', 'second session', 'cut', 'cut in mid-PIN', 'repeat twice') },
  { weight: 1, arbitrary: fc.constantFrom('dirty report', 'revoke') },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 20_000 }) },
);

/** Silence that no session ends for: the phone is late, and comes back. */
const LIMIT = SESSION_POLICY.silenceMilliseconds;

/** Begins, reports whenever it is asked to, and answers the grant, or null where it is refused. */
async function begin(session: TableSession, phone: TablePhone) {
  const grant = phone.terms({ amountMinor: 9900n });
  await session.begin(grant);
  for (;;) {
    const message = await session.next();
    if (message.$case === 'reportDue') await session.report();
    if (message.$case === 'grant') return session.grantOf(message.value);
    if (message.$case === 'transactionRefused') return null;
  }
}

test('over real streams: what is accepted was granted to a phone in good standing, once, and every honest phone gets on', async () => {
  let accepted = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), async (steps) => {
      await table?.close();
      const clock = new TestClock();
      table = new PhoneTable(clock);
      await table.serve(certificates);
      const phone = await table.phone();
      let session = await phone.opened();
      let revoked = false;
      let idle = 0;
      const reopen = async () => {
        idle = 0;
        session = await phone.opened();
      };
      for (const happening of steps) {
        if (typeof happening === 'number') {
          idle += happening;
          if (idle > LIMIT) await reopen();
          clock.advance(happening);
        } else if (happening === 'cut') {
          session.cut();
          await reopen();
        } else if (happening === 'second session') {
          const before = session;
          await reopen();
          expect(await before.ended()).toEqual(['SESSION_UNKNOWN']);
        } else if (happening === 'report' || happening === 'dirty report') {
          while (session.answered) await session.next();
          await session.report(new Set(happening === 'dirty report' ? (['overlay'] as const) : []));
          while ((await session.next()).$case !== 'reportDue');
          idle = 0;
        } else if (happening === 'revoke') {
          await table.stores.revoke(phone.enrolled.deviceId);
          table.presence.end(phone.enrolled.deviceId, 'DEVICE_REVOKED');
          expect(await session.ended()).toEqual(['DEVICE_REVOKED']);
          expect(await reasonsOf(phone.opened())).toEqual(['DEVICE_REVOKED']);
          revoked = true;
          break;
        } else {
          const grant = await begin(session, phone);
          idle = 0;
          if (grant === null || happening === 'pay') continue;
          const entry = phone.pinEntry(grant);
          const pinGrant = await entry.begin();
          if (happening === 'cut in mid-PIN') {
            entry.cut();
            expect(await reasonsOf(phone.pinEntry(grant).begin())).toEqual(['PIN_ENTRY_BEGUN']);
            continue;
          }
          await entry.report();
          const block = entry.signedBlock(pinGrant);
          await entry.accepted(block);
          accepted += 1;
          if (happening !== 'repeat twice') continue;
          expect(await phone.pinEntry(grant).repeated(block)).toEqual(grant.expiresAt);
          expect(await phone.pinEntry(grant).repeated(block)).toEqual(grant.expiresAt);
        }
      }
      if (revoked) return;
      await reopen();
      expect(await begin(session, phone)).not.toBeNull();
    }),
    { seed: 61, numRuns: 25 },
  );
  expect(accepted).toBeGreaterThan(5);
});
