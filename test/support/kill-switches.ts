import type { StandingKill } from '../../src/devices/kill-switch.ts';
import type { KillReach, KillReplica, KillReplicaStore } from '../../src/devices/kill-switch-store.ts';

/** What replicas ask of the record of kill switches, in memory; the database's time is the test's. */
export class MemoryKillReplicas implements KillReplicaStore {
  readonly #now: () => number;
  #generation = 0n;
  #standing: readonly StandingKill[] = [];
  readonly replicas = new Map<string, { enforced: bigint; validUntil: number }>();
  readonly said: (readonly [string, readonly KillReach[]])[] = [];
  readonly calls: string[] = [];
  /** What the next calls fail with. */
  failure: Error | null = null;

  constructor(now: () => number) {
    this.#now = now;
  }

  set(kill: StandingKill): bigint {
    this.#standing = [...this.#standing, kill];
    this.#generation += 1n;
    return this.#generation;
  }

  /** What whoever owns the database can do. */
  setBack(generation: bigint, standing: readonly StandingKill[]): void {
    this.#generation = generation;
    this.#standing = standing;
  }

  lift(id: string): void {
    this.#standing = this.#standing.filter((kill) => kill.id !== id);
    this.#generation += 1n;
  }

  /** Whether a switch of this generation is enforced wherever a lease runs. */
  isInForce(generation: bigint): boolean {
    return [...this.replicas.values()].every(
      ({ enforced, validUntil }) => enforced >= generation || validUntil <= this.#now(),
    );
  }

  async generation(): Promise<bigint> {
    this.#call('generation');
    return this.#generation;
  }

  async renew({ id }: KillReplica, enforced: bigint, leaseMilliseconds: number): Promise<bigint> {
    this.#call('renew');
    this.replicas.set(id, { enforced, validUntil: this.#now() + leaseMilliseconds });
    return this.#generation;
  }

  async standing(): Promise<{ readonly generation: bigint; readonly switches: readonly StandingKill[] }> {
    this.#call('standing');
    return { generation: this.#generation, switches: this.#standing };
  }

  async reached(replicaId: string, reach: readonly KillReach[]): Promise<void> {
    this.#call('reached');
    this.said.push([replicaId, reach]);
  }

  async leave(replicaId: string): Promise<void> {
    this.#call('leave');
    this.replicas.delete(replicaId);
  }

  #call(name: string): void {
    this.calls.push(name);
    if (this.failure !== null) throw this.failure;
  }
}
