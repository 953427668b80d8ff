import { type Assignment, Assignments, type PolicySubject } from './resolve.ts';
import { scopeKey } from './scope.ts';
import { type PolicyVersion, versionOf } from './version.ts';

/** Everything that decides which version holds for whom, as of one generation. */
export class PolicyState<P> {
  /** Rises with each change of activations or of groups. */
  readonly generation: bigint;
  readonly active: Assignments<P>;
  readonly shadow: Assignments<P>;
  readonly #default: PolicyVersion<P>;
  readonly #groups: ReadonlyMap<string, readonly string[]>;

  /** `groups` by device id, of the groups that something is assigned to. Throws where no default is active. */
  constructor(
    generation: bigint,
    active: readonly Assignment<P>[],
    shadow: readonly Assignment<P>[],
    groups: ReadonlyMap<string, readonly string[]>,
  ) {
    this.generation = generation;
    this.active = new Assignments(active);
    this.shadow = new Assignments(shadow);
    this.#groups = groups;
    const byDefault = this.active.default;
    if (byDefault === null) throw new RangeError('no default policy is active');
    this.#default = byDefault.policy;
  }

  /** The version for all who have no other. */
  default(): PolicyVersion<P> {
    return this.#default;
  }

  /** The version that holds for a subject. */
  for(subject: PolicySubject): PolicyVersion<P> {
    return this.active.of(subject, this.groupsOf(subject.deviceId))?.policy ?? this.#default;
  }

  /** The candidate that is watched for a subject; null for none, and for one that is in force anyway. */
  shadowFor(subject: PolicySubject): PolicyVersion<P> | null {
    const candidate = this.shadow.of(subject, this.groupsOf(subject.deviceId))?.policy ?? null;
    return candidate === null || candidate.version === this.for(subject).version ? null : candidate;
  }

  /** The groups of a device that something is assigned to. */
  groupsOf(deviceId: string | null): readonly string[] {
    return (deviceId === null ? undefined : this.#groups.get(deviceId)) ?? [];
  }

  /**
   * One name for what holds for all subjects together: the default's version while nothing else is assigned. Of a part
   * of the documents only, where `part` takes one.
   */
  fingerprint(part: (document: P) => unknown = (document) => document): string {
    const others = this.active.all.filter(({ scope }) => scope.kind !== 'default');
    if (others.length === 0) return this.#default.version;
    const named = [...this.active.all]
      .map(({ scope, policy }) => [
        scopeKey(scope),
        scope.kind === 'canary' ? scope.basisPoints : 0,
        part(policy.document),
      ])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
    return versionOf(named).version;
  }
}

/** A change of what holds for whom. */
export interface PolicyChange<P> {
  readonly before: PolicyState<P>;
  readonly after: PolicyState<P>;
}

/** The versions in force, as this replica knows them. */
export interface PolicySource<P> {
  state(): PolicyState<P>;
  default(): PolicyVersion<P>;
  for(subject: PolicySubject): PolicyVersion<P>;
  /** False once the store has not been read for longer than policy bears: nothing new is granted then. */
  isCurrent(): boolean;
  /** Told of each change as this replica learns of it; answers how to leave off. */
  onChange(listener: (change: PolicyChange<P>) => void): () => void;
}
