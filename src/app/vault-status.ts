import type { SlotKind } from '../keys/kind.ts';
import type { SlotState } from '../keys/state.ts';
import { VaultClient } from '../vault/client.ts';
import { wipeKeys } from '../vault/keys.ts';
import { openKeystore } from '../vault/keystore/document.ts';
import { loadKeystore } from '../vault/keystore/load.ts';
import { ConfigError } from './config.ts';
import { faultText } from './fault-text.ts';
import { openKeystoreOf } from './keystore.ts';
import { systemRandom } from './system.ts';
import type { VaultConfig } from './vault-config.ts';

const ANSWERS_WITHIN = 5_000;

/** What is known of a vault on its own machine. */
export interface VaultStatus {
  readonly vault: string;
  readonly kind: VaultConfig['kind'];
  /** How often its slots have been changed. */
  readonly generation: number;
  readonly token: { readonly label: string; readonly serial: string } | null;
  readonly socket: string | null;
  /** Whether a vault answers at the configured socket; null where none is configured. */
  readonly answers: boolean | null;
  readonly slots: readonly {
    readonly id: string;
    readonly kind: SlotKind;
    readonly state: SlotState;
    readonly acquirer?: string;
    readonly kcv: string;
    readonly onToken: boolean;
  }[];
}

/** Opens every key of a keystore, and forgets them. Throws ConfigError where one does not open. */
export async function vaultStatus(directory: string, config: VaultConfig): Promise<VaultStatus> {
  const keystore = await openKeystoreOf(directory, config);
  const loaded = loadKeystore(keystore);
  if (!loaded.ok) throw new ConfigError(`${directory}: ${faultText(loaded)}`);
  wipeKeys(loaded.value);
  const opened = openKeystore(keystore);
  if (!opened.ok) throw new ConfigError(`${directory}: ${faultText(opened)}`);
  opened.value.kek.wipe();
  const serial = keystore.token?.serial;
  return {
    vault: directory,
    kind: config.kind,
    generation: opened.value.generation,
    token: config.kind === 'pkcs11' && serial !== undefined ? { label: config.tokenLabel, serial } : null,
    socket: config.socket ?? null,
    answers: config.socket === undefined ? null : await answersAt(config.socket),
    slots: opened.value.slots.map(({ id, kind, state, acquirer, kcv, token }) => ({
      id,
      kind,
      state,
      ...(acquirer !== undefined && { acquirer }),
      kcv,
      onToken: token !== undefined,
    })),
  };
}

async function answersAt(socket: string): Promise<boolean> {
  const client = new VaultClient({ socket, random: systemRandom, callMilliseconds: ANSWERS_WITHIN });
  try {
    return (await client.describe()).ok;
  } finally {
    client.close();
  }
}
