import type { GuardTime, KillGuard } from '../../devices/kill-guard.ts';
import { isHit, type StandingKill } from '../../devices/kill-switch.ts';
import {
  type KillReach,
  KillRecordLost,
  type KillReplica,
  type KillReplicaStore,
} from '../../devices/kill-switch-store.ts';
import type { OpenCalls } from '../../sessions/presence.ts';

/** A switch is learnt of within this, where nobody tells of it. */
const POLL_MILLISECONDS = 200;
/** Whoever sets a switch waits so long for a replica that has gone silent. */
const LEASE_MILLISECONDS = 5_000;
/** Clocks of database and replica run apart by less than this in the time of a lease. */
const MARGIN_MILLISECONDS = 500;
const RENEW_MILLISECONDS = 1_000;
const DRAIN_MILLISECONDS = 1_000;

/** What the following of kill switches stands on. */
export interface KillFollowerPorts {
  readonly store: KillReplicaStore;
  readonly replica: KillReplica;
  readonly guard: KillGuard;
  readonly time: GuardTime;
  readonly sessions: Pick<OpenCalls, 'endWhere' | 'directWhere'>;
  readonly pinEntries: Pick<OpenCalls, 'endWhere'>;
  /** Told the end of each look at the store: null, or why it failed. */
  readonly onLook?: (error: unknown) => void;
  /** Told of each switch as it is enforced here. */
  readonly onEnforced?: (kill: StandingKill, reach: KillReach) => void;
}

/**
 * Keeps one replica's kill switches as the store has them, and its lease. A switch that is new ends the calls that it hits;
 * the store is told that it is enforced once everything has ended that began before.
 */
export class KillSwitchFollower {
  readonly #ports: KillFollowerPorts;
  #loaded = false;
  /** Enforced here, with nothing left that began before. */
  #enforced = 0n;
  #said = -1n;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #unsaid: KillReach[] = [];
  #running: Promise<void> | null = null;
  #queued: Promise<void> | null = null;
  #scheduled: (() => void) | null = null;
  #stopped = true;

  constructor(ports: KillFollowerPorts) {
    this.#ports = ports;
  }

  /** Reads the switches that stand and begins to follow. Rejects where they cannot be read. */
  async start(): Promise<void> {
    await this.#look();
    this.#stopped = false;
    this.#schedule();
  }

  /** Looks now; resolves once every switch that was set before this call is enforced here, as far as can be read. */
  refresh(): Promise<void> {
    if (this.#running === null) return this.#run();
    // The look that is under way began before this call; all that ask meanwhile share the next one.
    this.#queued ??= this.#running.then(() => {
      this.#queued = null;
      return this.#run();
    });
    return this.#queued;
  }

  /** Ends the following and gives the lease back. Nothing passes any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#scheduled?.();
    this.#scheduled = null;
    await (this.#queued ?? this.#running);
    const { guard, store, replica } = this.#ports;
    guard.close();
    // Where something was cut off, nobody knows yet that it has ended: the lease runs out by itself.
    if (!(await this.#hasDrained())) return;
    try {
      await store.leave(replica.id);
    } catch (error) {
      this.#ports.onLook?.(error);
    }
  }

  #hasDrained(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const cancel = this.#ports.time.timer.after(DRAIN_MILLISECONDS, () => resolve(false));
    void this.#ports.guard.drained().then(() => {
      cancel();
      resolve(true);
    });
    return promise;
  }

  #schedule(): void {
    if (this.#stopped || this.#scheduled !== null) return;
    this.#scheduled = this.#ports.time.timer.after(POLL_MILLISECONDS, () => {
      this.#scheduled = null;
      void this.refresh();
    });
  }

  #run(): Promise<void> {
    this.#scheduled?.();
    this.#scheduled = null;
    this.#running = this.#look()
      .then(
        () => this.#ports.onLook?.(null),
        (error: unknown) => {
          // A switch that stands would be lifted by it: nothing passes until the record is whole again.
          if (error instanceof KillRecordLost) this.#ports.guard.close();
          this.#ports.onLook?.(error);
        },
      )
      .finally(() => {
        this.#running = null;
        this.#schedule();
      });
    return this.#running;
  }

  async #look(): Promise<void> {
    const { store, replica, guard, time } = this.#ports;
    const asked = { monotonic: time.monotonic(), wall: time.clock.now().getTime() };
    const enforced = this.#enforced;
    const renewing = enforced !== this.#said || asked.monotonic - this.#renewedAt >= RENEW_MILLISECONDS;
    await this.#sayReached();
    const latest = renewing ? await store.renew(replica, enforced, LEASE_MILLISECONDS) : await store.generation();
    if (latest < guard.generation) throw new KillRecordLost();
    if (!this.#loaded || latest !== guard.generation) await this.#enforce();
    if (!renewing) return;
    this.#said = enforced;
    this.#renewedAt = asked.monotonic;
    const lasts = LEASE_MILLISECONDS - MARGIN_MILLISECONDS;
    guard.extend({ monotonic: asked.monotonic + lasts, wall: asked.wall + lasts });
  }

  /** What switches met is in the store before they are said to be enforced. */
  async #sayReached(): Promise<void> {
    const unsaid = this.#unsaid;
    if (unsaid.length === 0) return;
    await this.#ports.store.reached(this.#ports.replica.id, unsaid);
    this.#unsaid = this.#unsaid.filter((reach) => !unsaid.includes(reach));
  }

  async #enforce(): Promise<void> {
    const { store, guard, onEnforced } = this.#ports;
    const { generation, switches } = await store.standing();
    if (generation < guard.generation) throw new KillRecordLost();
    const before = new Set(guard.switches.map(({ id }) => id));
    const added = switches.filter(({ id }) => !before.has(id));
    guard.enforce(generation, switches);
    for (const kill of added) {
      const reach = { killId: kill.id, ...this.#reach(kill) };
      if (this.#loaded) this.#unsaid.push(reach);
      onEnforced?.(kill, reach);
    }
    this.#loaded = true;
    void guard.drained().then(() => {
      if (generation > this.#enforced) this.#enforced = generation;
      // Said at once: someone waits for it.
      if (!this.#stopped && this.#enforced !== this.#said) void this.refresh();
    });
  }

  #reach({ scope, selector }: StandingKill): { readonly sessions: number; readonly pinEntries: number } {
    const { sessions, pinEntries } = this.#ports;
    const hit: Parameters<OpenCalls['endWhere']>[0] = (subject) => isHit(selector, subject);
    if (scope === 'everything')
      return {
        pinEntries: pinEntries.endWhere(hit, 'DEVICE_BLOCKED'),
        sessions: sessions.endWhere(hit, 'DEVICE_BLOCKED'),
      };
    return {
      pinEntries: pinEntries.endWhere(hit, 'PIN_OFF'),
      sessions: sessions.directWhere(hit, { kind: 'pin-off', reason: 'PIN_OFF' }),
    };
  }
}
