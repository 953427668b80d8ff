import type { KillGuard } from '../../src/devices/kill-guard.ts';
import { settle } from './manual-time.ts';

/** A call that is held open when it comes. */
export interface HeldCall {
  /** Resolves once it is held. */
  readonly reached: Promise<void>;
  release(): void;
}

/** Holds every call of a port's method from now on, until it is released. */
export function holdCall<Port extends object>(port: Port, method: keyof Port & string): HeldCall {
  const call: unknown = port[method];
  if (typeof call !== 'function') throw new TypeError(`${method} is no method`);
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const held = async (...given: readonly unknown[]): Promise<unknown> => {
    reached.resolve();
    await released.promise;
    return Reflect.apply(call, port, given);
  };
  Object.assign(port, { [method]: held });
  return { reached: reached.promise, release: () => released.resolve() };
}

/**
 * Has a switch come to the guard while the work is held: whether it was in force only once the work had ended. Lets go
 * of the work and sees it end, whatever the answer.
 */
export async function waitsForHeld(guard: KillGuard, held: HeldCall, work: Promise<unknown>): Promise<boolean> {
  const gone = await Promise.race([held.reached.then(() => false), work.then(() => true)]);
  if (gone) throw new Error('the work ended without the call that is held');
  let inForce = false;
  const drained = guard.drained().then(() => {
    inForce = true;
  });
  await settle();
  const waited = !inForce;
  held.release();
  await work;
  await drained;
  return waited;
}
