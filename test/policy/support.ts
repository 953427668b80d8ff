import type { Assignment } from '../../src/policy/resolve.ts';
import { type PolicyScope, parseScope } from '../../src/policy/scope.ts';
import { PolicyState } from '../../src/policy/source.ts';
import { unwrap } from '../support/unwrap.ts';

/** A document of these tests: it says who it is. */
export interface Named {
  readonly name: string;
  readonly limit: number;
}

export const SEED = Buffer.alloc(16, 7);

export function scopeOf(text: string): PolicyScope {
  return unwrap(parseScope(text));
}

/** An assignment whose version is `v-NAME`. */
export function assigned(scope: string, name: string, number = 1n, seed: Uint8Array = SEED): Assignment<Named> {
  return { number, scope: scopeOf(scope), policy: { version: `v-${name}`, document: { name, limit: 1 } }, seed };
}

/** A state of these assignments; `groups` by device. */
export function stateOf(
  active: readonly Assignment<Named>[],
  shadow: readonly Assignment<Named>[] = [],
  groups: Readonly<Record<string, readonly string[]>> = {},
  generation = 1n,
): PolicyState<Named> {
  return new PolicyState(generation, active, shadow, new Map(Object.entries(groups)));
}
