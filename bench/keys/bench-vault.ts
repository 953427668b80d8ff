import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Random } from '../../src/ports/random.ts';
import { VaultChild } from '../../src/vault/child.ts';
import { VaultClient } from '../../src/vault/client.ts';
import { runToEnd } from '../../src/virtual/world/process.ts';
import type { TokenVaultConfiguration } from '../../src/virtual/world/soft-token.ts';

const TAPGATE = fileURLToPath(new URL('../../src/cli/tapgate.ts', import.meta.url));
const STOP_WITHIN = 2000;
/** A batch waits for its turn longer than a call does. */
const CALL_WITHIN = 20_000;

function initArguments(token: TokenVaultConfiguration | null): string[] {
  if (token === null) return [];
  return ['--pkcs11', '--module', token.module, '--token-label', token.tokenLabel, '--pin-file', token.pinFile];
}

/** A vault in a process of its own with new keys, and a client of it in this one. */
export class BenchVault {
  readonly client: VaultClient;
  readonly #child: VaultChild;

  private constructor(child: VaultChild, client: VaultClient) {
    this.#child = child;
    this.client = client;
  }

  /** Makes keys under a new folder, in the token where there is one, and starts the vault. */
  static async start(root: string, random: Random, token: TokenVaultConfiguration | null): Promise<BenchVault> {
    await mkdir(root, { mode: 0o700 });
    const environment = token?.environment ?? {};
    Object.assign(process.env, environment);
    await runToEnd([TAPGATE, 'vault', 'init', '--data', root, '--json', ...initArguments(token)]);
    const socket = join(root, 'socket', 'vault.sock');
    await mkdir(join(root, 'socket'), { mode: 0o700 });
    const child = await VaultChild.start({
      directory: join(root, 'vault'),
      source: token ?? { kind: 'software' },
      environment,
      socket,
      random,
      onLine: () => {},
    });
    if (!child.ok) throw new Error(`the vault does not start: ${child.reason}`);
    return new BenchVault(child.value, new VaultClient({ socket, random, callMilliseconds: CALL_WITHIN }));
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('the vault is not running');
    return pid;
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.#child.stop(STOP_WITHIN);
  }
}
