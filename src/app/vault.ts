import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { VaultChild } from '../vault/child.ts';
import type { VaultDescription } from '../vault/client/description.ts';
import { VaultClient } from '../vault/client.ts';
import { ConfigError } from './config.ts';
import { systemRandom } from './system.ts';

const STOP_WITHIN = 5_000;

/** A running vault and the service's connection to it. */
export interface OpenVault {
  readonly client: VaultClient;
  readonly described: VaultDescription;
  /** Whether the vault answers. */
  ping(): Promise<boolean>;
  close(): Promise<void>;
}

/** Starts the vault's process on a keystore and waits until it answers. Throws ConfigError where it does not. */
export async function openVault(directory: string, logger: Logger): Promise<OpenVault> {
  // A Unix socket's path is short, so it does not stand in the data folder; mkdtemp makes its folder 0700.
  const socketFolder = await mkdtemp(join(tmpdir(), 'tapgate-vault-'));
  const socket = join(socketFolder, 'vault.sock');
  const forget = () => rm(socketFolder, { recursive: true, force: true });
  const child = await VaultChild.start({
    directory,
    socket,
    random: systemRandom,
    onLine: (line) => logger.info({ vault: line.slice(0, 1000) }, 'vault'),
  });
  if (!child.ok) {
    await forget();
    throw new ConfigError(`The vault on ${directory} did not start: ${child.reason}. Its log lines say why.`);
  }
  const client = new VaultClient({ socket, random: systemRandom });
  const close = async (): Promise<void> => {
    client.close();
    await child.value.stop(STOP_WITHIN);
    await forget();
  };
  const described = await client.describe();
  if (!described.ok) {
    await close();
    throw new ConfigError(`The vault on ${directory} does not answer: ${described.reason}`);
  }
  return { client, described: described.value, ping: async () => (await client.describe()).ok, close };
}
