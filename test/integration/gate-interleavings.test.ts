import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { sqlStores } from '../../src/app/store.ts';
import { KillGuard as Guard, type KillGuard } from '../../src/devices/kill-guard.ts';
import { killProgress } from '../../src/devices/kill-switch-setting.ts';
import type { RecordedKill } from '../../src/devices/kill-switch-store.ts';
import { changeStanding } from '../../src/devices/standing.ts';
import { CONTEXT } from '../../src/encoding/signed.ts';
import type { PaymentRequest } from '../../src/gate/case.ts';
import { decidePayment, type GatePorts } from '../../src/gate/decide.ts';
import type { GateAnswer } from '../../src/gate/decision.ts';
import { gatePolicySchema } from '../../src/gate/policy.ts';
import { KillSwitchFollower } from '../../src/jobs/kill-switches/follower.ts';
import { systemTimer } from '../../src/jobs/timer.ts';
import type { HeldPinBlock } from '../../src/pin/store.ts';
import { versionOf } from '../../src/policy/version.ts';
import type { Reason } from '../../src/reasons/catalogue.ts';
import { Presence } from '../../src/sessions/presence.ts';
import { SqlPool } from '../../src/store/sql/engine/pool.ts';
import { MemoryVolatileStore } from '../../src/store/volatile/memory.ts';
import { DEVICE_TOKEN_TYPE, deviceTokenClaims } from '../../src/tokens/claims.ts';
import { verifyTokenOfAnyAge } from '../../src/tokens/verify.ts';
import { decodeIntent, encodeIntent } from '../../src/wire/transaction.ts';
import { type FaultProxy, faultProxy, type HeldStatement } from '../store/engine/fault-proxy.ts';
import { onEachDatabase, type TestDatabase } from '../store/sql/databases.ts';
import { START, TestClock } from '../support/clock.ts';
import { activateKeySet, addGrant, type EnrolledPhone, enrolPhone, uniqueId } from '../support/enrolled.ts';
import { encodeIcc, iccElements } from '../support/icc.ts';
import { compactJws } from '../support/jws.ts';
import { gateKills, openGuard } from '../support/kills.ts';
import { SeededRandom } from '../support/random.ts';
import { APPRAISED } from '../support/tokens.ts';
import { SigningVault } from '../support/vault.ts';

const ISSUER = 'https://tapgate.example';
const COMMIT = 'gate-commit-group';
const SITUATION = 'gate-situations';
/** Held in the database, by the row that a commit changes. */
const ROW = 'the row';

const random = new SeededRandom('interleavings');
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

const heldBy = (held: HeldStatement) => ({ reached: () => held.reached, release: () => held.release() });

