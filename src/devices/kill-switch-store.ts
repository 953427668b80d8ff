import type { KillSelector, StandingKill } from './kill-switch.ts';

/** A switch to be set. */
export interface NewKill extends StandingKill {
  readonly cause: string;
  readonly by: string;
}

/** A switch as the record keeps it. */
export interface RecordedKill extends NewKill {
  /** Rises with each switch that is set or lifted. */
  readonly generation: bigint;
  readonly setAt: Date;
  /** Null until it is known to be in force everywhere. */
  readonly inForceAt: Date | null;
  readonly lifted: { readonly by: string; readonly cause: string; readonly at: Date } | null;
  /** What it met at the replicas that have learnt of it. */
  readonly reached: { readonly replicas: number; readonly sessions: number; readonly pinEntries: number };
}

/** The phones that a switch would stop. */
export interface KillPreview {
  readonly devices: number;
  readonly merchants: number;
  readonly acquirers: number;
  /** A few of the devices. */
  readonly sample: readonly { readonly deviceId: string; readonly acquirer: string; readonly merchant: string }[];
}

/** A replica that has not said that a switch is enforced there, and that it has to be waited for. */
export interface AwaitedReplica {
  readonly name: string;
  /** False where its lease has run out: the end of its last statements is waited for. */
  readonly live: boolean;
}

/** The record of kill switches. */
export interface KillSwitchStore {
  /** Sets a switch; replicas learn of it by themselves. The database tells the time. */
  set(kill: NewKill): Promise<RecordedKill>;
  /** Lifts a switch; null where there is none. One that is lifted stays as it is. */
  lift(id: string, by: string, cause: string): Promise<RecordedKill | null>;
  kill(id: string): Promise<RecordedKill | null>;
  /** Standing ones first, then the lifted ones, the latest first; at most `limit`. */
  list(withLifted: boolean, limit: number): Promise<readonly RecordedKill[]>;
  /** Replicas that a switch of this generation is not yet enforced at; empty: it is in force. */
  awaited(generation: bigint): Promise<readonly AwaitedReplica[]>;
  /** Notes that a switch is in force; answers since when. */
  inForce(id: string): Promise<Date>;
  /** Counts the active devices that a switch would stop, by what their latest attestation says. */
  preview(selector: KillSelector, sample: number): Promise<KillPreview>;
}

/** What one replica has met as it enforced a switch. */
export interface KillReach {
  readonly killId: string;
  readonly sessions: number;
  readonly pinEntries: number;
}

/** The record has no latest generation, or one that is earlier than what it has or had: nobody can say which switches stand. */
export class KillRecordLost extends Error {
  constructor() {
    super('the record of kill switches has lost its latest generation');
  }
}

/** What a replica asks of the record. */
export interface KillReplicaStore {
  /** The latest generation. Rejects with {@link KillRecordLost}, as the next two do. */
  generation(): Promise<bigint>;
  /**
   * Takes or renews this replica's lease, by the database's time, and says which generation is enforced here. Answers the
   * latest generation.
   */
  renew(replica: KillReplica, enforced: bigint, leaseMilliseconds: number): Promise<bigint>;
  /** The standing switches and their generation, of one instant. */
  standing(): Promise<{ readonly generation: bigint; readonly switches: readonly StandingKill[] }>;
  /** Notes what switches met here. */
  reached(replicaId: string, reach: readonly KillReach[]): Promise<void>;
  /** Gives the lease back: nothing of this replica is under way any more. */
  leave(replicaId: string): Promise<void>;
}

/** A replica by the id of its process. */
export interface KillReplica {
  readonly id: string;
  readonly name: string;
}
