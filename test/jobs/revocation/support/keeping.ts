import type { StatusList } from '../../../../src/attestation/android/revocation.ts';
import type { StatusListChange } from '../../../../src/jobs/revocation/change.ts';
import {
  createRevocationKeeper,
  type RefreshFailure,
  type RefreshOutcome,
  type RevocationKeeper,
  type RevocationKeeperPorts,
} from '../../../../src/jobs/revocation/keeper.ts';
import { type RevocationRefresh, revocationRefreshSchema } from '../../../../src/jobs/revocation/policy.ts';
import type { Snapshot, SnapshotFailure, SnapshotStore } from '../../../../src/jobs/revocation/snapshot.ts';
import type {
  SourceAnswer,
  SourceFailure,
  SourceRequest,
  StatusListSource,
} from '../../../../src/jobs/revocation/source.ts';
import type { Timer } from '../../../../src/jobs/timer.ts';
import { ok, type Result, refuse } from '../../../../src/reasons/result.ts';

export const START = new Date('2026-06-15T12:00:00Z');

/** Time that a test moves; timers run when it comes to them. */
export class ManualTime implements Timer {
  #now = START.getTime();
  #waiting: { readonly at: number; readonly run: () => void }[] = [];

  readonly now = (): Date => new Date(this.#now);

  after(milliseconds: number, run: () => void): () => void {
    const entry = { at: this.#now + milliseconds, run };
    this.#waiting.push(entry);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
    };
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Sets the clock without running anything. */
  set(at: Date): void {
    this.#now = at.getTime();
  }

  /** Goes on, and runs what is due by then. */
  advance(seconds: number): void {
    this.#now += seconds * 1000;
    const due = this.#waiting.filter(({ at }) => at <= this.#now);
    this.#waiting = this.#waiting.filter(({ at }) => at > this.#now);
    for (const { run } of due) run();
  }
}

export const statusList = (serials: readonly string[], fetchedAt: Date): StatusList => ({
  fetchedAt,
  entries: new Map(serials.map((serial) => [serial, { status: 'REVOKED', reason: null }])),
});

/** A source whose next answers a test writes. */
export class ScriptedSource implements StatusListSource {
  readonly name: string;
  readonly asked: SourceRequest[] = [];
  /** What it lists; null while it cannot be reached. */
  serials: readonly string[] | null;
  etag: string | null = null;
  maximumAgeSeconds: number | null = null;
  /** How long a cache on the way has held the list. */
  ageSeconds = 0;
  failure: SourceFailure = 'UNREACHABLE';
  /** Answers wait until it is resolved. */
  held: Promise<void> | null = null;

  constructor(serials: readonly string[] | null, name = 'scripted') {
    this.serials = serials;
    this.name = name;
  }

  async read(request: SourceRequest): Promise<Result<SourceAnswer, SourceFailure>> {
    this.asked.push(request);
    const aborted = new Promise<void>((resolve) => {
      request.signal.addEventListener('abort', () => resolve());
    });
    await Promise.race([this.held, aborted]);
    if (request.signal.aborted) return refuse('STOPPED');
    const { serials, etag, maximumAgeSeconds } = this;
    if (serials === null) return refuse(this.failure, 'scripted');
    const fetchedAt = new Date(request.at.getTime() - this.ageSeconds * 1000);
    if (etag !== null && request.etag === etag) return ok({ kind: 'unchanged', fetchedAt, maximumAgeSeconds });
    return ok({ kind: 'list', list: statusList(serials, fetchedAt), etag, maximumAgeSeconds });
  }
}

/** A snapshot in memory. */
export class MemorySnapshots implements SnapshotStore {
  stored: Snapshot | null = null;
  failure: SnapshotFailure | null = null;

  async load(): Promise<Result<Snapshot | null, SnapshotFailure>> {
    return this.failure === null ? ok(this.stored) : refuse(this.failure);
  }

  async save(snapshot: Snapshot): Promise<Result<null, SnapshotFailure>> {
    if (this.failure !== null) return refuse(this.failure);
    this.stored = snapshot;
    return ok(null);
  }
}

/** Without jitter, so that a test can count seconds. */
export const POLICY: RevocationRefresh = revocationRefreshSchema.parse({
  minimumSeconds: 3600,
  maximumSeconds: 21_600,
  retrySeconds: 60,
  jitterFraction: 0,
});

export interface Keeping {
  readonly keeper: RevocationKeeper;
  readonly time: ManualTime;
  readonly source: ScriptedSource;
  readonly snapshots: MemorySnapshots;
  readonly changes: StatusListChange[];
  readonly outcomes: Result<RefreshOutcome, RefreshFailure>[];
  /** Goes on and waits for the refreshes that this sets off. */
  pass(seconds: number): Promise<void>;
}

export function keeping(over: Partial<RevocationKeeperPorts> & { source?: ScriptedSource } = {}): Keeping {
  const time = new ManualTime();
  const source = over.source ?? new ScriptedSource(['5871']);
  const snapshots = new MemorySnapshots();
  const changes: StatusListChange[] = [];
  const outcomes: Result<RefreshOutcome, RefreshFailure>[] = [];
  const keeper = createRevocationKeeper({
    source,
    snapshots,
    policy: () => POLICY,
    clock: time,
    random: { bytes: (length) => Buffer.alloc(length, 0x80) },
    timer: time,
    onChange: async (change) => {
      changes.push(change);
    },
    onRefresh: (outcome) => {
      outcomes.push(outcome);
    },
    ...over,
  });
  const pass = async (seconds: number): Promise<void> => {
    const before = source.asked.length;
    time.advance(seconds);
    if (source.asked.length > before) await keeper.refresh();
  };
  return { keeper, time, source, snapshots: (over.snapshots as MemorySnapshots) ?? snapshots, changes, outcomes, pass };
}
