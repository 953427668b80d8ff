import {
  type DeviceGroupChange,
  DeviceGroupChangeKind,
  type PolicyActivation,
  type PolicyDescription,
  type PolicyDifference,
  PolicyEffect,
  type ShadowDifference,
  PolicyMode as WireMode,
} from '../gen/tapgate/v1/policy_admin_service.ts';
import type { Difference } from '../policy/difference.ts';
import { scopeText } from '../policy/scope.ts';
import type { KeptShadowCount } from '../policy/shadow.ts';
import type { Activation, GroupChange, PolicyMode, StoredDocument } from '../policy/store.ts';
import { ok, type Result } from '../reasons/result.ts';
import { malformed } from './decode.ts';

const MODES: Readonly<Record<PolicyMode, WireMode>> = { active: WireMode.ACTIVE, shadow: WireMode.SHADOW };

const EFFECTS = {
  tighter: PolicyEffect.TIGHTER,
  looser: PolicyEffect.LOOSER,
  neutral: PolicyEffect.NEUTRAL,
} as const;

/** A difference, with what it does and whether the scope in question reads it. */
export interface AppraisedDifference extends Difference {
  readonly effect: keyof typeof EFFECTS;
  readonly readInScope: boolean;
}

export function policyModeFromWire(mode: WireMode): Result<PolicyMode> {
  if (mode === WireMode.ACTIVE) return ok('active');
  return mode === WireMode.SHADOW ? ok('shadow') : malformed('mode');
}

export function policyToWire({ version, createdBy, createdAt, note }: Omit<StoredDocument, 'json'>): PolicyDescription {
  return { version, createdBy, createdAt, note };
}

export function activationToWire(activation: Activation, holds: boolean): PolicyActivation {
  const { number, scope, mode, version, by, at, note } = activation;
  const said = { number, scope: scopeText(scope), mode: MODES[mode], version: version ?? '' };
  return { ...said, activatedBy: by, activatedAt: at, note, holds };
}

export function differenceToWire({ path, before, after, effect, readInScope }: AppraisedDifference): PolicyDifference {
  const json = (value: unknown): string => (value === undefined ? '' : JSON.stringify(value));
  return { path, before: json(before), after: json(after), effect: EFFECTS[effect], readInScope };
}

export function shadowToWire({ candidate, ...rest }: KeptShadowCount): ShadowDifference {
  return { version: candidate, ...rest };
}

const CHANGES = { added: DeviceGroupChangeKind.ADDED, removed: DeviceGroupChangeKind.REMOVED } as const;

export function groupChangeToWire({ number, change, deviceIds, by, at }: GroupChange): DeviceGroupChange {
  return { number, kind: CHANGES[change], deviceIds: [...deviceIds], changedBy: by, changedAt: at };
}
