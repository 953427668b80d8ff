import type { KillScope, KillSelector } from '../devices/kill-switch.ts';
import type { AwaitedReplica, RecordedKill } from '../devices/kill-switch-store.ts';
import {
  type AwaitedReplica as WireAwaited,
  type KillSwitch as WireKill,
  KillScope as WireScope,
  type KillSelector as WireSelector,
} from '../gen/tapgate/v1/kill_switch_admin_service.ts';
import { ok, type Result } from '../reasons/result.ts';
import { malformed } from './decode.ts';

const SCOPES: Readonly<Record<KillScope, WireScope>> = {
  everything: WireScope.EVERYTHING,
  pin: WireScope.PIN,
};

const SCOPE_OF = new Map<WireScope, KillScope>([
  [WireScope.EVERYTHING, 'everything'],
  [WireScope.PIN, 'pin'],
]);

/** The scope of a switch; one that is not stated is refused. */
export function killScopeFromWire(scope: WireScope): Result<KillScope, 'MALFORMED_MESSAGE'> {
  const known = SCOPE_OF.get(scope);
  return known === undefined ? malformed('scope') : ok(known);
}

/** A selector; its values are checked where it is used. */
export function killSelectorFromWire(wire: WireSelector | undefined): Result<KillSelector, 'MALFORMED_MESSAGE'> {
  const selector = wire?.selector;
  switch (selector?.$case) {
    case 'deviceId':
      return ok({ kind: 'device', deviceId: selector.value });
    case 'merchant':
      return ok({ kind: 'merchant', acquirer: selector.value.acquirer, merchant: selector.value.merchant });
    case 'acquirer':
      return ok({ kind: 'acquirer', acquirer: selector.value });
    case 'build': {
      const { packageName, fromVersion, toVersion, signer } = selector.value;
      const versions = { fromVersion: Number(fromVersion), toVersion: Number(toVersion) };
      return ok({ kind: 'build', packageName, ...versions, signer: signer === '' ? null : signer });
    }
    case 'attestationKey':
      return ok({ kind: 'attestation-key', keyId: selector.value });
    case 'osPatchBelow':
      return ok({ kind: 'os-patch-below', level: selector.value });
    case 'osPatch':
      return ok({ kind: 'os-patch', level: selector.value });
    case 'everyone':
      return selector.value ? ok({ kind: 'everyone' }) : malformed('selector');
    default:
      return malformed('selector');
  }
}

function selectorToWire(selector: KillSelector): WireSelector {
  switch (selector.kind) {
    case 'device':
      return { selector: { $case: 'deviceId', value: selector.deviceId } };
    case 'merchant': {
      const { acquirer, merchant } = selector;
      return { selector: { $case: 'merchant', value: { acquirer, merchant } } };
    }
    case 'acquirer':
      return { selector: { $case: 'acquirer', value: selector.acquirer } };
    case 'build': {
      const { packageName, fromVersion, toVersion, signer } = selector;
      const versions = { fromVersion: BigInt(fromVersion), toVersion: BigInt(toVersion) };
      return { selector: { $case: 'build', value: { packageName, ...versions, signer: signer ?? '' } } };
    }
    case 'attestation-key':
      return { selector: { $case: 'attestationKey', value: selector.keyId } };
    case 'os-patch-below':
      return { selector: { $case: 'osPatchBelow', value: selector.level } };
    case 'os-patch':
      return { selector: { $case: 'osPatch', value: selector.level } };
    case 'everyone':
      return { selector: { $case: 'everyone', value: true } };
  }
}

/** A switch as the record keeps it. */
export function killToWire(kill: RecordedKill): WireKill {
  const { id, selector, scope, cause, by, setAt, inForceAt, lifted, reached } = kill;
  return {
    id,
    selector: selectorToWire(selector),
    scope: SCOPES[scope],
    cause,
    setBy: by,
    setAt,
    inForceAt: inForceAt ?? undefined,
    lifted: lifted ?? undefined,
    replicas: reached.replicas,
    sessions: BigInt(reached.sessions),
    pinEntries: BigInt(reached.pinEntries),
  };
}

/** A replica that is waited for. */
export function awaitedToWire({ name, live }: AwaitedReplica): WireAwaited {
  return { name, silent: !live };
}
