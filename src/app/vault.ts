import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { VaultChild } from '../vault/child.ts';
import type { VaultDescription } from '../vault/client/description.ts';
import { VaultClient, type WatchCall } from '../vault/client.ts';
import { ConfigError } from './config.ts';
import { systemClock, systemRandom } from './system.ts';
import { environmentOf, sourceOf, type VaultConfig } from './vault-config.ts';

const STOP_WITHIN = 5_000;
/** A change that another replica's security team made is seen here after this time. */
const LOOK_EVERY = 1_000;
/** Milliseconds before its end from which a service key that was not rotated is warned of. */
const KEY_ENDS_SOON = 60 * 86_400_000;

/** A running vault and the service's connection to it. */
export interface OpenVault {
  readonly client: VaultClient;
  /** What the vault said last of its keys; it is asked again every second. */
  described(): VaultDescription;
  /** Asks at once. False where the vault does not answer: the description stays as it was. */
  look(): Promise<boolean>;
  close(): Promise<void>;
}

interface VaultProcess {
  readonly socket: string;
  stop(): Promise<void>;
}

/** Starts the vault's process as a child on a socket of its own. Throws ConfigError where it does not answer. */
async function startChild(directory: string, config: VaultConfig, logger: Logger): Promise<VaultProcess> {
  // A Unix socket's path is short, so it does not stand in the data folder; mkdtemp makes its folder 0700.
  const socketFolder = await mkdtemp(join(tmpdir(), 'tapgate-vault-'));
  const socket = join(socketFolder, 'vault.sock');
  const forget = () => rm(socketFolder, { recursive: true, force: true });
  const child = await VaultChild.start({
    directory,
    source: sourceOf(config),
    environment: environmentOf(config),
    socket,
    pinLengths: config.pinLengths,
    random: systemRandom,
    onLine: (line) => logger.info({ vault: line.slice(0, 1000) }, 'vault'),
  });
  if (!child.ok) {
    await forget();
    throw new ConfigError(`The vault on ${directory} did not start: ${child.reason}. Its log lines say why.`);
  }
  return {
    socket,
    stop: async () => {
      await child.value.stop(STOP_WITHIN);
      await forget();
    },
  };
}

/**
 * Reaches the configured vault: one that runs already at its socket, or a child on the folder's keystore. Throws
 * ConfigError where it does not answer.
 */
export async function openVault(
  directory: string,
  config: VaultConfig,
  logger: Logger,
  watch?: WatchCall,
): Promise<OpenVault> {
  const started: VaultProcess =
    config.socket === undefined
      ? await startChild(directory, config, logger)
      : { socket: config.socket, stop: async () => undefined };
  const client = new VaultClient({ socket: started.socket, random: systemRandom }, watch);
  const closeAll = async (): Promise<void> => {
    client.close();
    await started.stop();
  };
  const first = await client.describe();
  if (!first.ok) {
    await closeAll();
    throw new ConfigError(
      `The vault ${config.socket ?? `on ${directory}`} does not answer: ${first.reason}. Is it running? Start it: tapgate vault serve`,
    );
  }
  let described = first.value;
  const warnOfEnd = (): void => {
    const until = described.serviceKeyUntil;
    if (until !== null && until.getTime() - systemClock.now().getTime() < KEY_ENDS_SOON)
      logger.warn({ until }, 'the service key ends soon, and with it grants, PIN grants and key offers: rotate it');
  };
  warnOfEnd();
  const look = async (): Promise<boolean> => {
    const answer = await client.describeAfter(described);
    // Answers may overtake each other: what is older is left.
    if (answer.ok && answer.value.generation > described.generation) {
      described = answer.value;
      warnOfEnd();
      logger.info({ generation: Number(described.generation) }, "the vault's keys have changed");
    }
    return answer.ok;
  };
  const timer = setInterval(() => void look(), LOOK_EVERY);
  timer.unref();
  return {
    client,
    described: () => described,
    look,
    close: async () => {
      clearInterval(timer);
      await closeAll();
    },
  };
}
