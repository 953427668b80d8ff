import type { Clock } from '../ports/clock.ts';
import { type CheckpointName, isNamed } from './checkpoint.ts';

/** Why nothing may be decided for the log's sake. */
export type AuditFault =
  /** It does not keep up. */
  | 'AUDIT_BEHIND'
  /** It is not the one that was seen, or signed, before. */
  | 'AUDIT_LOG_REPLACED';

/** Whether the log keeps up with what is committed: where it does not, nothing new is decided. */
export interface AuditStanding {
  /** Null, or the reason for which nothing may be decided now. */
  behind(): AuditFault | null;
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

/** An instant by both clocks. */
export interface LookTime {
  readonly wall: Date;
  /** Milliseconds. */
  readonly monotonic: number;
}

/**
 * What this replica has seen of the log. It is behind where a row waits for its entry, or an entry for its checkpoint,
 * longer than it may, and where nobody could look for so long.
 */
export class SeenStanding implements AuditStanding {
  readonly #clock: Clock;
  readonly #monotonic: () => number;
  readonly #mayWaitSeconds: { readonly forEntry: number; readonly forCheckpoint: number };
  #sight: AuditSight | null = null;
  #look: LookTime | null = null;
  #isReplaced = false;

  /** `monotonic`: milliseconds of a clock that is never set. */
  constructor(
    clock: Clock,
    monotonic: () => number,
    mayWaitSeconds: { readonly forEntry: number; readonly forCheckpoint: number },
  ) {
    this.#clock = clock;
    this.#monotonic = monotonic;
    this.#mayWaitSeconds = mayWaitSeconds;
  }

  /** What time it is: when a look begins. */
  look(): LookTime {
    return { wall: this.#clock.now(), monotonic: this.#monotonic() };
  }

  /** Takes what was seen by a look that had begun then. A last checkpoint that is not what it was is never forgotten. */
  saw(sight: AuditSight, look: LookTime): void {
    const before = this.#sight?.lastCheckpoint ?? null;
    if (before !== null && !isAfter(before, sight.lastCheckpoint)) this.replaced();
    this.#sight = sight;
    this.#look = look;
  }

  /** The log is not the one that was signed: nothing is decided until the next start. */
  replaced(): void {
    this.#isReplaced = true;
  }

  behind(): AuditFault | null {
    if (this.#isReplaced) return 'AUDIT_LOG_REPLACED';
    const { forEntry, forCheckpoint } = this.#mayWaitSeconds;
    if (this.#sight === null || this.#look === null) return 'AUDIT_BEHIND';
    const late =
      this.#isOver(this.#look.wall, this.#look, forEntry) ||
      this.#isOver(this.#sight.oldestUnchained, this.#look, forEntry) ||
      this.#isOver(this.#sight.unsignedSince, this.#look, forCheckpoint);
    return late ? 'AUDIT_BEHIND' : null;
  }

  lastCheckpoint(): CheckpointName | null {
    return this.#sight?.lastCheckpoint ?? null;
  }

  /** By the wall clock, and by what has passed since the look: a clock that was set back makes nothing younger. */
  #isOver(since: Date | null, look: LookTime, seconds: number): boolean {
    if (since === null) return false;
    const before = look.wall.getTime() - since.getTime();
    const passed = Math.max(this.#clock.now().getTime() - look.wall.getTime(), this.#monotonic() - look.monotonic);
    return before + passed > seconds * 1000;
  }
}

/** Whether a checkpoint is another one that came later, or the same. */
function isAfter(before: CheckpointName, last: CheckpointName | null): boolean {
  return last !== null && (last.number > before.number || isNamed(last, before));
}
