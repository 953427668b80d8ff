import { ok, type Result, refuse } from '../reasons/result.ts';

/** Whom a version of policy holds for. */
export type PolicyScope =
  | { readonly kind: 'default' }
  /** A part of all devices, in basis points: 1 is one in ten thousand, 10 000 is all. */
  | { readonly kind: 'canary'; readonly basisPoints: number }
  | { readonly kind: 'merchant'; readonly acquirer: string; readonly merchant: string }
  | { readonly kind: 'group'; readonly group: string };

/** Names of acquirers, merchants and device groups. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** All devices, in basis points. */
export const ALL_DEVICES = 10_000;

/** True for the name of a device group: what may stand in logs, commands and SQL alike. */
export function isGroupName(text: string): boolean {
  return NAME.test(text);
}

/**
 * The name under which one version at a time holds: `default`, `canary`, `merchant:ACQUIRER/MERCHANT`, `group:NAME`. The
 * share of a canary is no part of it: a larger share takes the place of a smaller one.
 */
export function scopeKey(scope: PolicyScope): string {
  switch (scope.kind) {
    case 'merchant':
      return `merchant:${scope.acquirer}/${scope.merchant}`;
    case 'group':
      return `group:${scope.group}`;
    default:
      return scope.kind;
  }
}

/** A scope as people write it: its key, and for a canary its share, `canary:2.5%`. */
export function scopeText(scope: PolicyScope): string {
  return scope.kind === 'canary' ? `canary:${scope.basisPoints / 100}%` : scopeKey(scope);
}

/** Parses what `scopeText` writes. Refuses with POLICY_SCOPE_INVALID. */
export function parseScope(text: string): Result<PolicyScope, 'POLICY_SCOPE_INVALID'> {
  if (text === 'default') return ok({ kind: 'default' });
  const [kind, rest = ''] = splitOnce(text, ':');
  if (kind === 'canary') return parseCanary(rest);
  if (kind === 'group') {
    return isGroupName(rest) ? ok({ kind, group: rest }) : refuse('POLICY_SCOPE_INVALID', 'name of the group');
  }
  if (kind !== 'merchant') return refuse('POLICY_SCOPE_INVALID', 'default, canary:, merchant: or group:');
  const [acquirer, merchant = ''] = splitOnce(rest, '/');
  if (!NAME.test(acquirer) || !NAME.test(merchant)) return refuse('POLICY_SCOPE_INVALID', 'acquirer/merchant');
  return ok({ kind, acquirer, merchant });
}

function splitOnce(text: string, separator: string): readonly [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function parseCanary(text: string): Result<PolicyScope, 'POLICY_SCOPE_INVALID'> {
  const number = /^(\d{1,3}(?:\.\d{1,2})?)%?$/.exec(text)?.[1];
  const basisPoints = number === undefined ? 0 : Math.round(Number(number) * 100);
  if (basisPoints < 1 || basisPoints > ALL_DEVICES) return refuse('POLICY_SCOPE_INVALID', 'a share from 0.01% to 100%');
  return ok({ kind: 'canary', basisPoints });
}
