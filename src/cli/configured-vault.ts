import { resolve } from 'node:path';
import { Option } from 'commander';
import { type Config, ConfigError, readConfig } from '../app/config.ts';
import { DataFolder } from '../app/data-folder.ts';
import type { VaultConfig } from '../app/vault-config.ts';

/** Options of every command that works on the keystore itself. */
export interface VaultOptions {
  readonly data: string;
  readonly config?: string;
}

/** Options that say where the keys of a new vault are, in the place of the configuration. */
export interface SourceOptions {
  readonly pkcs11?: boolean;
  readonly module?: string;
  readonly tokenLabel?: string;
  readonly pinFile?: string;
  readonly passphraseFile?: string;
}

/** A vault as it is configured, and its folder. */
export interface ConfiguredVault {
  readonly folder: DataFolder;
  readonly vault: VaultConfig;
}

/** `--config`: where the vault is configured. */
export function vaultConfigOption(): Option {
  return new Option('--config <file>', 'configuration; by default config.yaml in the folder, if there is one');
}

/** The source that options name in the place of the configured one; throws ConfigError where they name half of one. */
function sourceOfOptions(options: SourceOptions, configured: VaultConfig): VaultConfig {
  const { pkcs11 = false, module, tokenLabel, pinFile, passphraseFile } = options;
  const { socket, socketAccess, pinLengths } = configured;
  const reach = {
    socketAccess,
    ...(socket !== undefined && { socket }),
    ...(pinLengths !== undefined && { pinLengths }),
  };
  if (pkcs11) {
    const known = configured.kind === 'pkcs11' ? configured : null;
    const given = {
      module: module ?? known?.module,
      tokenLabel: tokenLabel ?? known?.tokenLabel,
      pinFile: pinFile ?? known?.pinFile,
    };
    if (given.module === undefined || given.tokenLabel === undefined || given.pinFile === undefined)
      throw new ConfigError('--pkcs11 takes --module, --token-label and --pin-file, or a configuration that has them');
    if (passphraseFile !== undefined)
      throw new ConfigError('A vault on a token has no passphrase. Leave out --passphrase-file.');
    return {
      kind: 'pkcs11',
      ...reach,
      module: resolve(given.module),
      tokenLabel: given.tokenLabel,
      pinFile: resolve(given.pinFile),
      environment: known?.environment ?? moduleVariables(),
    };
  }
  if (module !== undefined || tokenLabel !== undefined || pinFile !== undefined)
    throw new ConfigError('--module, --token-label and --pin-file go with --pkcs11. Add it, or leave them out.');
  if (passphraseFile === undefined) return configured;
  return { kind: 'software', ...reach, passphraseFile: resolve(passphraseFile) };
}

/** SoftHSM's own variable, where this command was given it: the vault's process has no other environment. */
function moduleVariables(): Record<string, string> {
  const { SOFTHSM2_CONF: softHsm } = process.env;
  return softHsm === undefined ? {} : { SOFTHSM2_CONF: softHsm };
}

/** Reads the configuration of a vault. Throws ConfigError. */
export async function configuredVault(options: VaultOptions, source: SourceOptions = {}): Promise<ConfiguredVault> {
  const folder = new DataFolder(options.data);
  const file = options.config ?? (await folder.configIfThere());
  const config: Config = await readConfig(file, options.data, process.env);
  return { folder, vault: sourceOfOptions(source, config.vault) };
}
