import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../src/app/store.ts';
import { KillGuard as Guard, type KillGuard } from '../../src/devices/kill-guard.ts';
import { killProgress } from '../../src/devices/kill-switch-setting.ts';
import type { RecordedKill } from '../../src/devices/kill-switch-store.ts';
import { changeStanding } from '../../src/devices/standing.ts';
import { decidePayment, type GatePorts } from '../../src/gate/decide.ts';
import type { GateAnswer } from '../../src/gate/decision.ts';
import { KillSwitchFollower } from '../../src/jobs/kill-switches/follower.ts';
import { systemTimer } from '../../src/jobs/timer.ts';
import { versionOf } from '../../src/policy/version.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { Presence } from '../../src/sessions/presence.ts';
import { SqlPool } from '../../src/store/sql/engine/pool.ts';
import { type FaultProxy, faultProxy, type HeldStatement } from '../store/engine/fault-proxy.ts';
import { onEachDatabase, type TestDatabase } from '../store/sql/databases.ts';
import { TestClock } from '../support/clock.ts';
import { type EnrolledPhone, uniqueId } from '../support/enrolled.ts';
import { gateRules } from '../support/gate-rules.ts';
import { gateKills, openGuard } from '../support/kills.ts';
import { SigningVault } from '../support/vault.ts';
import { gateOver, signSale } from './gate-sale.ts';

const COMMIT = 'gate-commit-group';
const SITUATION = 'gate-situations';
/** Held in the database, by the row that a commit changes. */
const ROW = 'the row';
/** Longer than any statement, lease or lock lasts. */
const AWAITED_MILLISECONDS = 25_000;

const logger = pino({ level: 'silent' });

/** A vault whose translation can be held open, before or after it was made. */
class HeldVault extends SigningVault {
  #hold: { readonly when: 'before' | 'after'; readonly reached: () => void; readonly released: Promise<void> } | null =
    null;

  hold(when: 'before' | 'after'): { readonly reached: Promise<void>; release(): void } {
    const reached = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    this.#hold = { when, reached: reached.resolve, released: released.promise };
    return { reached: reached.promise, release: released.resolve };
  }

  override async translatePayment(
    translation: Parameters<SigningVault['translatePayment']>[0],
  ): ReturnType<SigningVault['translatePayment']> {
    const hold = this.#hold;
    this.#hold = null;
    const held = async (): Promise<void> => {
      hold?.reached();
      await hold?.released;
    };
    if (hold?.when === 'before') await held();
    const translated = await super.translatePayment(translation);
    if (hold?.when === 'after') await held();
    return translated;
  }
}

const receiptOf = (answer: GateAnswer): string => (answer.outcome === 'approved' ? answer.receipt : '');

/** Whether it is under way still, some time later. */
async function isPending(work: Promise<unknown>, milliseconds = 150): Promise<boolean> {
  const pending = Symbol('pending');
  const later = new Promise((resolve) => setTimeout(() => resolve(pending), milliseconds));
  return (await Promise.race([work, later])) === pending;
}

/** A commit that is held open. */
interface HeldCommit {
  reached(): Promise<void>;
  release(): void;
}

const atStatement = (held: HeldStatement): HeldCommit => ({
  reached: () => held.reached,
  release: () => held.release(),
});

/** Asks again and again until it is so. Rejects after some time, as what waits for ever tells nobody why. */
async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + AWAITED_MILLISECONDS;
  while (!(await isSo())) if (performance.now() > end) throw new Error(`in vain: ${what}`);
}

