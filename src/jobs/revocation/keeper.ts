import type { StatusList } from '../../attestation/android/revocation.ts';
import { type Clock, secondsAfter } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { ok, type Result, refuse } from '../../reasons/result.ts';
import type { Timer } from '../timer.ts';
import { changeOf, type StatusListChange } from './change.ts';
import type { RevocationRefresh } from './policy.ts';
import { secondsToRefresh, secondsToRetry } from './schedule.ts';
import type { SnapshotFailure, SnapshotStore } from './snapshot.ts';
import type { SourceAnswer, SourceFailure, StatusListSource } from './source.ts';

/** Why a refresh brought nothing. */
export type RefreshFailure =
  | SourceFailure
  /** The source answers with an older list than the one in force, which stays. */
  | 'LIST_OLDER'
  /** The list is in force, but whoever is to act on its change did not take it; it is told again. */
  | 'CHANGE_NOT_ANNOUNCED'
  /** A fault of this program. */
  | 'REFRESH_FAULT';

/** What a refresh brought. */
export interface RefreshOutcome {
  readonly fetchedAt: Date;
  readonly entries: number;
  /** Null where the list lists what the one before listed. */
  readonly change: StatusListChange | null;
}

/** How the list stands, for readiness, metrics and people. */
export interface RevocationStatus {
  readonly source: string;
  /** Null where there is no list. */
  readonly fetchedAt: Date | null;
  readonly ageSeconds: number | null;
  readonly entries: number;
  readonly lastAttemptAt: Date | null;
  readonly lastFailure: { readonly reason: RefreshFailure; readonly detail: string | null; readonly at: Date } | null;
  /** Refreshes in a row that failed. */
  readonly failures: number;
  /** Null where none is scheduled. */
  readonly nextRefreshAt: Date | null;
  /** What became of the snapshot: none yet, loaded or saved, or why not. */
  readonly snapshot: 'none' | 'loaded' | 'saved' | SnapshotFailure | 'SNAPSHOT_OF_ANOTHER_SOURCE' | 'SNAPSHOT_AHEAD';
}

/** What a keeper stands on. */
export interface RevocationKeeperPorts {
  readonly source: StatusListSource;
  readonly snapshots: SnapshotStore;
  readonly policy: () => RevocationRefresh;
  readonly clock: Clock;
  readonly random: Random;
  readonly timer: Timer;
  /**
   * Told of each change of what is listed, so that enrolled phones are appraised anew. The snapshot is saved after it
   * has resolved: a change that was not acted upon is told again, in this process or the next. It may be told twice.
   * Nothing is fetched until it has settled: it notes what is to be done, and does it elsewhere.
   */
  readonly onChange: (change: StatusListChange) => Promise<void>;
  /** Told of each refresh, for logs and metrics. */
  readonly onRefresh?: (outcome: Result<RefreshOutcome, RefreshFailure>) => void;
}

/** Keeps the status list: fetched anew in time, over restarts, and never without saying how old it is. */
export interface RevocationKeeper {
  /** The list in force, however old: the appraiser judges its age. Null where there is none, or it is from the future. */
  current(): StatusList | null;
  status(): RevocationStatus;
  /** Fetches the list now. Callers at the same time share one fetch. Never rejects. */
  refresh(): Promise<Result<RefreshOutcome, RefreshFailure>>;
  /** Loads the snapshot and begins to refresh; at once where there is none, or it is due. */
  start(): Promise<void>;
  /** Ends the schedule and a fetch that is under way. The list stays. */
  stop(): Promise<void>;
}

/** A list counts as from the future where it is this far ahead of the clock. */
const MAXIMUM_MILLISECONDS_AHEAD = 300_000;

/** The list in force with what its source said of it. */
interface Held {
  readonly list: StatusList;
  readonly etag: string | null;
  readonly maximumAgeSeconds: number | null;
}

class Keeper implements RevocationKeeper {
  readonly #ports: RevocationKeeperPorts;
  #held: Held | null = null;
  /** The list whose certificates everybody has been told of. */
  #announced: StatusList | null = null;
  #lastAttemptAt: Date | null = null;
  #lastFailure: RevocationStatus['lastFailure'] = null;
  #failures = 0;
  #snapshot: RevocationStatus['snapshot'] = 'none';
  #running: Promise<Result<RefreshOutcome, RefreshFailure>> | null = null;
  #abort = new AbortController();
  #started = false;
  #scheduled: { readonly at: Date; readonly cancel: () => void } | null = null;

  constructor(ports: RevocationKeeperPorts) {
    this.#ports = ports;
  }

  current(): StatusList | null {
    const list = this.#held?.list ?? null;
    return list === null || this.#isAhead(list) ? null : list;
  }

  status(): RevocationStatus {
    const list = this.#held?.list ?? null;
    const now = this.#ports.clock.now();
    return {
      source: this.#ports.source.name,
      fetchedAt: list?.fetchedAt ?? null,
      ageSeconds: list === null ? null : (now.getTime() - list.fetchedAt.getTime()) / 1000,
      entries: list?.entries.size ?? 0,
      lastAttemptAt: this.#lastAttemptAt,
      lastFailure: this.#lastFailure,
      failures: this.#failures,
      nextRefreshAt: this.#scheduled?.at ?? null,
      snapshot: this.#snapshot,
    };
  }

