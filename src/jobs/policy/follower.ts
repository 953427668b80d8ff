import type { DistributionPolicy } from '../../policy/distribution.ts';
import type { Assignment, PolicySubject } from '../../policy/resolve.ts';
import { type PolicyChange, type PolicySource, PolicyState } from '../../policy/source.ts';
import type { HeldActivation, PolicySnapshot, PolicyStore } from '../../policy/store.ts';
import { type PolicyVersion, versionOfJson } from '../../policy/version.ts';
import type { Timer } from '../../ports/timer.ts';

/** What a follower stands on. */
export interface PolicyFollowerPorts<P> {
  readonly store: Pick<PolicyStore, 'generation' | 'snapshot'>;
  /** Parses a document from its canonical JSON; throws where this program cannot. */
  readonly parse: (json: string) => P;
  readonly distribution: (document: P) => DistributionPolicy;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonic: () => number;
  readonly timer: Timer;
  /** Told the end of each reading: null, or why it failed. */
  readonly onRead?: (error: unknown) => void;
}

/**
 * The policy in force as one replica follows it: one short statement a poll, and the whole state where it has changed.
 *
 * Where the store cannot be read, or holds a document that this program does not understand, what was read last stays in
 * force until policy's own maximum staleness; then `isCurrent` is false and nothing new is to be granted.
 */
export class PolicyFollower<P> implements PolicySource<P> {
  readonly #ports: PolicyFollowerPorts<P>;
  readonly #listeners = new Set<(change: PolicyChange<P>) => void>();
  #parsed = new Map<string, PolicyVersion<P>>();
  #state: PolicyState<P> | null = null;
  #readAt = 0;
  #running: Promise<void> | null = null;
  #queued: Promise<void> | null = null;
  #cancel: (() => void) | null = null;
  #stopped = true;

  constructor(ports: PolicyFollowerPorts<P>) {
    this.#ports = ports;
  }

  /** Reads the state and begins to poll. Rejects where it cannot be read: a service without policy does not start. */
  async start(): Promise<void> {
    await this.#read();
    this.#stopped = false;
    this.#schedule();
  }

  /** Ends the polling and waits for a reading that is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = null;
    await (this.#queued ?? this.#running);
  }

  /** Reads now; resolves once a reading that began after this call has ended, however it ended. */
  refresh(): Promise<void> {
    if (this.#running === null) return this.#run();
    this.#queued ??= this.#running.then(() => {
      this.#queued = null;
      return this.#run();
    });
    return this.#queued;
  }

  state(): PolicyState<P> {
    if (this.#state === null) throw new RangeError('policy was not read yet');
    return this.#state;
  }

  default(): PolicyVersion<P> {
    return this.state().default();
  }

  for(subject: PolicySubject): PolicyVersion<P> {
    return this.state().for(subject);
  }

  isCurrent(): boolean {
    const { maximumStalenessSeconds } = this.#distribution();
    return this.#state !== null && this.#ports.monotonic() - this.#readAt <= maximumStalenessSeconds * 1000;
  }

  onChange(listener: (change: PolicyChange<P>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #distribution(): DistributionPolicy {
    return this.#ports.distribution(this.default().document);
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#cancel?.();
    this.#cancel = this.#ports.timer.after(this.#distribution().pollMilliseconds, () => {
      this.#cancel = null;
      void this.refresh();
    });
  }

  #run(): Promise<void> {
    this.#cancel?.();
    this.#cancel = null;
    this.#running = this.#read()
      .then(
        () => this.#ports.onRead?.(null),
        (error: unknown) => this.#ports.onRead?.(error),
      )
      .finally(() => {
        this.#running = null;
        this.#schedule();
      });
    return this.#running;
  }

  async #read(): Promise<void> {
    // What is read is as of some moment after this one.
    const began = this.#ports.monotonic();
    const before = this.#state;
    if (before === null || (await this.#ports.store.generation()) !== before.generation) {
      const after = this.#stateOf(await this.#ports.store.snapshot());
      this.#state = after;
      this.#readAt = began;
      if (before !== null) for (const listener of [...this.#listeners]) listener({ before, after });
      return;
    }
    this.#readAt = began;
  }

  #stateOf({ generation, held, members }: PolicySnapshot): PolicyState<P> {
    const parsed = new Map<string, PolicyVersion<P>>();
    const assigned = held.map((activation) => this.#assignmentOf(activation, parsed));
    this.#parsed = parsed;
    const groups = new Map<string, string[]>();
    for (const { group, deviceId } of members) {
      const before = groups.get(deviceId);
      if (before === undefined) groups.set(deviceId, [group]);
      else before.push(group);
    }
    const of = (mode: HeldActivation['mode']) => assigned.filter((_, index) => held[index]?.mode === mode);
    return new PolicyState(generation, of('active'), of('shadow'), groups);
  }

  #assignmentOf(activation: HeldActivation, parsed: Map<string, PolicyVersion<P>>): Assignment<P> {
    const { number, scope, seed, version, json } = activation;
    const policy = parsed.get(version) ?? this.#parsed.get(version) ?? this.#parse(version, json);
    parsed.set(version, policy);
    return { number, scope, policy, seed };
  }

  /** The version is the hash of the document as it was kept, whatever defaults this program adds to it. */
  #parse(version: string, json: string): PolicyVersion<P> {
    if (versionOfJson(json) !== version) throw new RangeError(`policy ${version} is not the document of its name`);
    return { version, document: this.#ports.parse(json) };
  }
}
