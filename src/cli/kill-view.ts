import { KillScope, type KillSelector, type KillSwitch } from '../gen/tapgate/v1/kill_switch_admin_service.ts';
import { plain, printTable, when } from './output.ts';

/** A selector in words. */
export function selectorText(wire: KillSelector | undefined): string {
  const selector = wire?.selector;
  switch (selector?.$case) {
    case 'deviceId':
      return `device ${selector.value}`;
    case 'merchant':
      return plain(`merchant ${selector.value.acquirer}/${selector.value.merchant}`);
    case 'acquirer':
      return plain(`acquirer ${selector.value}`);
    case 'build': {
      const { packageName, fromVersion, toVersion, signer } = selector.value;
      const versions = fromVersion === toVersion ? `${fromVersion}` : `${fromVersion} to ${toVersion}`;
      return plain(`build ${packageName} ${versions}${signer === '' ? '' : ` signed by ${signer.slice(0, 16)}…`}`);
    }
    case 'attestationKey':
      return `attestation key ${selector.value.slice(0, 16)}…`;
    case 'osPatchBelow':
      return `system patch below ${selector.value}`;
    case 'osPatch':
      return `system patch ${selector.value}`;
    case 'everyone':
      return 'every phone';
    default:
      return '?';
  }
}

/** What a switch stops, in words. */
export function scopeText(scope: KillScope): string {
  return scope === KillScope.PIN ? 'PIN entry' : 'everything';
}

/** How a switch stands. */
export function stateOf({ lifted, inForceAt }: KillSwitch): 'lifted' | 'in force' | 'being set' {
  if (lifted !== undefined) return 'lifted';
  return inForceAt === undefined ? 'being set' : 'in force';
}

/** A switch as one JSON object. */
export function plainKill(kill: KillSwitch): object {
  const { selector, scope, ...rest } = kill;
  const which = selector?.selector;
  const stops = scope === KillScope.PIN ? 'pin' : 'everything';
  return { ...rest, selector: which && { [which.$case]: which.value }, scope: stops, state: stateOf(kill) };
}

/** Switches as a table. */
export function printKills(kills: readonly KillSwitch[]): void {
  printTable(
    ['id', 'stops', 'of', 'state', 'set', 'by', 'ended', 'why'],
    kills.map((kill) => [
      kill.id,
      scopeText(kill.scope),
      selectorText(kill.selector),
      stateOf(kill),
      when(kill.setAt),
      kill.setBy,
      `${kill.sessions} sessions, ${kill.pinEntries} PIN entries`,
      kill.lifted === undefined ? kill.cause : `${kill.cause} | lifted by ${kill.lifted.by}: ${kill.lifted.cause}`,
    ]),
    'No kill switch stands.',
  );
}
