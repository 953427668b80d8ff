import type { BdksInUse, KeyUse } from '../keys/use.ts';
import type { Clock } from '../ports/clock.ts';
import type { Timer } from '../ports/timer.ts';
import type { Presence } from '../sessions/presence.ts';

const LOOK_EVERY = 1_000;
/** Devices of one question. */
const BATCH = 1_000;

/** What open sessions learn a change of base derivation keys by. */
export interface BaseKeyChangePorts {
  /** The base derivation keys that new initial keys come from, as the vault said last. */
  readonly inUse: () => BdksInUse;
  readonly use: Pick<KeyUse, 'keySetsOnDraining'>;
  readonly sessions: Pick<Presence, 'devices' | 'directWhere'>;
  readonly clock: Clock;
  readonly timer: Timer;
  /** Told how many sessions were reached, or what failed: the whole change is then told again. */
  readonly onTold: (outcome: { readonly told: number } | { readonly error: unknown }) => void;
}

const nameOf = ({ pin, accountData }: BdksInUse): string =>
  `${Buffer.from(pin).toString('hex')}/${Buffer.from(accountData).toString('hex')}`;

/**
 * Tells sessions that are open while a base derivation key comes into use to rotate their keys, where these come from
 * another one. Sessions that are opened later learn it as they open.
 */
export class BaseKeyChange {
  readonly #on: BaseKeyChangePorts;
  #known: string;
  #cancel: () => void = () => {};
  #stopped = false;
  #underWay: Promise<void> = Promise.resolve();

  constructor(on: BaseKeyChangePorts) {
    this.#on = on;
    this.#known = nameOf(on.inUse());
  }

  start(): void {
    this.#cancel = this.#on.timer.after(LOOK_EVERY, () => {
      this.#underWay = this.#look().finally(() => {
        if (!this.#stopped) this.start();
      });
    });
  }

  /** Ends once what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#underWay;
  }

  async #look(): Promise<void> {
    const inUse = this.#on.inUse();
    const name = nameOf(inUse);
    if (name === this.#known) return;
    try {
      this.#on.onTold({ told: await this.#tell(inUse) });
      this.#known = name;
    } catch (error) {
      this.#on.onTold({ error });
    }
  }

  async #tell(inUse: BdksInUse): Promise<number> {
    const { sessions, use, clock } = this.#on;
    const open = sessions.devices();
    let told = 0;
    for (let from = 0; from < open.length && !this.#stopped; from += BATCH) {
      const resting = await use.keySetsOnDraining(open.slice(from, from + BATCH), inUse, clock.now());
      told += sessions.directWhere(({ deviceId }) => resting.has(deviceId), {
        kind: 'rotate-keys',
        detail: 'base derivation key',
      });
    }
    return told;
  }
}
