import { makeKeystore } from '../vault/keystore-maker.ts';
import { ConfigError } from './config.ts';
import { faultText } from './fault-text.ts';
import { environmentOf, sourceOf, type VaultConfig } from './vault-config.ts';

/**
 * Makes the keystore of a folder as it is configured, in a process of its own: no key of it is ever in this one. Throws
 * ConfigError where it cannot be made.
 */
export async function initialiseVault(directory: string, config: VaultConfig): Promise<void> {
  const made = await makeKeystore({ directory, source: sourceOf(config), environment: environmentOf(config) });
  if (!made.ok) throw new ConfigError(`The keystore ${directory} was not made: ${told(made.detail ?? made.reason)}`);
}

/** What the process said: a code, and what that is about. */
function told(detail: string): string {
  const [, reason, about] = /^([A-Z][A-Z0-9_]+)(?: (.+))?$/.exec(detail) ?? [];
  if (reason === undefined) return detail;
  return faultText(about === undefined ? { reason } : { reason, detail: about });
}
