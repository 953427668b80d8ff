import type { CheckpointName } from '../audit/checkpoint.ts';
import { renewAnchor } from '../vault/keystore/anchor-renewal.ts';
import { MasterKeyOfPassphrase, masterKeyInFile } from '../vault/keystore/master-key.ts';
import type { Keystore } from '../vault/keystore/place.ts';
import { type Renewal, renewKek, renewMasterKey } from '../vault/keystore/renewal.ts';
import { readPassphrase } from '../vault/keystore-source.ts';
import { takeUpLog } from '../vault/signed-checkpoints/take-up.ts';
import { ConfigError } from './config.ts';
import { faultText } from './fault-text.ts';
import { openKeystoreOf } from './keystore.ts';
import { systemClock, systemRandom } from './system.ts';
import type { VaultConfig } from './vault-config.ts';

/** Which master key a keystore gets. */
export interface NewMasterKey {
  /** Derived from the passphrase in this file. */
  readonly passphraseFile?: string | undefined;
  /** In a file beside the keys, where it came from a passphrase. */
  readonly toFile?: boolean | undefined;
}

/** Wraps every key of a vault under a new KEK. Throws ConfigError where that is not possible; nothing is changed then. */
export async function rotateKek(directory: string, config: VaultConfig, by: string): Promise<Renewal> {
  const keystore = await openKeystoreOf(directory, config);
  return sure(directory, renewKek(keystore, { random: systemRandom, clock: systemClock, by }));
}

/**
 * Gives a vault another master key: a new file, another passphrase or a new root key on its token; a software vault
 * changes between file and passphrase. Throws ConfigError where that is not possible.
 */
export async function rotateMasterKey(
  directory: string,
  config: VaultConfig,
  wanted: NewMasterKey,
  by: string,
): Promise<Renewal> {
  const keystore = await openKeystoreOf(directory, config);
  const to = masterKeyFor(keystore, config, wanted);
  return sure(directory, renewMasterKey(keystore, to, { random: systemRandom, clock: systemClock, by }));
}

/** Gives a vault a new anchor, which the old one endorses. Answers its SubjectPublicKeyInfo, DER. Throws ConfigError. */
export async function rotateAnchor(directory: string, config: VaultConfig, by: string): Promise<Buffer> {
  const keystore = await openKeystoreOf(directory, config);
  return sure(directory, renewAnchor(keystore, { random: systemRandom, clock: systemClock, by }));
}

/** Has a vault sign the log that goes on from a checkpoint. Answers what it had signed last. Throws ConfigError. */
export async function takeUpAuditLog(
  directory: string,
  config: VaultConfig,
  from: CheckpointName,
  by: string,
): Promise<CheckpointName> {
  const keystore = await openKeystoreOf(directory, config);
  return sure(directory, takeUpLog(keystore, from, { clock: systemClock, by }));
}

function masterKeyFor(keystore: Keystore, config: VaultConfig, { passphraseFile, toFile = false }: NewMasterKey) {
  if (config.kind === 'pkcs11') {
    if (passphraseFile !== undefined || toFile)
      throw new ConfigError(
        'The master key of a vault on a token comes from the token. Leave out --new-passphrase-file and --to-file.',
      );
    return keystore.master;
  }
  if (toFile && passphraseFile !== undefined)
    throw new ConfigError('Give one of --new-passphrase-file and --to-file, not both.');
  if (passphraseFile !== undefined) {
    const passphrase = readPassphrase(passphraseFile);
    if (!passphrase.ok) throw new ConfigError(`${passphraseFile}: ${faultText(passphrase)}`);
    return new MasterKeyOfPassphrase(passphrase.value);
  }
  if (config.passphraseFile !== undefined && !toFile)
    throw new ConfigError('Name the file of the new passphrase: --new-passphrase-file, or --to-file for none');
  return masterKeyInFile;
}

function sure<T>(
  directory: string,
  result: { ok: true; value: T } | { ok: false; reason: string; detail?: string },
): T {
  if (result.ok) return result.value;
  throw new ConfigError(`${directory}: ${faultText(result)}`);
}
