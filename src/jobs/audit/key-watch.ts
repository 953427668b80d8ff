import type { KeyHistory, SeenKey, SlotStep } from '../../audit/store.ts';
import type { KeyCustody, ShownSlot } from '../../keys/custody.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Timer } from '../../ports/timer.ts';

const EVERY_MILLISECONDS = 1_000;

/** What the watch stands on. */
export interface KeyWatchPorts {
  /** Of the vault's keystore. */
  readonly generation: () => bigint;
  readonly publicKeys: () => readonly SeenKey[];
  readonly custody: Pick<KeyCustody, 'listKeys'>;
  readonly history: KeyHistory;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly onFailure: (error: unknown) => void;
}

/**
 * Notes every public key and every step of a slot for good, as soon as the vault tells of a change. Every replica does;
 * what is noted already stays as it is.
 */
export class KeyWatch {
  readonly #ports: KeyWatchPorts;
  #noted: bigint | null = null;
  #cancel: (() => void) | null = null;
  #turn: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(ports: KeyWatchPorts) {
    this.#ports = ports;
  }

  /** Watches from now on; resolves after the first look. */
  start(): Promise<void> {
    this.#turn = this.#look().finally(() => {
      if (this.#stopped) return;
      this.#cancel = this.#ports.timer.after(EVERY_MILLISECONDS, () => void this.start());
    });
    return this.#turn;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#turn;
  }

  async #look(): Promise<void> {
    const { generation, publicKeys, custody, history, clock, onFailure } = this.#ports;
    const now = generation();
    if (now === this.#noted) return;
    try {
      const slots = await custody.listKeys();
      if (!slots.ok) throw new Error(`slots not told: ${slots.reason}`);
      const keys = publicKeys().map(({ keyId, purpose, publicKey, endorsements }) => ({
        keyId,
        purpose,
        publicKey,
        endorsements,
      }));
      await history.note(keys, slots.value.flatMap(stepsOf), clock.now());
      this.#noted = now;
    } catch (error) {
      onFailure(error);
    }
  }
}

function stepsOf({ id, kind, acquirer = '', keyId, history }: ShownSlot): SlotStep[] {
  return history.map(({ state, by, at }, index) => ({
    slotId: id,
    number: index + 1,
    kind,
    acquirer,
    keyId,
    state,
    by,
    at,
  }));
}