onEachDatabase('a payment that is held open while something is forbidden,', (open) => {
  let database: TestDatabase;
  let pool: SqlPool;
  let outside: ReturnType<typeof sqlStores>;
  let proxy: FaultProxy;
  let gatePool: SqlPool;
  let gate: ReturnType<typeof sqlStores>;
  let vault: HeldVault;

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
    await gatePool.close();
    await proxy.close();
  });

  /** A phone with keys and a signed payment, and what the gate stands on. */
  async function payment(over: Partial<GatePorts> = {}) {
    const phone = await enrolPhone(outside);
    const keys = await activateKeySet(outside, phone.deviceId);
    const counter = Buffer.from([0, 0, 0, 2]);
    const accountDataKsn = Buffer.concat([keys.accountDataInitialKeyId, counter]);
    const pinKsn = Buffer.concat([keys.pinInitialKeyId, counter]);
    const terms = {
      type: 'sale',
      amountMinor: 1250n,
      currency: 978,
      merchant: phone.merchant,
      order: uniqueId(),
    } as const;
    const { grant } = await addGrant(outside, phone, { terms, accountDataKsn, pinKsn }, vault.serviceKey);
    const intent = encodeIntent({
      acquirer: phone.acquirer,
      thumbprint: phone.sessionKey.thumbprint,
      grantId: grant.id,
      terms,
      emvData: encodeIcc(iccElements(terms)),
      accountData: { ksn: accountDataKsn, initializationVector: random.bytes(12), ciphertext: random.bytes(64) },
      claimedVerification: 'none',
      pin: null,
    });
    const request: PaymentRequest = {
      caller: phone.acquirer,
      token: tokenOf(phone),
      intent: phone.sessionKey.sign(CONTEXT.paymentIntent, intent),
      sessionKey: phone.sessionKey.spki,
    };
    const guard = openGuard();
    guard.enforce(await outside.killReplicas.generation(), []);
    const ports: GatePorts = { ...portsOf(gateKills(guard)), ...over };
    const initialKeyId = keys.accountDataInitialKeyId;
    return {
      phone,
      decide: () => decidePayment(request, ports),
      /** As the database has it, past the gate. */
      standing: async () => {
        const situation = await outside.decisions.situation(grant.id, phone.sessionKey.thumbprint, initialKeyId);
        return situation?.decision?.outcome ?? null;
      },
      record: () => outside.decisionRecords.decision(grant.id),
    };
  }

  function portsOf(kills: GatePorts['kills']): GatePorts {
    const clock = new TestClock();
    return {
      clock,
      random,
      issuer: ISSUER,
      decisions: gate.decisions,
      vault,
      held: new MemoryVolatileStore<HeldPinBlock>(clock, 10),
      policy: () => versionOf(gatePolicySchema.parse({})),
      lastCheckpoint: () => null,
      kills,
      verifyToken: (token, audience) => verifyTokenOfAnyAge(token, { issuer: ISSUER, keys: vault.tokenKeys, audience }),
      parseIntent: decodeIntent,
    };
  }

  function tokenOf(phone: EnrolledPhone): string {
    const { deviceId, acquirer, merchant, sessionKey } = phone;
    const subject = { issuer: ISSUER, deviceId, acquirer, merchant, sessionKeyThumbprint: sessionKey.thumbprint };
    const policy = { lifetimeSeconds: 600, refreshFraction: 0.5, refreshJitterFraction: 0 };
    const { claims } = deviceTokenClaims({ ...subject, ...APPRAISED }, policy, START, random);
    return compactJws({ alg: 'ES256', kid: 'token-1', typ: DEVICE_TOKEN_TYPE }, claims, vault.tokenKey.privateKey);
  }

  const suspend = ({ deviceId }: EnrolledPhone) =>
    changeStanding(
      { deviceId, change: 'suspend', by: 'ann', cause: 'a test' },
      { standings: outside.standings, clock: new TestClock() },
    );

  /** Holds a commit where the database carries it out: its session's row is held by somebody else. Answers how to let go. */
  async function holdCommitOf({ sessionKey }: EnrolledPhone): Promise<{ reached(): Promise<void>; release(): void }> {
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
    lock.catch(locked.reject);
    await locked.promise;
    return { reached: untilWaiting, release: () => released.resolve() };
  }

  /** Resolves once a statement of the gate waits for a lock. */
  async function untilWaiting(): Promise<void> {
    const waiting = `SELECT 1 AS one FROM pg_stat_activity WHERE application_name = 'gate' AND wait_event_type = 'Lock'`;
    for (;;) {
      const found = await pool.withConnection(async (connection) => {
        await connection.query('BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY');
        const { rows } = await connection.query(waiting);
        await connection.query('COMMIT');
        return rows.length > 0;
      });
      if (found) return;
    }
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
      const held = proxy.hold(statement, when);
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
      const suspension = suspend(made.phone);
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
      const held = proxy.hold(COMMIT, 'after');
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
      await follower.start();
      const kills = {
        guard,
        subjectOf: async () => null,
        generation: () => outside.killReplicas.generation(),
        refresh: () => follower.refresh(),
      };
      return { kills, follower };
    }

    const setFor = ({ deviceId }: EnrolledPhone): Promise<RecordedKill> =>
      outside.killSwitches.set({
        id: uniqueId(),
        scope: 'everything',
        selector: { kind: 'device', deviceId },
        cause: 'a test',
        by: 'ann',
      });

    const untilInForce = async (kill: RecordedKill): Promise<void> => {
      while ((await killProgress(kill, outside.killSwitches)).kill.inForceAt === null);
    };

    /** A payment at a replica, held at a statement while a switch is set and the replica enforces it. */
    async function heldAt(statement: string, when: 'before' | 'after') {
      const { kills, follower } = await replica();
      const made = await payment({ kills });
      const held = statement === ROW ? await holdCommitOf(made.phone) : heldBy(proxy.hold(statement, when));
      const answer = made.decide();
      await held.reached();
      const kill = await setFor(made.phone);
      const refreshed = follower.refresh();
      const ended = async () => {
        await follower.stop();
        await outside.killSwitches.lift(kill.id, 'bob', 'over');
      };
      return { made, held, answer, kill, refreshed, ended };
    }

    test.each([
      ['before its situation is read', SITUATION, 'before'],
      ['after its situation was read', SITUATION, 'after'],
    ] as const)('that is in force %s has it refused, and nothing is kept', async (_when, statement, when) => {
      const { made, held, answer, refreshed, ended } = await heldAt(statement, when);
      await refreshed;
      held.release();
      expect(await answer).toEqual(refused('DEVICE_BLOCKED'));
      expect(await made.standing()).toBeNull();
      await ended();
    });

    test('that is set before its commit reaches the database is not in force before it is refused', async () => {
      const { made, held, answer, kill, refreshed, ended } = await heldAt(COMMIT, 'before');
      await refreshed;
      expect(await isPending(untilInForce(kill))).toBe(true);
      held.release();
      expect(await answer).toEqual(refused('DEVICE_BLOCKED'));
      expect(await made.standing()).toBeNull();
      await untilInForce(kill);
      await ended();
    });

    test('that is set while its commit is under way is not in force before the payment stands', async () => {
      const { made, held, answer, kill, refreshed, ended } = await heldAt(ROW, 'before');
      await refreshed;
      expect(await isPending(untilInForce(kill))).toBe(true);
      held.release();
      const outcome = await answer;
      // Set in between, it is a conflict of the two: whoever committed first stands, and the record says who did.
      expect(await made.standing()).toBe(outcome.outcome === 'approved' ? 'approved' : null);
      await untilInForce(kill);
      expect(await made.decide()).toEqual(outcome.outcome === 'approved' ? approved : refused('DEVICE_BLOCKED'));
      await ended();
    });
  });

  describe('a key that is compromised', () => {
    test.each<Reason>(['BASE_KEY_COMPROMISED', 'GRANT_KEY_COMPROMISED'])(
      'before the vault has translated it: refused, and kept as %s',
      async (reason) => {
        const made = await payment();
        const held = vault.hold('before');
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
      'after the vault has translated it: that payment stands, and is translated no more (%s)',
      async (reason) => {
        const made = await payment();
        const held = vault.hold('after');
        const answer = made.decide();
        await held.reached;
        vault.refuse('translatePayment', reason);
        held.release();
        expect(await answer).toEqual(approved);
        const again = await made.decide();
        expect(again).toEqual({ outcome: 'unavailable', reason: 'VAULT_UNAVAILABLE' });
        expect(await made.standing()).toBe('approved');
      },
    );
  });

  describe('a policy that forbids it', () => {
    const allows = versionOf(gatePolicySchema.parse({}));
    const forbids = versionOf(gatePolicySchema.parse({ schemes: ['jcb'] }));

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
      const held = proxy.hold(SITUATION, when);
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
      const held = proxy.hold(COMMIT, when);
      const answer = made.decide();
      await held.reached;
      activate();
      held.release();
      expect(await answer).toEqual(approved);
      expect((await made.record())?.gatePolicyVersion).toBe(allows.version);
    });
  });
});
