import { ALLOWED, type AttackOutcome } from './attack.ts';

/** Over the limit a flood goes on until the honest work is done, and it has been refused so often. */
const LEAST_REFUSED = 20;

/** How a flood goes: its sender notes refusals here, and asks whether it may end. */
export class Flood {
  readonly #limited = Promise.withResolvers<void>();
  #refused = 0;
  #isServed = false;

  /** Resolves with the first refusal. */
  get limited(): Promise<void> {
    return this.#limited.promise;
  }

  get refused(): number {
    return this.#refused;
  }

  /** Whether enough was sent over the limit, while the honest work was done. */
  get isEnough(): boolean {
    return this.#isServed && this.#refused >= LEAST_REFUSED;
  }

  /** A call was refused for being over the limit. */
  noteRefused(): void {
    this.#refused += 1;
    this.#limited.resolve();
  }

  /** The honest work has ended. */
  noteServed(): void {
    this.#isServed = true;
  }
}

/**
 * Sends a flood, and has honest work done once its calls are refused: TOO_MANY_REQUESTS where it was held off and the work
 * was done. The sender ends by itself, at its own bounds at the latest. Rejects with the sender's error.
 */
export async function floodBeside(
  send: (flood: Flood) => Promise<void>,
  honest: () => Promise<unknown>,
): Promise<AttackOutcome> {
  const flood = new Flood();
  const sending = send(flood);
  await Promise.race([flood.limited, sending]);
  if (flood.refused === 0) return `${ALLOWED} (every call was taken)`;
  const trouble = await honest().then(
    () => null,
    (error: unknown) => (error instanceof Error ? error.message : 'unknown'),
  );
  flood.noteServed();
  await sending;
  return trouble === null ? 'TOO_MANY_REQUESTS' : `OTHERS_NOT_SERVED (${trouble})`;
}
