import type { Clock } from '../ports/clock.ts';
import type { CheckpointName } from './checkpoint.ts';

/** Whether the log keeps up with what is committed: where it does not, nothing new is decided. */
export interface AuditStanding {
  /** Null, or the reason for which nothing may be decided now. */
  behind(): 'AUDIT_BEHIND' | null;
  /** The last checkpoint that is known here; receipts name it. Null before the first. */
  lastCheckpoint(): CheckpointName | null;
}

/** What a look at the log saw. */
export interface AuditSight {
  /** When the oldest row was written that is in no chain; null where all are chained. */
  readonly oldestUnchained: Date | null;
  /** When the oldest entry that no checkpoint signs was first seen to be there; null where all are signed. */
  readonly unsignedSince: Date | null;
  readonly lastCheckpoint: CheckpointName | null;
}

/**
 * What this replica has seen of the log. It is behind where a row waits for its entry, or an entry for its checkpoint,
 * longer than it may, and where nobody could look for so long.
 */
export class SeenStanding implements AuditStanding {
  readonly #clock: Clock;
  readonly #mayWaitSeconds: { readonly forEntry: number; readonly forCheckpoint: number };
  #sight: AuditSight | null = null;
  #lookedAt: Date | null = null;

  constructor(clock: Clock, mayWaitSeconds: { readonly forEntry: number; readonly forCheckpoint: number }) {
    this.#clock = clock;
    this.#mayWaitSeconds = mayWaitSeconds;
  }

  /** Takes what was seen; `at` is before the look began. */
  saw(sight: AuditSight, at: Date): void {
    this.#sight = sight;
    this.#lookedAt = at;
  }

  behind(): 'AUDIT_BEHIND' | null {
    const { forEntry, forCheckpoint } = this.#mayWaitSeconds;
    if (this.#sight === null) return 'AUDIT_BEHIND';
    const late =
      this.#isOver(this.#lookedAt, forEntry) ||
      this.#isOver(this.#sight.oldestUnchained, forEntry) ||
      this.#isOver(this.#sight.unsignedSince, forCheckpoint);
    return late ? 'AUDIT_BEHIND' : null;
  }

  lastCheckpoint(): CheckpointName | null {
    return this.#sight?.lastCheckpoint ?? null;
  }

  #isOver(since: Date | null, seconds: number): boolean {
    return since !== null && this.#clock.now().getTime() - since.getTime() > seconds * 1000;
  }
}
