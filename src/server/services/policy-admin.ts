import { PolicyAdminServiceService } from '../../gen/tapgate/v1/policy_admin_service.ts';
import { type PolicyScope, parseScope, scopeKey } from '../../policy/scope.ts';
import type { KeptShadowCount, Shadow, ShadowStore } from '../../policy/shadow.ts';
import type { PolicySource } from '../../policy/source.ts';
import type { PolicyChanged, PolicyMode, PolicyStore, StoredDocument } from '../../policy/store.ts';
import { canonicalJson, isPolicyVersion, type PolicyVersion } from '../../policy/version.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { Result } from '../../reasons/result.ts';
import {
  type AppraisedDifference,
  activationToWire,
  differenceToWire,
  policyModeFromWire,
  policyToWire,
  shadowToWire,
} from '../../wire/policy-admin.ts';
import type { CallContext } from '../transport/context.ts';
import { requireRole } from '../transport/peer.ts';
import { CallRefused, orRefuse } from '../transport/refused.ts';
import { service, unary } from '../transport/service.ts';
import { type DeviceGroupParts, deviceGroupMethods } from './device-groups.ts';

const READERS = ['security', 'operator', 'auditor'];
const WRITERS = ['security'];
const SHOWN = 200;
const MAXIMUM_NOTE = 500;
const SEED_BYTES = 16;
const WEEK = 7 * 86_400_000;

/** What the policy service is made of; `P` is the document. */
export interface PolicyAdminServiceParts<P> extends DeviceGroupParts {
  readonly store: PolicyStore;
  readonly source: PolicySource<P>;
  /** Parses a document that a person wrote; the detail of a refusal has a line for each member that does not fit. */
  readonly parse: (text: string) => Result<PolicyVersion<P>>;
  /** Parses a kept document; throws where this program does not understand it. */
  readonly parseKept: (json: string) => P;
  /** What differs, as seen from a scope. */
  readonly compare: (before: P, after: P, scope: PolicyScope) => readonly AppraisedDifference[];
  /** The part of a document that enrolled phones are appraised anew by. */
  readonly judgedBy: (document: P) => unknown;
  readonly requestReappraisal: (prompt: 'policy', by: string) => Promise<string>;
  readonly shadow: Pick<Shadow<P>, 'compared'>;
  readonly shadowStore: Pick<ShadowStore, 'results'>;
  readonly clock: Clock;
  readonly random: Random;
}

