import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import pino from 'pino';
import { sqlStores } from '../../../src/app/store.ts';
import { factsFromJson, factsOf, factsToJson, recorded } from '../../../src/gate/facts.ts';
import type { PaymentIntent } from '../../../src/gate/intent.ts';
import { reportOutcome } from '../../../src/gate/outcome.ts';
import { secondsAfter } from '../../../src/ports/clock.ts';
import { SqlPool } from '../../../src/store/sql/engine/pool.ts';
import { decodeIntent, encodeIntent } from '../../../src/wire/transaction.ts';
import { START, TestClock } from '../../support/clock.ts';
import { addGrant, decisionOf, enrolPhone } from '../../support/enrolled.ts';
import { encodeIcc, iccElements } from '../../support/icc.ts';
import { onEachDatabase, type TestDatabase } from './databases.ts';

const exactly = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes));
/** Any text: control characters, halves of characters, other scripts. */
const text = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 24 }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 24 }),
  fc.constantFrom('shop\0', 'shop\n', '\u2028', '\ud800', '"\\u0000"', '\ufffe', "'; --", '\ufeffa'),
);
const amount = fc.oneof(
  fc.bigInt({ min: 0n, max: 10n ** 12n }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(-1n, 0n, 999_999_999_999n, 10n ** 12n),
);
const tap = iccElements({ type: 'sale', amountMinor: 1250n, currency: 978, merchant: 'shop', order: 'order' });

/** Intents as a hostile phone writes them. */
const written: fc.Arbitrary<PaymentIntent> = fc.record({
  acquirer: text,
  thumbprint: text,
  grantId: text,
  terms: fc.record({
    type: fc.constantFrom('sale' as const, 'refund' as const, 'void' as const, 'zero-amount' as const),
    amountMinor: amount,
    currency: fc.nat(2 ** 31 - 1),
    merchant: text,
    order: text,
  }),
  emvData: fc.oneof(fc.constant(encodeIcc(tap)), exactly(64)),
  accountData: fc.record({ ksn: exactly(12), initializationVector: exactly(12), ciphertext: exactly(64) }),
  claimedVerification: fc.constant('none' as const),
  pin: fc.constant(null),
});

const acceptedOf = (intent: PaymentIntent): PaymentIntent | null => {
  const read = decodeIntent(encodeIntent(intent));
  return read.ok ? read.value : null;
};

test('facts of whatever intent is accepted are read as they were written', () => {
  let accepted = 0;
  fc.assert(
    fc.property(written, (intent) => {
      const read = acceptedOf(intent);
      if (read === null) return;
      accepted += 1;
      const payment = recorded(factsOf(read, null));
      const facts = { payment, keySet: null, appraisalId: null, foundElsewhere: [] };
      expect(factsFromJson(JSON.parse(factsToJson(facts)))).toEqual(facts);
    }),
    { seed: 1, numRuns: 2000 },
  );
  expect(accepted).toBeGreaterThan(100);
});

onEachDatabase('intents that are accepted', (open) => {
  let database: TestDatabase;
  let pool: SqlPool;
  let stores: ReturnType<typeof sqlStores>;

  beforeAll(async () => {
    database = await open();
    pool = new SqlPool({ address: database.address, applicationName: 'accepted intents' });
    stores = sqlStores(pool, pino({ level: 'silent' }));
  }, 60_000);

  afterAll(async () => {
    await pool.close();
    await database.dispose();
  });

  test('are stored, whatever they say, and read back as they were', async () => {
    const phone = await enrolPhone(stores);
    const intents = fc.sample(written, { seed: 2, numRuns: 1500 }).flatMap((intent) => acceptedOf(intent) ?? []);
    expect(intents.length).toBeGreaterThan(80);
    for (const [index, intent] of intents.slice(0, 80).entries()) {
      const { terms, acquirer } = intent;
      const stored = await addGrant(stores, phone, { terms, acquirer, sequence: BigInt(index + 1) });
      const facts = { ...decisionOf(stored).facts, payment: recorded(factsOf(intent, null)) };
      expect(await stores.decisions.commit(decisionOf(stored, { facts }))).toBe(true);
      const kept = await stores.decisionRecords.decision(stored.grant.id);
      expect(kept).toMatchObject({ facts, stored: { grant: stored.grant } });
    }
  });

  test('are read past one that does not read, which is told as such', async () => {
    const phone = await enrolPhone(stores);
    const decided = [];
    for (const sequence of [1n, 2n, 3n]) {
      const decision = decisionOf(await addGrant(stores, phone, { sequence }), { pinEntered: true });
      expect(await stores.decisions.commit(decision)).toBe(true);
      decided.push(decision);
    }
    const [first, second, third] = decided.map(({ grantId }) => grantId);
    const bent = ["facts = jsonb_set(facts, '{payment,terms,amountMinor}', '\"-1\"')", first] as const;
    await pool.query({ text: `UPDATE decision SET ${bent[0]} WHERE grant_id = $1`, name: 'bend' } as never, [bent[1]!]);
    await pool.query({ text: "UPDATE transaction_grant SET payload = '' WHERE id = $1", name: 'bend-grant' } as never, [
      second!,
    ]);
    const place = { decidedAt: new Date(START.getTime() - 1), grantId: first! };
    const page = await stores.decisionRecords.page(place, secondsAfter(START, 1), 1000);
    const found = new Map(page.map((record) => [record.grantId, 'unreadable' in record]));
    expect([first, second, third].map((id) => found.get(id!))).toEqual([true, true, false]);
    expect(await stores.decisionRecords.decision(first!)).toMatchObject({ outcome: 'approved', unreadable: true });
    const report = {
      caller: phone.acquirer,
      grantId: first!,
      intentHash: decided[0]!.intentHash,
      outcome: 'declined',
    } as const;
    const kills = { passage: <T>(work: () => Promise<T>) => work() };
    const repeatPolicy = () => ({ pinTries: 3, seconds: 180, pinAllowed: true });
    const ports = { clock: new TestClock(), kills, outcomes: stores.outcomes, repeatPolicy };
    expect(await reportOutcome(report, ports)).toEqual({ ok: true, value: { repeat: null } });
  });

  test('are stored beside one that no row takes', async () => {
    const decisions = await Promise.all(
      Array.from({ length: 8 }, async () => decisionOf(await addGrant(stores, await enrolPhone(stores)))),
    );
    const [bad, ...honest] = decisions;
    const bent = { ...bad!, merchant: 'shop\0' };
    const kept = await Promise.allSettled([...honest, bent].map((decision) => stores.decisions.commit(decision)));
    expect(kept.slice(0, -1).map((one) => one.status === 'fulfilled' && one.value)).toEqual(honest.map(() => true));
    expect(kept.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'STATEMENT_FAILED' } });
  });
});
