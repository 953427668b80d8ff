import {
  type CheckpointName,
  type CheckpointSigner,
  checkpointHash,
  decodeCheckpoint,
  encodeCheckpoint,
  MOST_HEADS,
  NO_CHECKPOINT,
  nextCheckpoint,
  type SignedCheckpoint,
} from '../../audit/checkpoint.ts';
import type { WriterHead } from '../../audit/entry.ts';
import type { SeenStanding } from '../../audit/standing.ts';
import type { AuditLog } from '../../audit/store.ts';
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
    const { clock, onFailure } = this.#ports;
    const at = clock.now();
    try {
      if (await this.#hasDuty(at)) {
        await this.#chainAll();
        if (this.#checkpointAt === null || clock.now() >= this.#checkpointAt) await this.#sign();
      }
      await this.#look(at);
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

  async #chainAll(): Promise<void> {
    const { log, clock } = this.#ports;
    for (;;) {
      const rows = await log.unchained(BATCH);
      if (rows.length === 0) return;
      this.#head ??= await log.open(this.#writer, clock.now());
      const head = await log.chain(this.#head, rows, clock.now());
      const moved = head !== null && head.sequence > this.#head.sequence;
      this.#head = head;
      // Others chain the same rows: the next turn sees what is left.
      if (!moved) return;
    }
  }

  /** Signs until no chain is ahead of its signature. */
  async #sign(): Promise<void> {
    const { log, signer, clock, pace, onCheckpoint, onUnsigned } = this.#ports;
    for (;;) {
      const heads = await log.unsigned(MOST_HEADS);
      if (heads.length === 0) break;
      const last = await this.#lastCheckpoint();
      const at = clock.now();
      const checkpoint = nextCheckpoint({ name: last, entries: last.entries }, heads, at);
      const signed = await signer.signCheckpoint(encodeCheckpoint(checkpoint));
      if (!signed.ok) {
        onUnsigned(signed.reason);
        break;
      }
      this.#last = null;
      if (await log.addCheckpoint(checkpoint.number, signed.value, heads, at)) onCheckpoint(signed.value);
    }
    this.#checkpointAt = secondsAfter(clock.now(), pace.checkpointSeconds);
  }

  async #look(at: Date): Promise<void> {
    const { log, standing } = this.#ports;
    const [oldestUnchained, unsigned] = await Promise.all([log.oldestUnchained(), log.unsigned(1)]);
    this.#last = null;
    const last = await this.#lastCheckpoint();
    // Under load something is always unsigned; what a new checkpoint left is younger than that.
    const since = last.number === this.#seenCheckpoint ? this.#unsignedSince : null;
    this.#seenCheckpoint = last.number;
    this.#unsignedSince = unsigned.length === 0 ? null : (since ?? at);
    const lastCheckpoint = last.number === 0n ? null : { number: last.number, hash: last.hash };
    standing.saw({ oldestUnchained, unsignedSince: this.#unsignedSince, lastCheckpoint }, at);
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
