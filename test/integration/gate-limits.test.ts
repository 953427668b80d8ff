import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../src/app/store.ts';
import { decidePayment, type GatePorts } from '../../src/gate/decide.ts';
import { versionOf } from '../../src/policy/version.ts';
import { SqlPool } from '../../src/store/sql/engine/pool.ts';
import { onEachDatabase, type TestDatabase } from '../store/sql/databases.ts';
import { uniqueName } from '../support/enrolled.ts';
import { gateRules } from '../support/gate-rules.ts';
import { gateKills, openGuard } from '../support/kills.ts';
import { SigningVault } from '../support/vault.ts';
import { gateOver, type SignedSale, signSale } from './gate-sale.ts';

const REPLICAS = 2;
const SALES = 16;
/** Processing asks again for what was not decided; all are decided within this, or one is starved. */
const DECIDED_WITHIN = 15_000;
const ASKED_AGAIN_AFTER = 20;
const WINDOW = { of: 'merchant', windowSeconds: 3600 } as const;

const logger = pino({ level: 'silent' });

/** A sale with what was decided of it. */
interface Decided {
  readonly sale: SignedSale;
  readonly reason: string;
}

onEachDatabase('sales of one merchant that two replicas decide at once, by a limit,', (open) => {
  let database: TestDatabase;
  let pools: SqlPool[];
  let replicas: ReturnType<typeof sqlStores>[];
  let vault: SigningVault;

  beforeAll(async () => {
    database = await open();
    vault = new SigningVault();
  }, 60_000);
  afterAll(() => database.dispose(), 60_000);

  beforeEach(() => {
    pools = Array.from({ length: REPLICAS }, (_, at) => {
      return new SqlPool({ address: database.address, applicationName: `replica ${at}` });
    });
    replicas = pools.map((pool) => sqlStores(pool, logger));
  });
  afterEach(async () => {
    for (const pool of pools) await pool.close();
  });

  /** Sales of one merchant, each of a phone of its own. */
  async function salesOf(amounts: readonly bigint[]): Promise<readonly SignedSale[]> {
    const merchant = uniqueName('shop');
    const sales: SignedSale[] = [];
    for (const amountMinor of amounts) {
      const [stores] = replicas;
      if (stores !== undefined) sales.push(await signSale(stores, vault, { merchant, amountMinor }));
    }
    return sales;
  }

  /** All sales at once, taken in turns by the replicas. */
  async function decideAll(sales: readonly SignedSale[], velocity: readonly object[]): Promise<readonly Decided[]> {
    const policy = versionOf(gateRules({ velocity }));
    const gates = await Promise.all(
      replicas.map(async ({ decisions, killReplicas }) => {
        const guard = openGuard();
        guard.enforce(await killReplicas.generation(), []);
        return gateOver(decisions, vault, gateKills(guard), { policy: () => policy });
      }),
    );
    const until = performance.now() + DECIDED_WITHIN;
    return Promise.all(
      sales.map(async (sale, index) => {
        const gate = gates[index % gates.length];
        if (gate === undefined) throw new Error('no replica');
        return { sale, reason: await decide(sale, gate, until) };
      }),
    );
  }

  async function decide({ request }: SignedSale, gate: GatePorts, until: number): Promise<string> {
    while (performance.now() < until) {
      // What the gate throws is answered as not decided.
      const answer = await decidePayment(request, gate).catch(() => null);
      if (answer !== null && answer.outcome !== 'unavailable')
        return answer.outcome === 'approved' ? 'approved' : (answer.reasons[0] ?? '');
      await new Promise((resolve) => setTimeout(resolve, ASKED_AGAIN_AFTER));
    }
    return 'not decided';
  }

  /** Amounts of the sales that are approved in the database, past the gate. */
  async function approvedIn(decided: readonly Decided[]): Promise<readonly bigint[]> {
    const approved: bigint[] = [];
    const [stores] = replicas;
    for (const { sale, reason } of decided) {
      const outcome = (await stores?.decisionRecords.decision(sale.grantId))?.outcome;
      expect(outcome).toBe(reason === 'approved' ? 'approved' : 'refused');
      if (outcome === 'approved') approved.push(sale.terms.amountMinor);
    }
    return approved;
  }

  const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((before, amount) => before + amount, 0n);
  const reasonsOf = (decided: readonly Decided[]) => new Set(decided.map(({ reason }) => reason));

  describe.each([1, 7])('of %d payments', (payments) => {
    test('are approved up to it, not one more and not one less', async () => {
      const decided = await decideAll(await salesOf(Array(SALES).fill(1250n)), [{ ...WINDOW, payments }]);
      expect(reasonsOf(decided)).toEqual(new Set(['approved', 'VELOCITY_EXCEEDED']));
      expect(await approvedIn(decided)).toHaveLength(payments);
    });
  });

  test('of an amount are approved within it, and none is refused that would have fitted', async () => {
    const amounts = Array.from({ length: SALES }, (_, at) => BigInt(100 + ((at * 37) % SALES) * 90));
    const amountMinor = Number(sum(amounts)) / 2;
    const decided = await decideAll(await salesOf(amounts), [{ ...WINDOW, currency: 978, amountMinor }]);
    expect(reasonsOf(decided)).toEqual(new Set(['approved', 'VELOCITY_EXCEEDED']));
    const approved = sum(await approvedIn(decided));
    expect(approved).toBeLessThanOrEqual(amountMinor);
    for (const { sale, reason } of decided)
      if (reason !== 'approved') expect(approved + sale.terms.amountMinor).toBeGreaterThan(amountMinor);
  });

  test('that all fit are all approved', async () => {
    const limits = [
      { ...WINDOW, payments: SALES },
      { ...WINDOW, currency: 978, amountMinor: SALES * 1250 },
    ];
    const decided = await decideAll(await salesOf(Array(SALES).fill(1250n)), limits);
    expect(reasonsOf(decided)).toEqual(new Set(['approved']));
    expect(sum(await approvedIn(decided))).toBe(BigInt(SALES * 1250));
  });
});