  refresh(): Promise<Result<RefreshOutcome, RefreshFailure>> {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    if (this.#held === null) await this.#load();
    if (this.#held === null) return this.#schedule(0);
    const { list, maximumAgeSeconds } = this.#held;
    const due = secondsAfter(list.fetchedAt, this.#secondsToRefresh(maximumAgeSeconds));
    this.#schedule((due.getTime() - this.#ports.clock.now().getTime()) / 1000);
  }

  async stop(): Promise<void> {
    this.#started = false;
    this.#scheduled?.cancel();
    this.#scheduled = null;
    this.#abort.abort();
    await this.#running;
  }

  async #load(): Promise<void> {
    const loaded = await this.#ports.snapshots.load();
    if (!loaded.ok) {
      this.#snapshot = loaded.reason;
      return;
    }
    const snapshot = loaded.value;
    if (snapshot === null) return;
    // What another source listed says nothing of what this one lists.
    if (snapshot.source !== this.#ports.source.name) this.#snapshot = 'SNAPSHOT_OF_ANOTHER_SOURCE';
    else if (this.#isAhead(snapshot.list)) this.#snapshot = 'SNAPSHOT_AHEAD';
    else if (this.#held === null) {
      this.#held = snapshot;
      this.#announced = snapshot.list;
      this.#snapshot = 'loaded';
    }
  }

  async #run(): Promise<Result<RefreshOutcome, RefreshFailure>> {
    const at = this.#ports.clock.now();
    this.#lastAttemptAt = at;
    this.#abort = new AbortController();
    const outcome = await this.#attempt(at).catch((error: unknown) => refuse('REFRESH_FAULT' as const, nameOf(error)));
    if (outcome.ok) {
      this.#failures = 0;
    } else {
      this.#failures += 1;
      this.#lastFailure = { reason: outcome.reason, detail: outcome.detail ?? null, at };
    }
    const { random, policy } = this.#ports;
    this.#schedule(
      outcome.ok
        ? this.#secondsToRefresh(this.#held?.maximumAgeSeconds ?? null)
        : secondsToRetry(this.#failures, policy(), random),
    );
    try {
      this.#ports.onRefresh?.(outcome);
    } catch {
      // Who only watches must not end the refreshing.
    }
    return outcome;
  }

  async #attempt(at: Date): Promise<Result<RefreshOutcome, RefreshFailure>> {
    const { source } = this.#ports;
    const etag = this.#held?.etag ?? null;
    const answer = await source.read({ etag, at, signal: this.#abort.signal });
    if (!answer.ok) return answer;
    const held = heldOf(answer.value, this.#held);
    if (held === null) return refuse('SOURCE_STATUS', 'unchanged, and there is no list');
    const newest = this.#newest(held, at);
    if (newest === null) return refuse('LIST_OLDER', held.list.fetchedAt.toISOString());
    this.#held = newest;
    return this.#announce(newest);
  }

  /**
   * The answer with the later of both times where it lists what is listed already: caches on the way differ in age.
   * Null where it lists something else and is older than the list in force.
   */
  #newest(answered: Held, at: Date): Held | null {
    const inForce = this.#held?.list ?? null;
    // A list from the future is a clock's mistake, and gives way to any other.
    if (inForce === null || inForce.fetchedAt > at || answered.list.fetchedAt >= inForce.fetchedAt) return answered;
    return changeOf(inForce, answered.list) === null ? { ...answered, list: inForce } : null;
  }

  async #announce(held: Held): Promise<Result<RefreshOutcome, RefreshFailure>> {
    const { list } = held;
    const change = changeOf(this.#announced, list);
    if (change !== null) {
      try {
        await this.#ports.onChange(change);
      } catch (error) {
        return refuse('CHANGE_NOT_ANNOUNCED', nameOf(error));
      }
    }
    this.#announced = list;
    const saved = await this.#ports.snapshots.save({ ...held, source: this.#ports.source.name });
    this.#snapshot = saved.ok ? 'saved' : saved.reason;
    return ok({ fetchedAt: list.fetchedAt, entries: list.entries.size, change });
  }

  #isAhead({ fetchedAt }: StatusList): boolean {
    return fetchedAt.getTime() - this.#ports.clock.now().getTime() > MAXIMUM_MILLISECONDS_AHEAD;
  }

  #secondsToRefresh(maximumAgeSeconds: number | null): number {
    return secondsToRefresh(maximumAgeSeconds, this.#ports.policy(), this.#ports.random);
  }

  #schedule(seconds: number): void {
    this.#scheduled?.cancel();
    this.#scheduled = null;
    if (!this.#started) return;
    const { clock, timer } = this.#ports;
    const delay = Math.max(0, seconds);
    const cancel = timer.after(delay * 1000, () => {
      this.#scheduled = null;
      void this.refresh();
    });
    this.#scheduled = { at: secondsAfter(clock.now(), delay), cancel };
  }
}

/** What is in force after an answer; null where it refers to a list that is not there. */
function heldOf(answer: SourceAnswer, before: Held | null): Held | null {
  const { maximumAgeSeconds } = answer;
  if (answer.kind === 'list') return { list: answer.list, etag: answer.etag, maximumAgeSeconds };
  if (before === null) return null;
  return { list: { ...before.list, fetchedAt: answer.fetchedAt }, etag: before.etag, maximumAgeSeconds };
}

/** The class of what was thrown; its message may hold anything. */
function nameOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'name' in error && typeof error.name === 'string'
    ? error.name
    : 'unknown';
}

/** A keeper that has not started: it holds no list until then, or until it is told to refresh. */
export function createRevocationKeeper(ports: RevocationKeeperPorts): RevocationKeeper {
  return new Keeper(ports);
}
