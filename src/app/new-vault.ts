import { makeKeystore } from '../vault/keystore-maker.ts';
import { ConfigError } from './config.ts';
import { environmentOf, sourceOf, type VaultConfig } from './vault-config.ts';

/**
 * Makes the keystore of a folder as it is configured, in a process of its own: no key of it is ever in this one. Throws
 * ConfigError where it cannot be made.
 */
export async function initialiseVault(directory: string, config: VaultConfig): Promise<void> {
  const made = await makeKeystore({ directory, source: sourceOf(config), environment: environmentOf(config) });
  if (!made.ok) throw new ConfigError(`The keystore ${directory} was not made: ${made.detail ?? made.reason}`);
}
