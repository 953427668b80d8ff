import { createHmac } from 'node:crypto';
import { canonicalBytes } from '../encoding/canonical.ts';
import { ALL_DEVICES, type PolicyScope, scopeKey } from './scope.ts';
import type { PolicyVersion } from './version.ts';

/** A version that holds for a scope. */
export interface Assignment<P> {
  /** Number of the activation; a later one has a higher number. */
  readonly number: bigint;
  readonly scope: PolicyScope;
  readonly policy: PolicyVersion<P>;
  /** Key of the draw of a canary, 16 bytes; of no use to other scopes. */
  readonly seed: Uint8Array;
}

/** Whom a policy is wanted for. A phone that enrols has no device yet: neither canary nor group holds for it. */
export interface PolicySubject {
  readonly deviceId: string | null;
  readonly acquirer: string;
  readonly merchant: string;
}

const DRAWS = 2 ** 32;

/**
 * A device's place in the draw of a canary, from 0 to 9999: the same for the same seed, as good as random over devices,
 * and of no relation between seeds. A canary takes the places below its basis points, so that a larger share under the
 * same seed keeps the devices of the smaller one.
 */
export function canaryPlace(seed: Uint8Array, deviceId: string): number {
  const draw = createHmac('sha256', seed).update(canonicalBytes('tapgate/v1/policy-canary', deviceId)).digest();
  return Math.floor((draw.readUInt32BE(0) / DRAWS) * ALL_DEVICES);
}

/**
 * The assignments of one mode, ready to be looked up. The most particular one holds: a group's before a merchant's,
 * that before the canary's, that before the default. Of several groups of one device, the one that was activated last.
 */
export class Assignments<P> {
  readonly #byKey: ReadonlyMap<string, Assignment<P>>;

  /** At most one of each scope key. */
  constructor(assignments: readonly Assignment<P>[]) {
    this.#byKey = new Map(assignments.map((assignment) => [scopeKey(assignment.scope), assignment]));
  }

  get all(): readonly Assignment<P>[] {
    return [...this.#byKey.values()];
  }

  /** The one for all who have no other; null where none is assigned. */
  get default(): Assignment<P> | null {
    return this.#byKey.get('default') ?? null;
  }

  /** The names of the groups that something is assigned to. */
  get groups(): readonly string[] {
    return this.all.flatMap(({ scope }) => (scope.kind === 'group' ? [scope.group] : []));
  }

  /** The assignment that holds for a subject, which is a member of these groups; null where none does. */
  of({ deviceId, acquirer, merchant }: PolicySubject, groups: readonly string[]): Assignment<P> | null {
    return (
      (deviceId === null ? null : this.#latestOf(groups)) ??
      this.#byKey.get(scopeKey({ kind: 'merchant', acquirer, merchant })) ??
      this.#canaryFor(deviceId) ??
      this.default
    );
  }

  #latestOf(groups: readonly string[]): Assignment<P> | null {
    let latest: Assignment<P> | null = null;
    for (const group of groups) {
      const assigned = this.#byKey.get(scopeKey({ kind: 'group', group }));
      if (assigned !== undefined && (latest === null || assigned.number > latest.number)) latest = assigned;
    }
    return latest;
  }

  #canaryFor(deviceId: string | null): Assignment<P> | null {
    const canary = this.#byKey.get('canary');
    if (canary?.scope.kind !== 'canary' || deviceId === null) return null;
    return canaryPlace(canary.seed, deviceId) < canary.scope.basisPoints ? canary : null;
  }
}