onEachDatabase('a payment that is held open while something is forbidden,', (open) => {
  let database: TestDatabase;
  let pool: SqlPool;
  let outside: ReturnType<typeof sqlStores>;
  let proxy: FaultProxy;
  let gatePool: SqlPool;
  let gate: ReturnType<typeof sqlStores>;
  let vault: HeldVault;
  /** What a test began: a test that fails leaves nothing held, running or followed behind it. */
  const begun = {
    holds: [] as { release(): void }[],
    work: [] as Promise<unknown>[],
    stops: [] as (() => Promise<void>)[],
  };

  beforeAll(async () => {
    database = await open();
    pool = new SqlPool({ address: database.address, applicationName: 'outside' });
    outside = sqlStores(pool, logger);
  }, 60_000);

  afterAll(async () => {
    await pool.close();
    await database.dispose();
  }, 60_000);

  beforeEach(async () => {
    proxy = await faultProxy(database.address);
    gatePool = new SqlPool({ address: proxy.address, applicationName: 'gate' });
    gate = sqlStores(gatePool, logger);
    vault = new HeldVault();
  });

  afterEach(async () => {
    for (const hold of begun.holds.splice(0)) hold.release();
    await Promise.allSettled(begun.work.splice(0));
    for (const stop of begun.stops.splice(0)) await stop();
    await gatePool.close();
    await proxy.close();
  });

  /** A phone's signed payment, and how to have it decided. */
  async function payment(over: Partial<GatePorts> = {}) {
    const { phone, grantId, request, accountDataInitialKeyId } = await signSale(outside, vault);
    const guard = openGuard();
    guard.enforce(await outside.killReplicas.generation(), []);
    const ports = gateOver(gate.decisions, vault, gateKills(guard), over);
    return {
      phone,
      decide: () => working(decidePayment(request, ports)),
      /** As the database has it, past the gate. */
      standing: async () => {
        const { thumbprint } = phone.sessionKey;
        const situation = await outside.decisions.situation(grantId, thumbprint, accountDataInitialKeyId);
        return situation?.decision?.outcome ?? null;
      },
      record: () => outside.decisionRecords.decision(grantId),
    };
  }

  const suspend = ({ deviceId }: EnrolledPhone) =>
    changeStanding(
      { deviceId, change: 'suspend', by: 'ann', cause: 'a test' },
      { standings: outside.standings, clock: new TestClock() },
    );

  function working<T>(work: Promise<T>): Promise<T> {
    begun.work.push(work);
    return work;
  }

  function holding<T extends { release(): void }>(hold: T): T {
    begun.holds.push(hold);
    return hold;
  }

  const hold = (statement: string, when: 'before' | 'after'): HeldStatement => holding(proxy.hold(statement, when));

  /** Holds a commit where the database carries it out: its session's row is held by somebody else. Answers how to let go. */
  async function holdCommitOf({ sessionKey }: EnrolledPhone): Promise<HeldCommit> {
    const released = Promise.withResolvers<void>();
    const locked = Promise.withResolvers<void>();
    const lock = pool.withConnection(async (connection) => {
      await connection.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      await connection.query('SELECT 1 FROM attested_session WHERE thumbprint = $1 FOR UPDATE', [
        sessionKey.thumbprint,
      ]);
      locked.resolve();
      await released.promise;
      await connection.query('COMMIT');
    });
    working(lock).catch(locked.reject);
    await locked.promise;
    return holding({ reached: untilWaiting, release: () => released.resolve() });
  }

  /** Resolves once a statement of the gate waits for a lock. */
  async function untilWaiting(): Promise<void> {
    const waiting = `SELECT 1 AS one FROM pg_stat_activity WHERE application_name = 'gate' AND wait_event_type = 'Lock'`;
    const isWaiting = () =>
      pool.withConnection(async (connection) => {
        await connection.query('BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY');
        const { rows } = await connection.query(waiting);
        await connection.query('COMMIT');
        return rows.length > 0;
      });
    await until(isWaiting, 'a statement of the gate that waits for a lock');
  }

  const refused = (reason: Reason) => expect.objectContaining({ outcome: 'refused', reasons: [reason] });
  const approved = expect.objectContaining({ outcome: 'approved' });

  describe('a suspension', () => {
    test('that was answered before the gate is asked has it refused, and nothing is kept', async () => {
      const made = await payment();
      await suspend(made.phone);
      expect(await made.decide()).toEqual(refused('DEVICE_SUSPENDED'));
      expect(await made.standing()).toBeNull();
    });

    test.each([
      ['before its situation is read', SITUATION, 'before', 'DEVICE_SUSPENDED'],
      ['after its situation was read', SITUATION, 'after', 'DEVICE_SUSPENDED'],
      ['before its commit reaches the database', COMMIT, 'before', 'DEVICE_SUSPENDED'],
    ] as const)('that is answered %s has it refused, and nothing is kept', async (_when, statement, when, reason) => {
      const made = await payment();
      const held = hold(statement, when);
      const answer = made.decide();
      await held.reached;
      expect(await suspend(made.phone)).toEqual({ ok: true, value: { changed: true } });
      held.release();
      expect(await answer).toEqual(refused(reason));
      expect(await made.standing()).toBeNull();
      // For ever: the session is gone.
      await changeStanding(
        { deviceId: made.phone.deviceId, change: 'resume', by: 'ann', cause: 'a test' },
        { standings: outside.standings, clock: new TestClock() },
      );
      expect(await made.decide()).toEqual(refused('SESSION_ENDED'));
      expect(await made.standing()).toBeNull();
    });

    test('is not answered while the commit of a payment is under way: of the two, the answers say which was first', async () => {
      const made = await payment();
      const held = await holdCommitOf(made.phone);
      const answer = made.decide();
      await held.reached();
      const suspension = working(suspend(made.phone));
      expect(await isPending(suspension)).toBe(true);
      expect(await made.standing()).toBeNull();
      held.release();
      expect(await suspension).toEqual({ ok: true, value: { changed: true } });
      const atSuspension = await made.standing();
      expect(await answer).toEqual(atSuspension === 'approved' ? approved : refused('DEVICE_SUSPENDED'));
      expect(await made.standing()).toBe(atSuspension);
    });

    test('that is answered after the commit finds the payment there: its answer may come later, and again', async () => {
      const made = await payment();
      const held = hold(COMMIT, 'after');
      const answer = made.decide();
      await held.reached;
      expect(await made.standing()).toBe('approved');
      expect(await suspend(made.phone)).toEqual({ ok: true, value: { changed: true } });
      held.release();
      const first = await answer;
      expect(first).toEqual(approved);
      expect(await made.decide()).toMatchObject({ outcome: 'approved', receipt: receiptOf(first) });
      expect(await made.standing()).toBe('approved');
    });

    test('of another device holds nothing up', async () => {
      const [made, other] = [await payment(), await payment()];
      const held = await holdCommitOf(made.phone);
      const answer = made.decide();
      await held.reached();
      expect(await suspend(other.phone)).toEqual({ ok: true, value: { changed: true } });
      held.release();
      expect(await answer).toEqual(approved);
      expect(await other.decide()).toEqual(refused('DEVICE_SUSPENDED'));
    });
  });

  describe('a kill switch', () => {
    /** A replica's own guard and follower over the database; the gate's statements go over the proxy. */
    async function replica() {
      const time = { clock: { now: () => new Date() }, timer: systemTimer, monotonic: () => performance.now() };
      const guard: KillGuard = new Guard(time);
      const follower = new KillSwitchFollower({
        store: outside.killReplicas,
        replica: { id: uniqueId(), name: 'held' },
        guard,
        time,
        sessions: new Presence(),
        pinEntries: new Presence(),
        onEnforced: () => {},
        onLook: () => {},
      });
      begun.stops.push(() => follower.stop());
      await follower.start();
      const kills = {
        guard,
        subjectOf: async () => null,
        generation: () => outside.killReplicas.generation(),
        refresh: () => follower.refresh(),
      };
      return { kills, follower };
    }

    async function setFor({ deviceId }: EnrolledPhone): Promise<RecordedKill> {
      const id = uniqueId();
      const selector = { kind: 'device', deviceId } as const;
      const kill = await outside.killSwitches.set({ id, scope: 'everything', selector, cause: 'a test', by: 'ann' });
      begun.stops.push(async () => void (await outside.killSwitches.lift(id, 'bob', 'over')));
      return kill;
    }

    const untilInForce = (kill: RecordedKill): Promise<void> =>
      working(
        until(
          async () => (await killProgress(kill, outside.killSwitches)).kill.inForceAt !== null,
          'a switch that is in force',
        ),
      );

    /** A payment at a replica, held at a statement while a switch is set and the replica enforces it. */
    async function heldAt(statement: string, when: 'before' | 'after') {
      const { kills, follower } = await replica();
      const made = await payment({ kills });
      const held = statement === ROW ? await holdCommitOf(made.phone) : atStatement(hold(statement, when));
      const answer = made.decide();
      await held.reached();
      const kill = await setFor(made.phone);
      await follower.refresh();
      return { made, held, answer, kill };
    }

    test.each([
      ['before its situation is read', SITUATION, 'before'],
      ['after its situation was read', SITUATION, 'after'],
    ] as const)('that is in force %s has it refused, and nothing is kept', async (_when, statement, when) => {
      const { made, held, answer } = await heldAt(statement, when);
      held.release();
      expect(await answer).toEqual(refused('DEVICE_BLOCKED'));
      expect(await made.standing()).toBeNull();
    });

    test('that is set before its commit reaches the database is not in force before it is refused', async () => {
      const { made, held, answer, kill } = await heldAt(COMMIT, 'before');
      expect(await isPending(untilInForce(kill))).toBe(true);
      held.release();
      expect(await answer).toEqual(refused('DEVICE_BLOCKED'));
      expect(await made.standing()).toBeNull();
      await untilInForce(kill);
    });

    test('that is set while its commit is under way is not in force before the payment stands', async () => {
      const { made, held, answer, kill } = await heldAt(ROW, 'before');
      expect(await isPending(untilInForce(kill))).toBe(true);
      held.release();
      const outcome = await answer;
      // Set in between, it is a conflict of the two: whoever committed first stands, and the record says who did.
      expect(await made.standing()).toBe(outcome.outcome === 'approved' ? 'approved' : null);
      await untilInForce(kill);
      expect(await made.decide()).toEqual(outcome.outcome === 'approved' ? approved : refused('DEVICE_BLOCKED'));
    });
  });

  describe('a key that is compromised', () => {
    test.each<Reason>(['BASE_KEY_COMPROMISED', 'GRANT_KEY_COMPROMISED'])(
      'before the vault has translated it: refused, and kept as %s',
      async (reason) => {
        const made = await payment();
        const held = holding(vault.hold('before'));
        const answer = made.decide();
        await held.reached;
        vault.refuse('translatePayment', reason);
        held.release();
        expect(await answer).toEqual(refused(reason));
        expect(await made.standing()).toBe('refused');
        vault.recover();
        expect(await made.decide()).toEqual(refused(reason));
      },
    );

    test.each<Reason>(['BASE_KEY_COMPROMISED', 'GRANT_KEY_COMPROMISED'])(
      'after the vault has translated it: that payment stands, and why its data is lost is final (%s)',
      async (reason) => {
        const made = await payment();
        const held = holding(vault.hold('after'));
        const answer = made.decide();
        await held.reached;
        vault.refuse('translatePayment', reason);
        held.release();
        expect(await answer).toEqual(approved);
        const lost = { outcome: 'approved', accountData: null, pinBlock: null, accountDataLost: reason };
        for (const _ of [1, 2]) expect(await made.decide()).toMatchObject(lost);
        expect(await made.standing()).toBe('approved');
      },
    );
  });

  describe('a policy that forbids it', () => {
    const allows = versionOf(gateRules());
    const forbids = versionOf(gateRules({ schemes: ['jcb'] }));

    /** A gate whose policy changes when the test says so. */
    async function underPolicy() {
      let inForce = allows;
      const made = await payment({ policy: () => inForce });
      const activate = (): void => {
        inForce = forbids;
      };
      return { made, activate };
    }

    test.each([
      ['before its situation is read', 'before'],
      ['after its situation was read', 'after'],
    ] as const)('activated %s decides, and the record names it', async (_when, when) => {
      const { made, activate } = await underPolicy();
      const held = hold(SITUATION, when);
      const answer = made.decide();
      await held.reached;
      activate();
      held.release();
      expect(await answer).toEqual(refused('SCHEME_NOT_ALLOWED'));
      expect((await made.record())?.gatePolicyVersion).toBe(forbids.version);
    });

    test.each([
      ['before its commit reaches the database', 'before'],
      ['after its commit was done', 'after'],
    ] as const)('activated %s: decided by the one before, and the record names that', async (_when, when) => {
      const { made, activate } = await underPolicy();
      const held = hold(COMMIT, when);
      const answer = made.decide();
      await held.reached;
      activate();
      held.release();
      expect(await answer).toEqual(approved);
      expect((await made.record())?.gatePolicyVersion).toBe(allows.version);
    });
  });
});
