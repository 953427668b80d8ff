import {
  type CheckpointName,
  type CheckpointSigner,
  checkpointHash,
  decodeCheckpoint,
  encodeCheckpoint,
  isNamed,
  MOST_HEADS,
  NO_CHECKPOINT,
  nextCheckpoint,
  type SignedCheckpoint,
} from '../../audit/checkpoint.ts';
import type { WriterHead } from '../../audit/entry.ts';
import type { LookTime, SeenStanding } from '../../audit/standing.ts';
import type { AuditLog, RowName, UnsignedHead } from '../../audit/store.ts';
import { type Clock, secondsAfter } from '../../ports/clock.ts';
import { type Random, randomUuid } from '../../ports/random.ts';
import type { Timer } from '../../ports/timer.ts';

/** How the log is kept. */
export interface AuditPace {
  /** Between two looks for rows to chain. */
  readonly pollMilliseconds: number;
  /** Between two checkpoints, where there is something to sign. */
  readonly checkpointSeconds: number;
  /** A replica that is silent for so long has lost the duty of chaining. */
  readonly dutySeconds: number;
  /**
   * A row that has waited for so long is chained by whichever replica sees it. Who has the duty may be a replica of an earlier
   * version, which knows nothing of rows of this kind.
   */
  readonly helpAfterSeconds: number;
}

/** What the sequencer stands on. */
export interface SequencerPorts {
  readonly log: AuditLog;
  readonly signer: CheckpointSigner;
  readonly standing: SeenStanding;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly random: Random;
  readonly pace: AuditPace;
  /** Told of each checkpoint that this replica has made, for a witness. */
  readonly onCheckpoint: (signed: SignedCheckpoint) => void;
  readonly onFailure: (error: unknown) => void;
  /** Told where no checkpoint could be signed, with the vault's reason. */
  readonly onUnsigned: (reason: string) => void;
}

/** Rows of each source that one transaction chains. */
const BATCH = 128;
/** The duty is renewed when so much of it has passed. */
const RENEWED_AFTER = 1 / 3;

/**
 * Chains what is committed, and signs where the chains stand. Of all replicas one has the duty; where two believe that
 * they have it, each chains into a chain of its own, and a row goes into one of them.
 */
export class AuditSequencer {
  readonly #ports: SequencerPorts;
  readonly #writer: string;
  #head: WriterHead | null = null;
  #dutyRenewal: Date | null = null;
  #checkpointAt: Date | null = null;
  #unsignedSince: Date | null = null;
  #seenCheckpoint = 0n;
  #last: (CheckpointName & { readonly entries: bigint }) | null = null;
  #cancel: (() => void) | null = null;
  #turn: Promise<void> | null = null;
  #stopped = false;

  constructor(ports: SequencerPorts) {
    this.#ports = ports;
    this.#writer = randomUuid(ports.random);
  }

  /** The id of this replica's chain. */
  get writer(): string {
    return this.#writer;
  }

  /** Works from now on; resolves once the log has been looked at. */
  async start(): Promise<void> {
    await this.#work();
  }

  /** Chains and signs what is committed, and gives the duty away. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#turn;
    if (this.#dutyRenewal === null) return;
    try {
      await this.#chainAll();
      await this.#sign();
      await this.#ports.log.leaveDuty(this.#writer);
    } catch (error) {
      // Another replica, or the next start, goes on where this one ended.
      this.#ports.onFailure(error);
    }
  }

  #work(): Promise<void> {
    this.#turn = this.#once().finally(() => {
      this.#turn = null;
      if (this.#stopped) return;
      this.#cancel = this.#ports.timer.after(this.#ports.pace.pollMilliseconds, () => void this.#work());
    });
    return this.#turn;
  }

  async #once(): Promise<void> {
    const { clock, standing, onFailure } = this.#ports;
    const look = standing.look();
    try {
      let chained = false;
      if (await this.#hasDuty(look.wall)) {
        chained = await this.#chainAll();
        if (this.#checkpointAt === null || clock.now() >= this.#checkpointAt) await this.#sign();
      }
      const oldest = await this.#look(look, chained);
      if (oldest !== null && secondsAfter(oldest, this.#ports.pace.helpAfterSeconds) <= look.wall)
        await this.#chainAll();
    } catch (error) {
      // The head may have moved although nobody heard of it.
      this.#head = null;
      onFailure(error);
    }
  }

  async #hasDuty(now: Date): Promise<boolean> {
    const { log, pace } = this.#ports;
    if (this.#dutyRenewal !== null && now < this.#dutyRenewal) return true;
    const taken = await log.takeDuty(this.#writer, now, secondsAfter(now, pace.dutySeconds));
    this.#dutyRenewal = taken ? secondsAfter(now, pace.dutySeconds * RENEWED_AFTER) : null;
    return taken;
  }

  /** Answers whether all rows are chained that were there when it began. */
  async #chainAll(): Promise<boolean> {
    const { log, clock } = this.#ports;
    for (;;) {
      const rows = await log.unchained(BATCH);
      if (rows.length === 0) return true;
      this.#head ??= await log.open(this.#writer, clock.now());
      const head = await log.chain(this.#head, rows, clock.now());
      const chained = head === null ? 0n : head.sequence - this.#head.sequence;
      this.#head = head;
      // Others chain the same rows: the next turn sees what is left.
      if (chained === 0n) return false;
      // It sees what came meanwhile, too: a few rows at a time would cost as much as many.
      if (chained === BigInt(rows.length) && !isFull(rows)) return true;
    }
  }