/** PolicyAdminService. */
export function policyAdminService<P>(parts: PolicyAdminServiceParts<P>) {
  const { store, source, clock } = parts;
  return service(PolicyAdminServiceService, {
    addPolicy: unary(async ({ document, note }, context) => {
      const { person } = requireRole(context.caller, WRITERS);
      const { version, document: parsed } = orRefuse(parts.parse(document));
      const wanted = { version, json: canonicalJson(parsed), createdBy: person, note: bounded(note) };
      const kept = await store.addDocument({ ...wanted, createdAt: clock.now() });
      context.logger.info({ policy: version, by: person }, 'policy document kept');
      return { policy: policyToWire(kept) };
    }),
    listPolicies: unary(async (_request, context) => {
      requireRole(context.caller, READERS);
      const snapshot = await store.snapshot();
      const held = new Set(snapshot.held.map(({ number }) => number));
      const history = await store.history(SHOWN);
      return {
        policies: (await store.documents(SHOWN)).map(policyToWire),
        history: history.map((entry) => activationToWire(entry, held.has(entry.number))),
        inForce: snapshot.held.map((entry) => activationToWire(entry, true)),
        generation: snapshot.generation,
      };
    }),
    getPolicy: unary(async ({ policy }, context) => {
      requireRole(context.caller, READERS);
      const kept = await documentOf(policy, parts);
      const document = JSON.stringify(parts.parseKept(kept.json));
      return { policy: policyToWire(kept), document };
    }),
    comparePolicies: unary(async (request, context) => {
      requireRole(context.caller, READERS);
      const [before, after] = await Promise.all([documentOf(request.before, parts), documentOf(request.after, parts)]);
      const differences = parts.compare(parts.parseKept(before.json), parts.parseKept(after.json), { kind: 'default' });
      return {
        beforeVersion: before.version,
        afterVersion: after.version,
        differences: differences.map(differenceToWire),
      };
    }),
    previewActivation: unary(async ({ version, scope: text, mode: wireMode }, context) => {
      requireRole(context.caller, READERS);
      const withdrawn = version === '';
      const scope = withdrawn ? scopeToWithdraw(text) : orRefuse(parseScope(text));
      const mode = orRefuse(policyModeFromWire(wireMode));
      await parts.refresh();
      const { before, generation } = standingAt(scope, source);
      const after = withdrawn ? afterWithdrawal(scope, mode, source) : await keptVersion(version, parts);
      return {
        beforeVersion: before.version,
        afterVersion: after.version,
        differences: parts.compare(before.document, after.document, scope).map(differenceToWire),
        devices: await store.devicesIn(scope),
        generation,
        reappraises: mode === 'active' && judgesOtherwise(before.document, after.document, parts),
      };
    }),
    activatePolicy: unary(async ({ version, scope: text, mode: wireMode, note, generation }, context) => {
      const { person } = requireRole(context.caller, WRITERS);
      const scope = orRefuse(parseScope(text));
      const mode = orRefuse(policyModeFromWire(wireMode));
      // A document that this program does not understand would stop all replicas of it.
      parts.parseKept((await documentOf(version, parts)).json);
      const by = { by: person, note: bounded(note), expectedGeneration: generation };
      return { generation: await change({ scope, mode, version, ...by }, context, parts) };
    }),
    withdrawPolicy: unary(async ({ scope: text, mode: wireMode, note, generation = null }, context) => {
      const { person } = requireRole(context.caller, WRITERS);
      const scope = scopeToWithdraw(text);
      const mode = orRefuse(policyModeFromWire(wireMode));
      requireWithdrawable(scope, mode);
      const by = { by: person, note: bounded(note), expectedGeneration: generation };
      return { generation: await change({ scope, mode, version: null, ...by }, context, parts) };
    }),
    getShadowResult: unary(async ({ version, since }, context) => {
      requireRole(context.caller, READERS);
      const from = since ?? new Date(clock.now().getTime() - WEEK);
      return {
        differences: (await shadowResults(version, from, parts)).map(shadowToWire),
        comparisons: parts.shadow
          .compared()
          .filter(({ candidate }) => version === '' || candidate === version)
          .map(({ candidate, point, times }) => ({ version: candidate, point, times: BigInt(times) })),
      };
    }),
    ...deviceGroupMethods(parts),
  });
}

function bounded(note: string): string {
  if (note.length > MAXIMUM_NOTE) throw new CallRefused(['MALFORMED_MESSAGE'], `note: over ${MAXIMUM_NOTE} characters`);
  return note;
}

/** A kept document by its version, or by a scope that one is active at; empty: the default. */
async function documentOf<P>(
  named: string,
  { store, source }: Pick<PolicyAdminServiceParts<P>, 'store' | 'source'>,
): Promise<StoredDocument> {
  const version = isPolicyVersion(named) ? named : activeAt(named === '' ? 'default' : named, source);
  const kept = await store.document(version);
  if (kept === null) throw new CallRefused(['NOT_FOUND'], `policy ${version}`);
  return kept;
}

async function keptVersion<P>(version: string, parts: PolicyAdminServiceParts<P>): Promise<PolicyVersion<P>> {
  const kept = await documentOf(version, parts);
  return { version: kept.version, document: parts.parseKept(kept.json) };
}

/** The share of a canary is of no matter when it goes. */
function scopeToWithdraw(text: string): PolicyScope {
  return orRefuse(parseScope(text === 'canary' ? 'canary:100%' : text));
}

function requireWithdrawable(scope: PolicyScope, mode: PolicyMode): void {
  if (scope.kind === 'default' && mode === 'active') throw new CallRefused(['POLICY_DEFAULT_NEEDED']);
}

