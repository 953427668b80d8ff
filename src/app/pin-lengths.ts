import type { PolicyVersion } from '../policy/version.ts';
import { ok, type Result, refuse } from '../reasons/result.ts';
import { arePermitted, DEFAULT_PIN_LENGTHS, formatPinLengths, parsePinLengths } from '../vault/pin-lengths.ts';
import type { Policy } from './policy.ts';
import type { VaultConfig } from './vault-config.ts';

/**
 * A document whose bounds of PIN lengths the vault permits: with others every PIN entry would be refused. Refuses with
 * POLICY_INVALID; the detail names the members and says what they may be.
 */
export function withPermittedLengths(
  policy: PolicyVersion<Policy>,
  { pinLengths }: Pick<VaultConfig, 'pinLengths'>,
): Result<PolicyVersion<Policy>, 'POLICY_INVALID'> {
  const { minimumLength, maximumLength } = policy.document.pin;
  const permitted = pinLengths?.map(parsePinLengths).filter((lengths) => lengths !== null) ?? DEFAULT_PIN_LENGTHS;
  if (arePermitted(minimumLength, maximumLength, permitted)) return ok(policy);
  const pairs = permitted.map(formatPinLengths).join(' or ');
  const asked = formatPinLengths({ minimum: minimumLength, maximum: maximumLength });
  return refuse(
    'POLICY_INVALID',
    `  pin.minimumLength, pin.maximumLength: ${asked}; the vault permits ${pairs} (vault.pinLengths)`,
  );
}