  /** Signs until no chain is ahead of its signature. */
  async #sign(): Promise<void> {
    const { log, signer, standing, clock, pace, onCheckpoint, onUnsigned } = this.#ports;
    for (;;) {
      const heads = await log.unsigned(MOST_HEADS);
      if (heads.length === 0) break;
      const last = await this.#lastCheckpoint();
      const at = clock.now();
      const checkpoint = nextCheckpoint({ name: last, entries: last.entries }, heads, at);
      const payload = encodeCheckpoint(checkpoint);
      const signed = await signer.signCheckpoint(payload);
      this.#last = null;
      const covered = signed.ok ? await this.#coveredBy(signed.value, payload, heads) : null;
      if (signed.ok && covered !== null) {
        if (await log.addCheckpoint(checkpoint.number, signed.value, covered, at)) onCheckpoint(signed.value);
        continue;
      }
      // Where another replica was first, its checkpoint is the one to go on from.
      if (!isNamed(await this.#lastCheckpoint(), last)) continue;
      const reason = signed.ok ? 'AUDIT_LOG_REPLACED' : signed.reason;
      if (reason === 'AUDIT_LOG_REPLACED') standing.replaced();
      onUnsigned(reason);
      break;
    }
    this.#checkpointAt = secondsAfter(clock.now(), pace.checkpointSeconds);
  }

  /**
   * The heads that a checkpoint signs, with how far they were signed before it; null where the log does not have them. It may
   * be another one than was asked for: nobody heard of its signature.
   */
  async #coveredBy(
    signed: SignedCheckpoint,
    asked: Buffer,
    heads: readonly UnsignedHead[],
  ): Promise<readonly UnsignedHead[] | null> {
    if (asked.equals(signed.payload)) return heads;
    const [answered, wanted] = [decodeCheckpoint(signed.payload), decodeCheckpoint(asked)];
    if (!answered.ok || !wanted.ok || answered.value.number !== wanted.value.number) return null;
    const covered = await this.#ports.log.unsignedAt(answered.value.heads);
    return covered.length === answered.value.heads.length ? covered : null;
  }

  /** Tells how the log stands; answers since when the oldest row waits that is not chained. */
  async #look(look: LookTime, chained: boolean): Promise<Date | null> {
    const { log, standing } = this.#ports;
    const [oldestUnchained, unsigned] = await Promise.all([
      // What was written since is younger than this look.
      chained ? null : log.oldestUnchained(),
      log.unsigned(1),
    ]);
    this.#last = null;
    const last = await this.#lastCheckpoint();
    // Under load something is always unsigned; what a new checkpoint left is younger than that.
    const since = last.number === this.#seenCheckpoint ? this.#unsignedSince : null;
    this.#seenCheckpoint = last.number;
    this.#unsignedSince = unsigned.length === 0 ? null : (since ?? look.wall);
    const lastCheckpoint = last.number === 0n ? null : { number: last.number, hash: last.hash };
    standing.saw({ oldestUnchained, unsignedSince: this.#unsignedSince, lastCheckpoint }, look);
    return oldestUnchained;
  }

  async #lastCheckpoint(): Promise<CheckpointName & { readonly entries: bigint }> {
    if (this.#last !== null) return this.#last;
    const signed = await this.#ports.log.lastCheckpoint();
    if (signed === null) return NO_CHECKPOINT;
    const decoded = decodeCheckpoint(signed.payload);
    if (!decoded.ok) throw new Error(`the last checkpoint cannot be read: ${decoded.detail ?? decoded.reason}`);
    const { number, entries } = decoded.value;
    this.#last = { number, hash: checkpointHash(signed.payload), entries };
    return this.#last;
  }
}

/** Whether a source has as many rows as were asked for, and may have more. */
function isFull(rows: readonly RowName[]): boolean {
  const counted = new Map<string, number>();
  for (const { source } of rows) counted.set(source, (counted.get(source) ?? 0) + 1);
  return [...counted.values()].some((count) => count >= BATCH);
}