/** What a scope is under once nothing is assigned to it: the default; as before where only a candidate goes. */
function afterWithdrawal<P>(scope: PolicyScope, mode: PolicyMode, source: PolicySource<P>): PolicyVersion<P> {
  requireWithdrawable(scope, mode);
  const state = source.state();
  const assigned = state[mode].all.some((one) => scopeKey(one.scope) === scopeKey(scope));
  if (!assigned) throw new CallRefused(['NOT_FOUND'], 'nothing is assigned to this scope');
  return mode === 'active' ? state.default() : standingAt(scope, source).before;
}

function activeAt<P>(text: string, source: PolicySource<P>): string {
  // Any share names the one canary.
  const key = text === 'canary' ? text : scopeKey(orRefuse(parseScope(text)));
  const assigned = source.state().active.all.find(({ scope }) => scopeKey(scope) === key);
  if (assigned === undefined) throw new CallRefused(['NOT_FOUND'], `nothing is active at ${key}`);
  return assigned.policy.version;
}

/** What a scope is under now: its own version, else the default. */
function standingAt<P>(
  scope: PolicyScope,
  source: PolicySource<P>,
): { readonly before: PolicyVersion<P>; readonly generation: bigint } {
  const state = source.state();
  const own = state.active.all.find((assigned) => scopeKey(assigned.scope) === scopeKey(scope));
  return { before: own?.policy ?? state.default(), generation: state.generation };
}

function judgesOtherwise<P>(before: P, after: P, { judgedBy }: Pick<PolicyAdminServiceParts<P>, 'judgedBy'>): boolean {
  return canonicalJson(judgedBy(before)) !== canonicalJson(judgedBy(after));
}

async function change<P>(
  wanted: {
    readonly scope: PolicyScope;
    readonly mode: PolicyMode;
    readonly version: string | null;
    readonly by: string;
    readonly note: string;
    readonly expectedGeneration: bigint | null;
  },
  context: CallContext,
  parts: PolicyAdminServiceParts<P>,
): Promise<bigint> {
  const { store, source, clock, random } = parts;
  const before = standingAt(wanted.scope, source).before.document;
  const at = clock.now();
  const generation = changedTo(await store.activate({ ...wanted, at, seed: random.bytes(SEED_BYTES) }));
  const { scope, mode, version, by, note } = wanted;
  const said = { scope: scopeKey(scope), mode, policy: version, by, note, generation: generation.toString() };
  context.logger.warn(said, version === null ? 'policy withdrawn' : 'policy activated');
  await parts.refresh();
  if (source.state().generation < generation) {
    throw new CallRefused(['SERVICE_UNAVAILABLE'], 'changed, but this replica could not read it back yet');
  }
  const after = standingAt(scope, source).before.document;
  if (mode === 'active' && judgesOtherwise(before, after, parts)) await parts.requestReappraisal('policy', by);
  return generation;
}

function changedTo(changed: PolicyChanged): bigint {
  switch (changed.outcome) {
    case 'changed':
      return changed.generation;
    case 'moved-on':
      throw new CallRefused(['POLICY_CHANGED_MEANWHILE'], `generation ${changed.generation}`);
    case 'limit-reached':
      throw new CallRefused(['POLICY_LIMIT_REACHED'], 'scopes');
    case 'no-such-version':
      throw new CallRefused(['NOT_FOUND'], 'version');
    case 'nothing-assigned':
      throw new CallRefused(['NOT_FOUND'], 'nothing is assigned to this scope');
  }
}

async function shadowResults<P>(
  version: string,
  since: Date,
  { shadowStore, source }: PolicyAdminServiceParts<P>,
): Promise<readonly KeptShadowCount[]> {
  if (version !== '') return shadowStore.results(version, since);
  const candidates = new Set(source.state().shadow.all.map(({ policy }) => policy.version));
  return (await shadowStore.results(null, since)).filter(({ candidate }) => candidates.has(candidate));
}
