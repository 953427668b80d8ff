import type { Keystore } from '../vault/keystore/place.ts';
import { keystoreOf } from '../vault/keystore-source.ts';
import { ConfigError } from './config.ts';
import { faultText } from './fault-text.ts';
import { systemClock } from './system.ts';
import { environmentOf, sourceOf, type VaultConfig } from './vault-config.ts';

/**
 * Opens the keystore of a folder as it is configured, for a ceremony at the vault's machine: never in the service. Throws
 * ConfigError where its token or passphrase cannot be had.
 */
export async function openKeystoreOf(directory: string, config: VaultConfig): Promise<Keystore> {
  // A module reads its variables from this process; the vault's own process is given them and no others.
  Object.assign(process.env, environmentOf(config));
  const keystore = await keystoreOf(directory, sourceOf(config), systemClock);
  if (!keystore.ok) throw new ConfigError(`The keystore ${directory}: ${faultText(keystore)}`);
  return keystore.value;
}
